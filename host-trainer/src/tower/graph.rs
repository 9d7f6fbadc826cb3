//! Layers as a directed acyclic graph in topological order.

use anyhow::{Result, bail, ensure};

/// Index of a node in [`Graph::nodes`].
pub type NodeId = usize;

/// Shape of one sample at a node: channels, height, width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of feature maps.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
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
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// The sample, as real numbers.
    Input(Shape),
    /// Cross-correlation, weights `[out_channels, in_channels, kernel]`, zero padding
    /// on all sides. A fully connected layer is one whose kernel covers its input.
    Conv2d {
        /// Number of filters.
        out_channels: usize,
        /// Filter size.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
        /// Zeros added before and after.
        padding: [usize; 2],
        /// Whether there is a bias per filter.
        bias: bool,
    },
    /// Batch normalization (Ioffe and Szegedy, 2015) per channel, epsilon 1e-5.
    BatchNorm,
    /// `max(0, x)`.
    Relu,
    /// Maximum over windows, no padding, incomplete windows dropped.
    MaxPool {
        /// Window size.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
    },
}

/// A layer with its name and where its inputs come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in the graph; parameters are named `<node>.<parameter>`.
    pub name: String,
    /// What it computes.
    pub layer: Layer,
    /// Earlier nodes whose outputs it reads.
    pub inputs: Vec<NodeId>,
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
        let shape = match inputs {
            [input] => output_shape(name, &layer, self.shapes[*input])?,
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

    /// Multiply-accumulate operations of one pass.
    pub fn macs(&self) -> u64 {
        let of = |(id, node): (usize, &Node)| match node.layer {
            Layer::Conv2d { kernel, .. } => {
                let filter = self.shapes[node.inputs[0]].channels * kernel[0] * kernel[1];
                (filter * self.shapes[id].len()) as u64
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
                stride[axis] > 0 && kernel[axis] > 0 && padded >= kernel[axis],
                "layer {name:?} needs at least {} rows and columns, found {} x {}: use a larger input or fewer pools",
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
            kernel,
            stride,
            padding,
            ..
        } => {
            let (height, width) = windows(kernel, stride, padding)?;
            Ok(Shape {
                channels: out_channels,
                height,
                width,
            })
        }
        Layer::MaxPool { kernel, stride } => {
            let (height, width) = windows(kernel, stride, [0, 0])?;
            Ok(Shape {
                height,
                width,
                ..input
            })
        }
        Layer::BatchNorm | Layer::Relu => Ok(input),
    }
}
