//! The graph as it is run: batch normalization folded into filters, ReLU into what
//! it follows, averaging as the convolution that it is.

use anyhow::{Context, Result, bail, ensure};

use super::ValueId;
use crate::tower::{Graph, Layer, Node, NodeId, Parameters, Shape, Tower};

/// As in `tower::torch`.
const EPSILON: f64 = 1e-5;

/// A tower as fused layers.
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
    /// What it reads: two values that are added, or one.
    pub inputs: Vec<ValueId>,
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
    /// Sum of two values.
    Add {
        /// Whether negative sums become zero.
        relu: bool,
    },
    /// `x` where positive, else `slope * x`.
    Prelu {
        /// `[channels]`.
        slopes: Vec<f32>,
    },
}

/// A convolution with everything that follows it at once.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedConv2d {
    /// 1, or the number of channels, in and out: each filter has one channel to itself.
    pub groups: usize,
    /// Filter size.
    pub kernel: [usize; 2],
    /// Step.
    pub stride: [usize; 2],
    /// Zeros added before and after.
    pub padding: [usize; 2],
    /// `[out channels, in channels / groups, kernel height, kernel width]`.
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
        let inputs: Vec<ValueId> = node.inputs.iter().map(|&from| values[from]).collect();
        let layer = match node.layer {
            Layer::Input(_) => bail!("layer {}: only the first node is an input", node.name),
            Layer::Conv2d {
                out_channels,
                groups,
                kernel,
                stride,
                padding,
                bias,
            } => FusedLayer::Conv2d(FusedConv2d {
                groups,
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
            Layer::GlobalAveragePool => FusedLayer::Conv2d(average(self.shape(inputs[0]))),
            Layer::Add => FusedLayer::Add { relu: false },
            Layer::Prelu => FusedLayer::Prelu {
                slopes: parameter("weight")?.to_vec(),
            },
            Layer::BatchNorm => {
                let [scale, shift] = [parameter("weight")?, parameter("bias")?];
                let statistics = [parameter("running_mean")?, parameter("running_var")?];
                match self.fusible(graph, node, inputs[0])? {
                    FusedLayer::Conv2d(conv) => fold(conv, [scale, shift], statistics),
                    _ => bail!("layer {}: expected a convolution before it", node.name),
                }
                return Ok(inputs[0]);
            }
            Layer::Relu => {
                match self.fusible(graph, node, inputs[0])? {
                    FusedLayer::Conv2d(FusedConv2d { relu, .. }) | FusedLayer::Add { relu } => {
                        *relu = true;
                    }
                    _ => bail!(
                        "layer {}: expected a convolution or a sum before it",
                        node.name
                    ),
                }
                return Ok(inputs[0]);
            }
        };
        self.nodes.push(FusedNode {
            name: node.name.clone(),
            layer,
            inputs,
            shape: graph.shape(id),
        });
        Ok(self.nodes.len())
    }

    /// The layer that `follower` may change: nobody else reads its output, and no
    /// activation lies between.
    fn fusible(
        &mut self,
        graph: &Graph,
        follower: &Node,
        value: ValueId,
    ) -> Result<&mut FusedLayer> {
        let from = follower.inputs[0];
        let readers = graph.nodes().iter().flat_map(|node| &node.inputs);
        let alone = readers.filter(|&&input| input == from).count() == 1;
        let node = value
            .checked_sub(1)
            .and_then(|node| self.nodes.get_mut(node));
        match node.map(|node| &mut node.layer) {
            Some(layer) if alone && !layer.has_relu() => Ok(layer),
            _ => bail!(
                "layer {} follows {}: expected a layer without activation that nothing else reads, which it can be fused with",
                follower.name,
                graph.nodes()[from].name
            ),
        }
    }
}

impl FusedLayer {
    /// Whether its output is never negative because of a ReLU.
    pub fn has_relu(&self) -> bool {
        match self {
            Self::Conv2d(FusedConv2d { relu, .. }) | Self::Add { relu } => *relu,
            Self::MaxPool { .. } | Self::Prelu { .. } => false,
        }
    }
}

/// The mean over all rows and columns: a depthwise convolution of `1 / count`.
fn average(input: Shape) -> FusedConv2d {
    let Shape {
        channels,
        height,
        width,
    } = input;
    FusedConv2d {
        groups: channels,
        kernel: [height, width],
        stride: [1, 1],
        padding: [0, 0],
        weights: vec![1.0 / (height * width) as f32; input.len()],
        bias: vec![0.0; channels],
        relu: false,
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
