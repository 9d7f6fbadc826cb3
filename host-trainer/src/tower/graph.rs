//! Layers as a directed acyclic graph in topological order.

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// What batch normalization adds to a variance before its root is taken.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// The weight of a further input with which rows of a sequence that are no step open update
/// gates so far that they are 1 exactly, whatever else they see: the state stays.
pub const KEEPS: f32 = 1e4;

/// Index of a node in [`Graph::nodes`].
pub type NodeId = usize;

/// Shape of one sample at a node: channels, height, width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Number of feature maps.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// One channel of `[height, width]`.
    pub fn grey([height, width]: [usize; 2]) -> Self {
        Self {
            channels: 1,
            height,
            width,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a node computes. Pairs are (vertical, horizontal).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "layer", rename_all = "kebab-case")]
pub enum Layer {
    /// The sample, as real numbers.
    Input(Shape),
    /// Cross-correlation, weights `[out_channels, in_channels / groups, kernel]`, zero
    /// padding on all sides. A fully connected layer is one whose kernel covers its input.
    Conv2d {
        /// Number of filters.
        out_channels: usize,
        /// 1: every filter sees all channels. The number of channels, in and out:
        /// depthwise, every filter sees its own channel.
        groups: usize,
        /// Filter size.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
        /// Zeros added before and after.
        padding: [usize; 2],
        /// Whether there is a bias per filter.
        bias: bool,
    },
    /// Batch normalization (Ioffe and Szegedy, 2015) per channel, with
    /// [`BATCH_NORM_EPSILON`].
    BatchNorm,
    /// `max(0, x)`.
    Relu,
    /// `min(max(0, x), 6)` (Krizhevsky, "Convolutional deep belief networks on CIFAR-10",
    /// 2010).
    Relu6,
    /// `x` where positive, else `slope * x`, a slope per channel (He et al., "Delving
    /// deep into rectifiers", 2015).
    Prelu,
    /// Sum of two different inputs of one shape: the end of a residual block.
    Add,
    /// Maximum over windows, incomplete ones dropped.
    MaxPool {
        /// Window size.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
        /// Places before and after that have no say.
        padding: [usize; 2],
    },
    /// Mean over all rows and columns, per channel.
    GlobalAveragePool,
    /// Gated recurrent units (Cho et al., 2014, the reset gate after the product) over the
    /// rows of a map of one column, up to the first that is no step; a channel for each unit.
    Gru {
        /// Units of each direction.
        units: usize,
        /// Whether a second set of units runs from the last step to the first.
        bidirectional: bool,
    },
    /// Mean over the rows that are steps, per channel.
    SequenceMean,
    /// The channels of each pixel scaled to unit length.
    UnitVectors,
    /// Twice as high and wide, each pixel four times.
    Upsample,
    /// Cosines of each pixel, a unit vector, with prototypes of a structure and of its
    /// surroundings in references; see [`shared::artifact::plan::Compare`].
    Compare {
        /// Cells along each side of the map, each with prototypes of its own; 0: none.
        grid: usize,
        /// Whether it is compared where the structure lies.
        location: bool,
    },
}

impl Layer {
    /// A convolution over all channels with an odd, square kernel, the map padded so that
    /// only the stride makes it smaller; no bias, which batch normalization has.
    pub fn conv(out_channels: usize, kernel: usize, stride: usize) -> Self {
        Self::Conv2d {
            out_channels,
            groups: 1,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            bias: false,
        }
    }

    /// As [`Self::conv`], each of the `channels` by itself.
    pub fn depthwise(channels: usize, kernel: usize, stride: usize) -> Self {
        Self::Conv2d {
            out_channels: channels,
            groups: channels,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            bias: false,
        }
    }

    /// A fully connected layer with bias over maps of `height` and `width`.
    pub fn dense(out_channels: usize, height: usize, width: usize) -> Self {
        Self::Conv2d {
            out_channels,
            groups: 1,
            kernel: [height, width],
            stride: [1, 1],
            padding: [0, 0],
            bias: true,
        }
    }
}

/// A layer with its name and where its inputs come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique in the graph; parameters are named `<node>.<parameter>`.
    pub name: String,
    /// Earlier nodes whose outputs it reads.
    pub inputs: Vec<NodeId>,
    /// What it computes.
    #[serde(flatten)]
    pub layer: Layer,
}

/// Nodes in topological order; node 0 is the input, the last one the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    shapes: Vec<Shape>,
}

impl Graph {
    /// A graph that only has its input.
    pub fn new(input: Shape) -> Self {
        Self {
            nodes: vec![Node {
                name: "input".into(),
                layer: Layer::Input(input),
                inputs: vec![],
            }],
            shapes: vec![input],
        }
    }

    /// Appends a layer that reads `inputs`; its id.
    ///
    /// # Errors
    /// When the layer cannot read that shape.
    pub fn push(&mut self, name: &str, layer: Layer, inputs: &[NodeId]) -> Result<NodeId> {
        ensure!(
            self.nodes.iter().all(|node| node.name != name),
            "layer name {name:?} is taken: choose another"
        );
        let shape = match (&layer, inputs) {
            (Layer::Add, &[a, b]) => {
                let shapes = [a, b].map(|input| self.shapes[input]);
                ensure!(
                    a != b && shapes[0] == shapes[1],
                    "layer {name:?}: expected two different inputs of one shape, found {shapes:?}: project one of them"
                );
                shapes[0]
            }
            (Layer::Add, _) => bail!("layer {name:?} reads two inputs, found {}", inputs.len()),
            (_, &[input]) => output_shape(name, &layer, self.shapes[input])?,
            _ => bail!("layer {name:?} reads one input, found {}", inputs.len()),
        };
        self.nodes.push(Node {
            name: name.into(),
            layer,
            inputs: inputs.to_vec(),
        });
        self.shapes.push(shape);
        Ok(self.nodes.len() - 1)
    }

    /// Appends a layer and, as `<name>.norm`, its batch normalization; the latter's id.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_normalized(&mut self, name: &str, layer: Layer, input: NodeId) -> Result<NodeId> {
        let layer = self.push(name, layer, &[input])?;
        self.push(&format!("{name}.norm"), Layer::BatchNorm, &[layer])
    }

    /// Whether it reads sequences.
    pub fn is_recurrent(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| matches!(node.layer, Layer::Gru { .. } | Layer::SequenceMean))
    }

    /// The first node that compares with references: they are run through those before it.
    pub fn first_comparison(&self) -> Option<NodeId> {
        let mut nodes = self.nodes.iter();
        nodes.position(|node| matches!(node.layer, Layer::Compare { .. }))
    }

    /// The nodes, in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Output shape of a node.
    pub fn shape(&self, node: NodeId) -> Shape {
        self.shapes[node]
    }

    /// Shape of the sample.
    pub fn input_shape(&self) -> Shape {
        self.shapes[0]
    }

    /// Shape of the last node's output.
    pub fn output_shape(&self) -> Shape {
        self.shapes[self.shapes.len() - 1]
    }

    /// Multiply-accumulate operations of one pass, averaging included, and comparing with one
    /// reference.
    pub fn macs(&self) -> u64 {
        let of = |(id, node): (usize, &Node)| match node.layer {
            Layer::Conv2d { kernel, groups, .. } => {
                let channels = self.shapes[node.inputs[0]].channels / groups;
                (channels * kernel[0] * kernel[1] * self.shapes[id].len()) as u64
            }
            Layer::GlobalAveragePool => self.shapes[node.inputs[0]].len() as u64,
            Layer::Compare { grid, .. } => {
                let prototypes = 2 + 2 * grid * grid;
                (prototypes * self.shapes[node.inputs[0]].len()) as u64
            }
            Layer::Gru { units, .. } => {
                let inputs = self.shapes[node.inputs[0]].channels;
                (3 * (inputs + units) * self.shapes[id].len()) as u64
            }
            _ => 0,
        };
        self.nodes.iter().enumerate().map(of).sum()
    }
}

fn output_shape(name: &str, layer: &Layer, input: Shape) -> Result<Shape> {
    let windows = |kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]| {
        let along = |size: usize, axis: usize| {
            let padded = size + 2 * padding[axis];
            ensure!(
                stride[axis] > 0 && padding[axis] < kernel[axis] && padded >= kernel[axis],
                "layer {name:?} needs at least {} rows and columns and less padding, found {} x {} and {padding:?}: use a larger input or fewer pools",
                kernel[axis],
                input.height,
                input.width
            );
            Ok((padded - kernel[axis]) / stride[axis] + 1)
        };
        Ok::<_, anyhow::Error>((along(input.height, 0)?, along(input.width, 1)?))
    };
    match *layer {
        Layer::Input(_) => bail!("layer {name:?}: only the first node is an input"),
        Layer::Conv2d {
            out_channels,
            groups,
            kernel,
            stride,
            padding,
            ..
        } => {
            ensure!(
                out_channels > 0 && (groups == 1 || [input.channels, out_channels] == [groups; 2]),
                "layer {name:?}: expected filters over all channels, or one for each, found {out_channels} in {groups} groups over {} channels",
                input.channels
            );
            let (height, width) = windows(kernel, stride, padding)?;
            Ok(Shape {
                channels: out_channels,
                height,
                width,
            })
        }
        Layer::MaxPool {
            kernel,
            stride,
            padding,
        } => {
            let (height, width) = windows(kernel, stride, padding)?;
            Ok(Shape {
                height,
                width,
                ..input
            })
        }
        Layer::GlobalAveragePool => Ok(Shape {
            height: 1,
            width: 1,
            ..input
        }),
        Layer::Gru {
            units,
            bidirectional,
        } => {
            ensure!(
                units > 0 && input.width == 1,
                "layer {name:?}: expected units over a sequence, which has one column, found {units} over {} columns",
                input.width
            );
            Ok(Shape {
                channels: units * if bidirectional { 2 } else { 1 },
                ..input
            })
        }
        Layer::SequenceMean => {
            ensure!(
                input.width == 1,
                "layer {name:?}: expected a sequence, which has one column, found {}",
                input.width
            );
            Ok(Shape { height: 1, ..input })
        }
        Layer::Upsample => Ok(Shape {
            height: 2 * input.height,
            width: 2 * input.width,
            ..input
        }),
        Layer::Compare { grid, location } => {
            ensure!(
                input.height.is_multiple_of(grid.max(1)) && input.width.is_multiple_of(grid.max(1)),
                "layer {name:?}: expected a map that {grid} x {grid} cells make up, found {} x {}",
                input.height,
                input.width
            );
            Ok(Shape {
                channels: 2 + if grid > 0 { 2 } else { 0 } + usize::from(location),
                ..input
            })
        }
        Layer::UnitVectors | Layer::BatchNorm | Layer::Relu | Layer::Relu6 | Layer::Prelu => {
            Ok(input)
        }
        Layer::Add => bail!("layer {name:?} reads two inputs"),
    }
}
