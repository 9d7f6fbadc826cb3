//! The tower as a libtorch module: the graph, interpreted.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use shared::preprocess::Quantization;
use tch::{Device, Kind, Tensor};

use super::comparison;
use super::graph::{BATCH_NORM_EPSILON, Graph, Layer, Node, NodeId};
use super::parameters::{self, Initial, Parameters, Specification};
use super::sequence;
use crate::quantize::aware::FakeQuantization;

const MOMENTUM: f64 = 0.1;

/// A graph with its parameters as tensors on a device.
#[derive(Debug)]
pub struct TorchTower {
    graph: Graph,
    tensors: BTreeMap<String, Tensor>,
    quantization: Quantization,
    normalized: bool,
    device: Device,
    kind: Kind,
    /// The last node that reads each node's output.
    last_readers: Vec<NodeId>,
    /// What rounds its layers to int8, where it learns to be rounded.
    rounding: Option<FakeQuantization>,
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
    /// A tower with fresh weights, as [`Initial`] says, from torch's generator.
    pub fn new(
        graph: &Graph,
        normalized: bool,
        quantization: Quantization,
        device: Device,
    ) -> Self {
        let tensors = parameters::specifications(graph)
            .into_iter()
            .map(|specification| {
                let tensor = initial(&specification, device);
                (specification.name, tensor)
            })
            .collect();
        Self {
            graph: graph.clone(),
            tensors,
            quantization,
            normalized,
            device,
            kind: Kind::Float,
            last_readers: last_readers(graph),
            rounding: None,
        }
    }

    /// The same tower, its maps computed in `kind` in training. Weights, statistics and
    /// embeddings stay in single precision, and so does inference.
    pub fn training_in(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same tower, computed as int8 would be: layers rounded, batch normalization by
    /// running statistics, in single precision, in training too.
    pub fn rounded(self, rounding: FakeQuantization) -> Self {
        Self {
            rounding: Some(rounding),
            ..self
        }
    }

    /// Whether it is computed as int8 would be.
    pub fn is_rounded(&self) -> bool {
        self.rounding.is_some()
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
        to_host(self.tensors())
    }

    /// Name of the layer that gives the embedding.
    pub fn last_layer(&self) -> &str {
        self.graph.nodes().last().map_or("", |node| &node.name)
    }

    /// All tensors, batch statistics among them, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
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
        let last = match &self.rounding {
            Some(rounding) => {
                let mut values = rounding.values(&self.tensors, &channels_last(input));
                values.pop().unwrap_or_else(|| input.shallow_clone())
            }
            None => self.last(input, None, mode),
        };
        let embedding = last.flatten(1, -1);
        let embedding = embedding.to_kind(Kind::Float);
        if self.normalized {
            let norm = embedding.square().sum_dim_intlist(1, true, Kind::Float);
            embedding * (norm + 1e-12).rsqrt()
        } else {
            embedding
        }
    }

    /// What the last layer gives for the queries of episodes, `[episodes, ..]`: `input` holds
    /// the queries and then the references of each episode, `[episodes * (1 + references),
    /// channels, height, width]`; `masks`, `[episodes, references, height, width]` of 0 and 1,
    /// mark the structure on the references.
    pub fn segment(&self, input: &Tensor, masks: &Tensor, mode: Mode) -> Tensor {
        self.last(input, Some(masks), mode).to_kind(Kind::Float)
    }

    /// What the last layer gives.
    fn last(&self, input: &Tensor, masks: Option<&Tensor>, mode: Mode) -> Tensor {
        let kind = match mode {
            Mode::Training => self.kind,
            Mode::Inference => Kind::Float,
        };
        let input = channels_last(&input.to_kind(kind));
        // What nobody reads any more is given back at once: the next map then finds
        // memory that is there, and in the cache.
        let is_recurrent = self.graph.is_recurrent();
        let steps = is_recurrent.then(|| sequence::steps(&input, self.quantization));
        let mut outputs: Vec<Option<Tensor>> = Vec::with_capacity(self.graph.nodes().len());
        let mut prototypes = BTreeMap::new();
        for (id, node) in self.graph.nodes().iter().enumerate() {
            if let Some(masks) = masks.filter(|_| self.graph.first_comparison() == Some(id)) {
                prototypes = comparison::prototypes(&self.graph, &outputs, masks);
                // From here on only queries go on.
                for output in outputs.iter_mut().flatten() {
                    *output = output.narrow(0, 0, masks.size()[0]);
                }
            }
            let read: Vec<&Tensor> = node
                .inputs
                .iter()
                .filter_map(|&i| outputs[i].as_ref())
                .collect();
            let output = match *read {
                [a, b] => a + b,
                [from] => match (&node.layer, &steps) {
                    (Layer::Gru { .. }, Some(steps)) => {
                        sequence::gru(node, from, steps, &self.tensors)
                    }
                    (Layer::SequenceMean, Some(steps)) => sequence::mean(from, steps),
                    (Layer::Compare { .. }, _) => match prototypes.get(&id) {
                        Some(prototypes) => prototypes.compare(from),
                        None => from.shallow_clone(),
                    },
                    _ => self.run(node, from, mode),
                },
                _ => input.shallow_clone(),
            };
            for &from in &node.inputs {
                if self.last_readers[from] == id {
                    outputs[from] = None;
                }
            }
            outputs.push(Some(output));
        }
        outputs.pop().flatten().unwrap_or(input)
    }

    /// What a layer of one input makes of it.
    fn run(&self, node: &Node, input: &Tensor, mode: Mode) -> Tensor {
        let parameter = |name: &str| self.tensors.get(&format!("{}.{name}", node.name));
        // Casting is differentiable: gradients arrive in single precision.
        let cast = |name: &str| parameter(name).map(|tensor| tensor.to_kind(input.kind()));
        match &node.layer {
            Layer::Input(_)
            | Layer::Add
            | Layer::Gru { .. }
            | Layer::SequenceMean
            | Layer::Compare { .. } => input.shallow_clone(),
            Layer::UnitVectors => comparison::unit(input, 1),
            Layer::Upsample => {
                let size = input.size();
                input.upsample_nearest2d([2 * size[2], 2 * size[3]], None, None)
            }
            Layer::Conv2d {
                stride,
                padding,
                groups,
                ..
            } => input.conv2d(
                &self.tensors[&format!("{}.weight", node.name)].to_kind(input.kind()),
                cast("bias"),
                stride.map(|v| v as i64),
                padding.map(|v| v as i64),
                [1, 1],
                *groups as i64,
            ),
            Layer::BatchNorm => input.batch_norm(
                parameter("weight"),
                parameter("bias"),
                parameter("running_mean"),
                parameter("running_var"),
                mode == Mode::Training,
                MOMENTUM,
                BATCH_NORM_EPSILON,
                false,
            ),
            Layer::Relu => input.relu(),
            Layer::Relu6 => input.clamp(0.0, 6.0),
            Layer::Prelu => {
                input.prelu(&self.tensors[&format!("{}.weight", node.name)].to_kind(input.kind()))
            }
            Layer::GlobalAveragePool => input.mean_dim([2i64, 3].as_slice(), true, None::<Kind>),
            Layer::MaxPool {
                kernel,
                stride,
                padding,
            } => input.max_pool2d(
                kernel.map(|v| v as i64),
                stride.map(|v| v as i64),
                padding.map(|v| v as i64),
                [1, 1],
                false,
            ),
        }
    }
}

/// The last node that reads each node's output; the node itself where none does.
fn last_readers(graph: &Graph) -> Vec<NodeId> {
    let mut last: Vec<NodeId> = (0..graph.nodes().len()).collect();
    for (id, node) in graph.nodes().iter().enumerate() {
        for &from in &node.inputs {
            last[from] = id;
        }
    }
    last
}

/// Named tensors as parameters.
///
/// # Errors
/// When a tensor cannot be read back.
pub fn to_host<'a>(tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<Parameters> {
    let read = |tensor: &Tensor| -> Result<parameters::Tensor> {
        let flat = tensor.detach().to_device(Device::Cpu).reshape(-1);
        Ok(parameters::Tensor {
            shape: tensor.size().iter().map(|&size| size as usize).collect(),
            values: Vec::try_from(&flat)?,
        })
    };
    tensors
        .map(|(name, tensor)| Ok((name.to_owned(), read(tensor)?)))
        .collect()
}

fn initial(specification: &Specification, device: Device) -> Tensor {
    let options = (Kind::Float, device);
    let shape: Vec<i64> = specification.shape.iter().map(|&v| v as i64).collect();
    let tensor = match specification.initial {
        Initial::He { fan_in } => Tensor::randn(&shape, options) * (2.0 / fan_in as f64).sqrt(),
        Initial::Constant(value) | Initial::Statistic(value) => {
            Tensor::full(&shape, value, options)
        }
    };
    channels_last(&tensor).set_requires_grad(specification.is_trainable())
}

/// The same tensor with channels varying fastest in memory where it has four dimensions,
/// which is how libtorch convolves fastest.
fn channels_last(tensor: &Tensor) -> Tensor {
    let Ok([count, channels, height, width]) = <[i64; 4]>::try_from(tensor.size()) else {
        return tensor.shallow_clone();
    };
    // By way of one dimension: of a single channel's stride libtorch thinks nothing, and
    // would keep the one that says rows vary fastest.
    tensor
        .permute([0, 2, 3, 1])
        .contiguous()
        .reshape(-1)
        .reshape([count, height, width, channels])
        .permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libtorch takes for channels last (`suggest_memory_format`): strides that rise
    /// from channels by columns and rows to samples.
    #[test]
    fn channels_vary_fastest_even_when_there_is_one() {
        for shape in [[5, 1, 6, 7], [5, 3, 6, 7]] {
            let values = Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu));
            let tensor = values.reshape(shape);
            let laid_out = channels_last(&tensor);
            let [_, channels, _, width] = shape;
            let strides = [6 * width * channels, 1, width * channels, channels];
            assert_eq!(laid_out.stride(), strides);
            assert_eq!(laid_out, tensor);
        }
    }
}
