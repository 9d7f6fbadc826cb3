//! The graph as it is run: batch normalization folded into filters, ReLU into what
//! it follows, averaging as the convolution that it is.

use anyhow::{Context, Result, bail, ensure};

use super::ValueId;
use crate::tower::{BATCH_NORM_EPSILON, Graph, Layer, Node, NodeId, Parameters, Shape, Tower};

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
    /// Convolution with bias and, maybe, a rectifier.
    Conv2d(FusedConv2d),
    /// Maximum over windows.
    MaxPool {
        /// Window size.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
        /// Places before and after that have no say.
        padding: [usize; 2],
    },
    /// Sum of two values.
    Add {
        /// What follows it.
        rectifier: Rectifier,
    },
    /// `x` where positive, else `slope * x`.
    Prelu {
        /// `[channels]`.
        slopes: Vec<f32>,
    },
    /// Gated recurrent units, one set or two for each direction.
    Gru(Vec<FusedGru>),
    /// Mean over the rows that are steps.
    SequenceMean,
    /// The channels of each pixel scaled to unit length.
    UnitVectors,
    /// Twice as high and wide.
    Upsample,
    /// Cosines with prototypes of references.
    Compare {
        /// Cells along each side of the map.
        grid: usize,
        /// Whether it is compared where the structure lies.
        location: bool,
    },
}

/// Gated recurrent units of one direction, gates in the order reset, update, new.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedGru {
    /// `[3 units, in channels]`.
    pub input_weights: Vec<f32>,
    /// `[3 units, units]`.
    pub state_weights: Vec<f32>,
    /// `[3 units]`.
    pub input_bias: Vec<f32>,
    /// `[3 units]`.
    pub state_bias: Vec<f32>,
}

/// What cuts a layer's outputs off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rectifier {
    /// Nothing.
    None,
    /// Negative ones become 0.
    Relu,
    /// Negative ones become 0, those above 6 become 6.
    Relu6,
}

impl Rectifier {
    /// The largest output.
    pub fn most(self) -> f32 {
        match self {
            Self::None | Self::Relu => f32::INFINITY,
            Self::Relu6 => 6.0,
        }
    }
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
    /// What follows it.
    pub rectifier: Rectifier,
}

impl FusedGraph {
    /// Fuses the tower's graph with its parameters.
    ///
    /// # Errors
    /// When a parameter is missing, or a layer follows one that it cannot be fused with.
    pub fn new(tower: &Tower, parameters: &Parameters) -> Result<Self> {
        Self::of(&tower.graph, tower.normalized, parameters)
    }

    /// Fuses any graph with its parameters.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(graph: &Graph, normalized: bool, parameters: &Parameters) -> Result<Self> {
        let mut fused = Self {
            input: graph.input_shape(),
            nodes: vec![],
            normalized,
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

    /// Whether it reads sequences.
    pub fn is_recurrent(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| matches!(node.layer, FusedLayer::Gru(_) | FusedLayer::SequenceMean))
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
                rectifier: Rectifier::None,
            }),
            Layer::MaxPool {
                kernel,
                stride,
                padding,
            } => FusedLayer::MaxPool {
                kernel,
                stride,
                padding,
            },
            Layer::GlobalAveragePool => FusedLayer::Conv2d(average(self.shape(inputs[0]))),
            Layer::Add => FusedLayer::Add {
                rectifier: Rectifier::None,
            },
            Layer::Prelu => FusedLayer::Prelu {
                slopes: parameter("weight")?.to_vec(),
            },
            Layer::Gru { bidirectional, .. } => {
                let directions = &["", "_reverse"][..if bidirectional { 2 } else { 1 }];
                let direction = |suffix: &&str| {
                    let values = |name: &str| parameter(&format!("{name}{suffix}"));
                    Ok::<_, anyhow::Error>(FusedGru {
                        input_weights: values("weight_ih")?.to_vec(),
                        state_weights: values("weight_hh")?.to_vec(),
                        input_bias: values("bias_ih")?.to_vec(),
                        state_bias: values("bias_hh")?.to_vec(),
                    })
                };
                FusedLayer::Gru(directions.iter().map(direction).collect::<Result<_>>()?)
            }
            Layer::SequenceMean => FusedLayer::SequenceMean,
            Layer::UnitVectors => FusedLayer::UnitVectors,
            Layer::Upsample => FusedLayer::Upsample,
            Layer::Compare { grid, location } => FusedLayer::Compare { grid, location },
            Layer::BatchNorm => {
                let [scale, shift] = [parameter("weight")?, parameter("bias")?];
                let statistics = [parameter("running_mean")?, parameter("running_var")?];
                match self.fusible(graph, node, inputs[0])? {
                    FusedLayer::Conv2d(conv) => fold(conv, [scale, shift], statistics),
                    _ => bail!("layer {}: expected a convolution before it", node.name),
                }
                return Ok(inputs[0]);
            }
            Layer::Relu | Layer::Relu6 => {
                match self.fusible(graph, node, inputs[0])? {
                    FusedLayer::Conv2d(FusedConv2d { rectifier, .. })
                    | FusedLayer::Add { rectifier } => {
                        *rectifier = match node.layer {
                            Layer::Relu6 => Rectifier::Relu6,
                            _ => Rectifier::Relu,
                        };
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
            Some(layer) if alone && layer.rectifier() == Rectifier::None => Ok(layer),
            _ => bail!(
                "layer {} follows {}: expected a layer without activation that nothing else reads, which it can be fused with",
                follower.name,
                graph.nodes()[from].name
            ),
        }
    }
}

impl FusedLayer {
    /// What it ends with.
    pub fn rectifier(&self) -> Rectifier {
        match self {
            Self::Conv2d(FusedConv2d { rectifier, .. }) | Self::Add { rectifier } => *rectifier,
            Self::MaxPool { .. }
            | Self::Prelu { .. }
            | Self::Gru(_)
            | Self::SequenceMean
            | Self::UnitVectors
            | Self::Upsample
            | Self::Compare { .. } => Rectifier::None,
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
        rectifier: Rectifier::None,
    }
}

/// `gamma (x - mean) / sqrt(variance + epsilon) + beta` of a convolution's output is
/// the convolution with scaled filters and another bias.
fn fold(conv: &mut FusedConv2d, [gamma, beta]: [&[f32]; 2], [mean, variance]: [&[f32]; 2]) {
    let taps = conv.weights.len() / conv.bias.len();
    let filters = conv.weights.chunks_exact_mut(taps);
    for (channel, (filter, bias)) in filters.zip(&mut conv.bias).enumerate() {
        let deviation = (f64::from(variance[channel]) + BATCH_NORM_EPSILON).sqrt();
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
