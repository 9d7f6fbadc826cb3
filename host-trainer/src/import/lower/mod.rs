//! From operators to layers.
//!
//! | found | becomes |
//! |---|---|
//! | `Conv`, of all channels or each; any padding and dilation | a convolution, zeros between and beside its taps |
//! | `Gemm`, `MatMul` with constants | a convolution whose kernel covers its input |
//! | `BatchNormalization`, sums and products with constants | scaled filters and other biases of the convolution before; a depthwise one where there is none |
//! | `Relu`, `Clip` from 0 to 6 | the same, fused into a convolution or sum |
//! | `PRelu`, `LeakyRelu` | slopes of each channel |
//! | `Add` of two maps, `MaxPool`, `AveragePool`, global pools, `ReduceMean` over maps | the same |
//! | `Pad` with zeros | padding of the convolution that follows |
//! | `Flatten`, `Reshape`, `Squeeze`, `Transpose`, `Shape` and what is computed from it | nothing |
//! | a division by the length of what is divided | embeddings of unit length |

mod affine;
mod convolution;
mod pool;
mod shape;
mod unit;

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use shared::preprocess::Quantization;

use super::constant::Constant;
use super::file::File;
use super::node::Node;
use super::{Network, Reading};
use crate::export::onnx::layer_of;
use crate::tower::{Graph, Layer, NodeId, Parameters, Shape, Tensor};

use convolution::Filters;

/// What a value of the file is.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// The same for every picture.
    Constant(Constant),
    /// The picture's bytes, of each of the network's channels scaled and shifted, until
    /// filters take that over.
    Picture(Picture),
    /// What a layer gives.
    Layer(Output),
    /// The squares of what a layer gives.
    Squares(NodeId),
    /// Their sum.
    SquaredLength(NodeId),
    /// Its root.
    Length(NodeId),
    /// What a layer gives, divided by its length.
    Unit(NodeId),
}

/// `scale * byte + shift` of each of the network's channels.
#[derive(Clone, Debug, PartialEq)]
struct Picture {
    scale: Vec<f64>,
    shift: Vec<f64>,
    /// Whether the channels of a pixel lie side by side.
    channels_last: bool,
    /// Zeros above, left, below and right that the next operator has to add.
    padding: [usize; 4],
}

/// What a layer gives.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Output {
    node: NodeId,
    /// Whether all its numbers are in a row, not in maps.
    is_row: bool,
    /// Whether nothing else reads them: the layer may still be changed.
    is_alone: bool,
    /// Zeros above, left, below and right that the next operator has to add.
    padding: [usize; 4],
}

/// Layers made so far, and what each value of the file is.
struct Lowering<'a> {
    reading: &'a Reading,
    input: Shape,
    graph: Graph,
    parameters: Parameters,
    values: HashMap<&'a str, Value>,
    /// Numbers that further maps may have.
    room: usize,
    /// What a picture's bytes mean to the first layer; decided by the first that reads them.
    quantization: Option<Quantization>,
}

/// Nodes may make so many times the numbers that are stored in the file, and some more, of
/// constants alone: weights that are stored as integers, shapes. Small files that fill the
/// memory stop there.
const CONSTANTS_BY_STORED: usize = 3;
const MORE_CONSTANTS: usize = 1 << 16;

/// The most that the maps of one picture may take, real numbers: 1 GiB. They are all there at
/// once when the layers are compared with the file.
const MOST_VALUES: usize = (1 << 30) / size_of::<f32>();

/// Makes a network of a file's operators.
///
/// # Errors
/// When an operator is used in a way that no layer computes; the message names it.
pub(super) fn lower(file: &File, reading: &Reading) -> Result<Network> {
    let mut lowering = Lowering::new(file, reading)?;
    let stored: usize = file.constants.values().map(Constant::len).sum();
    let mut room = CONSTANTS_BY_STORED * stored + MORE_CONSTANTS;
    for node in file.nodes() {
        let value = lowering.node(&node).with_context(|| node.to_string())?;
        if let Value::Constant(constant) = &value {
            // What a node states is stored as well, where others have an initializer.
            room = match node.operator() {
                "Constant" => room + CONSTANTS_BY_STORED * constant.len(),
                _ => room.checked_sub(constant.len()).with_context(|| {
                    format!("{node}: expected constants that a network needs, found it to make more and more of them")
                })?,
            };
        }
        let output = node.output();
        let alone = file.is_read_once(output);
        let value = match value {
            Value::Layer(layer) => Value::Layer(Output {
                is_alone: layer.is_alone && alone,
                ..layer
            }),
            value => value,
        };
        lowering.values.insert(output, value);
    }
    lowering.finish(&file.output)
}

impl<'a> Lowering<'a> {
    fn new(file: &'a File, reading: &'a Reading) -> Result<Self> {
        let input = file.input.shape;
        let (scale, shift) = reading.affine(input.channels)?;
        ensure!(
            reading.scaling.is_none() || !file.input.is_bytes,
            "expected a network of real numbers for a mean and a std, found one that reads bytes: leave out --mean and --std"
        );
        let picture = Value::Picture(Picture {
            scale,
            shift,
            channels_last: file.input.channels_last,
            padding: [0; 4],
        });
        let constants = file.constants.iter();
        let mut values: HashMap<&str, Value> = constants
            .map(|(name, constant)| (name.as_str(), Value::Constant(constant.clone())))
            .collect();
        values.insert(&file.input.name, picture);
        let channels = usize::from(reading.channels.colour().channels());
        Ok(Self {
            reading,
            input,
            graph: Graph::new(Shape { channels, ..input }),
            parameters: Parameters::new(),
            values,
            room: MOST_VALUES,
            quantization: None,
        })
    }

    fn finish(mut self, output: &str) -> Result<Network> {
        let value = self.values.remove(output);
        let (node, normalized) = match value {
            Some(Value::Layer(Output {
                node,
                padding: [0, 0, 0, 0],
                ..
            })) => (node, false),
            Some(Value::Unit(node)) => (node, true),
            _ => bail!(
                "expected the output {output:?} to be what a layer gives, maybe of unit length, found something else"
            ),
        };
        ensure!(
            node + 1 == self.graph.nodes().len(),
            "expected the output {output:?} to come last, found layers after it"
        );
        Ok(Network {
            graph: self.graph,
            parameters: self.parameters,
            normalized,
            quantization: self.quantization.context("expected layers, found none")?,
        })
    }

    /// What a node of the file gives.
    fn node(&mut self, node: &Node<'a>) -> Result<Value> {
        match node.operator() {
            "Identity" | "Dropout" => self.value(node, 0).cloned(),
            "Constant" => shape::constant(node),
            "Cast" | "Expand" | "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Transpose"
            | "Shape" | "Gather" | "Concat" | "Slice" => self.shaped(node),
            "Conv" => self.convolution(node),
            "Gemm" | "MatMul" => self.dense(node),
            "BatchNormalization" => self.batch_normalization(node),
            "DequantizeLinear" => self.dequantize(node),
            "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Neg" | "Pow" | "Max" => self.arithmetic(node),
            "Relu" | "Clip" => self.rectifier(node),
            "PRelu" | "LeakyRelu" => self.slopes(node),
            "Pad" => self.pad(node),
            "MaxPool" | "AveragePool" | "GlobalMaxPool" | "GlobalAveragePool" | "ReduceMean" => {
                self.pool(node)
            }
            "ReduceL2" | "ReduceSum" | "ReduceSumSquare" | "Sqrt" | "LpNormalization" => {
                self.length(node)
            }
            other => bail!("{other} is not read"),
        }
    }

    /// An input of a node.
    fn value(&self, node: &Node<'a>, index: usize) -> Result<&Value> {
        let name = node
            .input(index)
            .with_context(|| format!("expected an input at place {index}, found none"))?;
        self.values.get(name).with_context(|| {
            format!("expected {name:?} before it is read, found nothing of that name")
        })
    }

    /// An input that is the same for every picture.
    fn constant(&self, node: &Node<'a>, index: usize) -> Result<&Constant> {
        match self.value(node, index)? {
            Value::Constant(constant) => Ok(constant),
            _ => bail!(
                "expected a constant at place {index}, found something that depends on the picture"
            ),
        }
    }

    /// The same where there is such an input.
    fn optional_constant(&self, node: &Node<'a>, index: usize) -> Result<Option<&Constant>> {
        node.input(index)
            .map(|_| self.constant(node, index))
            .transpose()
    }

    /// An input that a layer gives; of the picture itself, a layer that gives what the
    /// network reads.
    fn output(&mut self, node: &Node<'a>, index: usize) -> Result<Output> {
        let value = self.value(node, index)?.clone();
        let output = match value {
            Value::Layer(output) => output,
            Value::Picture(picture) => self.real_picture(node, &picture)?,
            _ => bail!("expected maps at place {index}, found something else"),
        };
        ensure!(
            output.padding == [0; 4],
            "expected no padding before it, found {:?}: only convolutions are padded",
            output.padding
        );
        Ok(output)
    }

    /// The picture as the network reads it, made by a convolution.
    fn real_picture(&mut self, node: &Node<'a>, picture: &Picture) -> Result<Output> {
        let channels = picture.scale.len();
        let identity = (0..channels * channels).map(|index| index % (channels + 1) == 0);
        let filters = Filters {
            weights: identity.map(|is_one| f32::from(u8::from(is_one))).collect(),
            bias: vec![0.0; channels],
            per_group: channels,
            groups: 1,
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0; 4],
        };
        let name = format!("{}.picture", layer_of(node.name()));
        self.push_convolution(&name, &Value::Picture(picture.clone()), filters)
    }

    /// Appends a layer under a name that is free.
    fn push(&mut self, name: &str, layer: Layer, inputs: &[NodeId]) -> Result<Output> {
        let name = self.free_name(name);
        let node = self.graph.push(&name, layer, inputs)?;
        // Each side is bounded, so that no product overflows.
        let shape = self.graph.shape(node);
        let room = self.room.checked_sub(shape.len());
        self.room = room.with_context(|| {
            format!(
                "expected maps of at most {MOST_VALUES} numbers in all, found {} x {} x {} after as many as leave room for {}",
                shape.channels, shape.height, shape.width, self.room
            )
        })?;
        Ok(Output {
            node,
            is_row: false,
            is_alone: true,
            padding: [0; 4],
        })
    }

    /// A layer's name without what exporters decorate it with.
    fn free_name(&self, name: &str) -> String {
        let name = layer_of(name).trim_matches('/').replace('/', ".");
        let is_free = |name: &str| self.graph.nodes().iter().all(|node| node.name != name);
        if is_free(&name) {
            return name;
        }
        // Its number is mostly free at once.
        let mut numbered = (self.graph.nodes().len()..).map(|number| format!("{name}.{number}"));
        numbered.find(|name| is_free(name)).unwrap_or(name)
    }

    /// Sets a parameter of a layer.
    fn parameter(&mut self, node: NodeId, name: &str, shape: &[usize], values: Vec<f32>) {
        let name = format!("{}.{name}", self.graph.nodes()[node].name);
        let shape = shape.to_vec();
        self.parameters.insert(name, Tensor { shape, values });
    }
}
