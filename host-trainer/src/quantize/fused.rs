//! The graph as it is run: batch normalization folded into filters, ReLU into what
//! it follows.

use anyhow::{Context, Result, bail, ensure};

use super::ValueId;
use crate::tower::{Graph, Layer, NodeId, Parameters, Shape, Tower};

/// As in `tower::torch`.
const EPSILON: f64 = 1e-5;

/// A tower as a chain of fused layers.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedGraph {
    /// Shape of one sample.
    pub input: Shape,
    /// The layers in order; the last one's output is the embedding.
    pub nodes: Vec<FusedNode>,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
}

/// A fused layer with its name, input and output shape.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedNode {
    /// Name of the layer it begins with.
    pub name: String,
    /// What it computes.
    pub layer: FusedLayer,
    /// What it reads.
    pub input: ValueId,
    /// Shape of what it writes.
    pub shape: Shape,
}

/// What a fused node computes. Pairs are (vertical, horizontal).
#[derive(Clone, Debug, PartialEq)]
pub enum FusedLayer {
    /// Convolution with bias and, maybe, ReLU.
    Conv2d(FusedConv2d),
    /// Maximum over windows.
    MaxPool {
        /// Window size.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
    },
}

/// A convolution with everything that follows it at once.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedConv2d {
    /// Filter size.
    pub kernel: [usize; 2],
    /// Step.
    pub stride: [usize; 2],
    /// Zeros added before and after.
    pub padding: [usize; 2],
    /// `[out channels, in channels, kernel height, kernel width]`.
    pub weights: Vec<f32>,
    /// `[out channels]`.
    pub bias: Vec<f32>,
    /// Whether negative outputs become zero.
    pub relu: bool,
}

impl FusedGraph {
    /// Fuses the tower's graph with its parameters.
    ///
    /// # Errors
    /// When a parameter is missing, or a layer follows one that it cannot be fused with.
    pub fn new(tower: &Tower, parameters: &Parameters) -> Result<Self> {
        let graph = &tower.graph;
        let mut fused = Self {
            input: graph.input_shape(),
            nodes: vec![],
            normalized: tower.normalized,
        };
        // The fused value that holds each graph node's output.
        let mut values: Vec<ValueId> = vec![0];
        for id in 1..graph.nodes().len() {
            let value = fused.add(graph, id, &values, parameters)?;
            values.push(value);
        }
        Ok(fused)
    }

    /// Shape of a value.
    pub fn shape(&self, value: ValueId) -> Shape {
        match value {
            0 => self.input,
            _ => self.nodes[value - 1].shape,
        }
    }

    /// Number of values.
    pub fn values(&self) -> usize {
        self.nodes.len() + 1
    }

    fn add(
        &mut self,
        graph: &Graph,
        id: NodeId,
        values: &[ValueId],
        parameters: &Parameters,
    ) -> Result<ValueId> {
        let node = &graph.nodes()[id];
        let parameter = |name: &str| {
            let name = format!("{}.{name}", node.name);
            let tensor = parameters.get(&name);
            let tensor =
                tensor.with_context(|| format!("expected a parameter {name}, found none"))?;
            Ok::<_, anyhow::Error>(tensor.values.as_slice())
        };
        let from = node.inputs[0];
        let input = values[from];
        let layer = match node.layer {
            Layer::Input(_) => bail!("layer {}: only the first node is an input", node.name),
            Layer::Conv2d {
                out_channels,
                kernel,
                stride,
                padding,
                bias,
            } => FusedLayer::Conv2d(FusedConv2d {
                kernel,
                stride,
                padding,
                weights: parameter("weight")?.to_vec(),
                bias: match bias {
                    true => parameter("bias")?.to_vec(),
                    false => vec![0.0; out_channels],
                },
                relu: false,
            }),
            Layer::MaxPool { kernel, stride } => FusedLayer::MaxPool { kernel, stride },
            Layer::BatchNorm => {
                let conv = self.fusible(graph, from, input, &node.name)?;
                let [scale, shift] = [parameter("weight")?, parameter("bias")?];
                fold(
                    conv,
                    [scale, shift],
                    [parameter("running_mean")?, parameter("running_var")?],
                );
                return Ok(input);
            }
            Layer::Relu => {
                self.fusible(graph, from, input, &node.name)?.relu = true;
                return Ok(input);
            }
        };
        self.nodes.push(FusedNode {
            name: node.name.clone(),
            layer,
            input,
            shape: graph.shape(id),
        });
        Ok(self.nodes.len())
    }

    /// The convolution that a following layer may change: nobody else reads its
    /// output, and no activation lies between.
    fn fusible(
        &mut self,
        graph: &Graph,
        from: NodeId,
        value: ValueId,
        follower: &str,
    ) -> Result<&mut FusedConv2d> {
        let readers = graph.nodes().iter().flat_map(|node| &node.inputs);
        let alone = readers.filter(|&&input| input == from).count() == 1;
        let node = value
            .checked_sub(1)
            .and_then(|node| self.nodes.get_mut(node));
        match node.map(|node| &mut node.layer) {
            Some(FusedLayer::Conv2d(conv)) if alone && !conv.relu => Ok(conv),
            _ => bail!(
                "layer {follower} follows {}: expected a convolution that nothing else reads, which it can be folded into",
                graph.nodes()[from].name
            ),
        }
    }
}

/// `gamma (x - mean) / sqrt(variance + epsilon) + beta` of a convolution's output is
/// the convolution with scaled filters and another bias.
fn fold(conv: &mut FusedConv2d, [gamma, beta]: [&[f32]; 2], [mean, variance]: [&[f32]; 2]) {
    let taps = conv.weights.len() / conv.bias.len();
    let filters = conv.weights.chunks_exact_mut(taps);
    for (channel, (filter, bias)) in filters.zip(&mut conv.bias).enumerate() {
        let deviation = (f64::from(variance[channel]) + EPSILON).sqrt();
        let factor = f64::from(gamma[channel]) / deviation;
        for weight in filter {
            *weight = (f64::from(*weight) * factor) as f32;
        }
        let centred = f64::from(*bias) - f64::from(mean[channel]);
        *bias = (f64::from(beta[channel]) + centred * factor) as f32;
    }
}

/// Checks that a tower can be fused, quantized and run on a device.
///
/// # Errors
/// When its last map is not 1 x 1.
pub fn check_embedding(fused: &FusedGraph) -> Result<()> {
    let Shape { height, width, .. } = fused.shape(fused.values() - 1);
    ensure!(
        (height, width) == (1, 1),
        "expected an embedding of 1 row and 1 column, found {height} x {width}: end the tower with a fully connected layer"
    );
    Ok(())
}
