//! The tower as a libtorch module: the graph, interpreted.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use shared::preprocess::Quantization;
use tch::{Device, Kind, Tensor};

use super::graph::{Graph, Layer, Node, NodeId};
use super::{Parameters, parameters};

const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// A graph with its parameters as tensors on a device.
#[derive(Debug)]
pub struct TorchTower {
    graph: Graph,
    tensors: BTreeMap<String, Tensor>,
    quantization: Quantization,
    normalized: bool,
    device: Device,
}

/// Whether batch statistics or running ones are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running ones are updated.
    Training,
    /// Running statistics.
    Inference,
}

impl TorchTower {
    /// A tower with fresh weights: He initialisation (He et al., "Delving deep into
    /// rectifiers", 2015) from torch's generator, zero biases, unit scales.
    pub fn new(
        graph: &Graph,
        normalized: bool,
        quantization: Quantization,
        device: Device,
    ) -> Self {
        let tensors = parameter_shapes(graph)
            .into_iter()
            .map(|(name, shape)| {
                let tensor = initial(&name, &shape, device);
                (name, tensor)
            })
            .collect();
        Self {
            graph: graph.clone(),
            tensors,
            quantization,
            normalized,
            device,
        }
    }

    /// A tower with given weights.
    ///
    /// # Errors
    /// When a parameter is missing, of another shape, or not the graph's.
    pub fn with_parameters(
        graph: &Graph,
        normalized: bool,
        quantization: Quantization,
        parameters: &Parameters,
        device: Device,
    ) -> Result<Self> {
        let mut tower = Self::new(graph, normalized, quantization, device);
        tower.load(parameters)?;
        Ok(tower)
    }

    /// Replaces every weight.
    ///
    /// # Errors
    /// When a parameter is missing, of another shape, or not the graph's.
    pub fn load(&mut self, parameters: &Parameters) -> Result<()> {
        ensure!(
            parameters.len() == self.tensors.len(),
            "expected {} parameters, found {}: the weights belong to another tower",
            self.tensors.len(),
            parameters.len()
        );
        for (name, tensor) in &mut self.tensors {
            let parameter = parameters
                .get(name)
                .with_context(|| format!("expected a parameter {name}, found none"))?;
            let shape: Vec<i64> = parameter.shape.iter().map(|&size| size as i64).collect();
            ensure!(
                shape == tensor.size(),
                "expected {name} of shape {:?}, found {shape:?}: the weights belong to another tower",
                tensor.size()
            );
            let values = Tensor::from_slice(&parameter.values).reshape(&shape);
            tch::no_grad(|| tensor.copy_(&values));
        }
        Ok(())
    }

    /// The weights, on the host.
    ///
    /// # Errors
    /// When a tensor cannot be read back.
    pub fn parameters(&self) -> Result<Parameters> {
        let read = |tensor: &Tensor| -> Result<parameters::Tensor> {
            let flat = tensor.detach().to_device(Device::Cpu).reshape(-1);
            Ok(parameters::Tensor {
                shape: tensor.size().iter().map(|&size| size as usize).collect(),
                values: Vec::try_from(&flat)?,
            })
        };
        self.tensors
            .iter()
            .map(|(name, tensor)| Ok((name.clone(), read(tensor)?)))
            .collect()
    }

    /// The tensors that training changes, by name.
    pub fn trainable(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors
            .iter()
            .filter(|(_, tensor)| tensor.requires_grad())
            .map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Where it runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// What preprocessed bytes mean: uint8 of any shape to real numbers.
    pub fn dequantize(&self, bytes: &Tensor) -> Tensor {
        let zero_point = f64::from(self.quantization.zero_point);
        (bytes.to_kind(Kind::Float) - zero_point) * f64::from(self.quantization.scale)
    }

    /// Embeddings `[n, dim]` of real inputs `[n, channels, height, width]`.
    pub fn forward(&self, input: &Tensor, mode: Mode) -> Tensor {
        let mut outputs: Vec<Tensor> = Vec::with_capacity(self.graph.nodes().len());
        for node in self.graph.nodes() {
            let output = match node.inputs.first() {
                None => input.shallow_clone(),
                Some(&from) => self.run(node, &outputs[from], mode),
            };
            outputs.push(output);
        }
        let embedding = outputs.swap_remove(outputs.len() - 1).flatten(1, -1);
        if self.normalized {
            let norm = embedding.square().sum_dim_intlist(1, true, Kind::Float);
            embedding * (norm + 1e-12).rsqrt()
        } else {
            embedding
        }
    }

    fn run(&self, node: &Node, input: &Tensor, mode: Mode) -> Tensor {
        let parameter = |name: &str| self.tensors.get(&format!("{}.{name}", node.name));
        match &node.layer {
            Layer::Input(_) => input.shallow_clone(),
            Layer::Conv2d {
                stride, padding, ..
            } => input.conv2d(
                &self.tensors[&format!("{}.weight", node.name)],
                parameter("bias"),
                stride.map(|v| v as i64),
                padding.map(|v| v as i64),
                [1, 1],
                1,
            ),
            Layer::BatchNorm => input.batch_norm(
                parameter("weight"),
                parameter("bias"),
                parameter("running_mean"),
                parameter("running_var"),
                mode == Mode::Training,
                MOMENTUM,
                EPSILON,
                false,
            ),
            Layer::Relu => input.relu(),
            Layer::MaxPool { kernel, stride } => input.max_pool2d(
                kernel.map(|v| v as i64),
                stride.map(|v| v as i64),
                [0, 0],
                [1, 1],
                false,
            ),
        }
    }
}

/// Name and shape of every parameter, in name order of the map that holds them.
fn parameter_shapes(graph: &Graph) -> Vec<(String, Vec<i64>)> {
    let mut shapes = Vec::new();
    let channels = |id: NodeId| graph.shape(id).channels as i64;
    for (id, node) in graph.nodes().iter().enumerate() {
        let mut add = |parameter: &str, shape: Vec<i64>| {
            shapes.push((format!("{}.{parameter}", node.name), shape));
        };
        match node.layer {
            Layer::Conv2d { kernel, bias, .. } => {
                let [height, width] = kernel.map(|v| v as i64);
                add(
                    "weight",
                    vec![channels(id), channels(node.inputs[0]), height, width],
                );
                if bias {
                    add("bias", vec![channels(id)]);
                }
            }
            Layer::BatchNorm => {
                for parameter in ["weight", "bias", "running_mean", "running_var"] {
                    add(parameter, vec![channels(id)]);
                }
            }
            Layer::Input(_) | Layer::Relu | Layer::MaxPool { .. } => {}
        }
    }
    shapes
}

fn initial(name: &str, shape: &[i64], device: Device) -> Tensor {
    let options = (Kind::Float, device);
    let is_filter = shape.len() > 1;
    if name.ends_with(".running_mean") {
        return Tensor::zeros(shape, options);
    }
    if name.ends_with(".running_var") {
        return Tensor::ones(shape, options);
    }
    let tensor = if is_filter {
        let fan_in: i64 = shape[1..].iter().product();
        Tensor::randn(shape, options) * (2.0 / fan_in as f64).sqrt()
    } else if name.ends_with(".weight") {
        Tensor::ones(shape, options)
    } else {
        Tensor::zeros(shape, options)
    };
    tensor.set_requires_grad(true)
}
