//! Quantized patterns of an ONNX graph, written as one operator each.
//!
//! ONNX says "add these bytes" as four nodes that pass real numbers; and tract's own
//! `QLinearConv` knows nothing of our kernels. Before tract reads a graph, what
//! [`operators`](super::operators) compute is given their names:
//!
//! | found | becomes |
//! |---|---|
//! | `QLinearConv` of uint8 with symmetric int8 filters, all or one channel each | [`CONVOLUTION`] |
//! | `DequantizeLinear` (input, filters, bias), `Conv`, `Relu`?, `QuantizeLinear` | [`CONVOLUTION`] |
//! | two `DequantizeLinear`, `Add`, `Relu`?, `QuantizeLinear` | [`ADD`] |
//! | `DequantizeLinear`, `PRelu`, `QuantizeLinear` | [`PRELU`] |
//! | `MaxPool` of what one of these gives | [`MAX_POOL`] |
//!
//! Everything else stays as it is, and tract's.

use std::borrow::ToOwned;
use std::collections::{HashMap, HashSet};
use std::string::String;
use std::vec;
use std::vec::Vec;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// Inputs as of `QLinearConv`.
pub(super) const CONVOLUTION: &str = "SemblanceConvolution";
/// Inputs as of `MaxPool`.
pub(super) const MAX_POOL: &str = "SemblanceMaxPool";
/// Bytes, scale and zero point of both addends; scale and zero point of the sum.
pub(super) const ADD: &str = "SemblanceAdd";
/// Bytes, scale and zero point of the input; slopes; scale and zero point of the output.
pub(super) const PRELU: &str = "SemblancePRelu";

/// Names what our kernels compute.
pub(super) fn recognize(graph: &mut GraphProto) {
    let replacements: Vec<(usize, NodeProto)> = {
        let found = Graph::new(graph);
        let nodes = graph.node.iter().enumerate();
        nodes
            .filter_map(|(index, node)| Some((index, found.replacement(node)?)))
            .collect()
    };
    for (index, node) in replacements {
        graph.node[index] = node;
    }
    name_pools(graph);
    drop_unread(graph);
}

/// Who makes and who reads what.
struct Graph<'a> {
    producers: HashMap<&'a str, &'a NodeProto>,
    readers: HashMap<&'a str, usize>,
    constants: HashMap<&'a str, &'a TensorProto>,
}

/// Names of bytes, and what they mean.
struct Quantized {
    bytes: String,
    scale: String,
    zero_point: String,
}

impl<'a> Graph<'a> {
    fn new(graph: &'a GraphProto) -> Self {
        let mut readers = HashMap::new();
        let inputs = graph.node.iter().flat_map(|node| &node.input);
        let outputs = graph.output.iter().map(|output| &output.name);
        for name in inputs.chain(outputs) {
            *readers.entry(name.as_str()).or_insert(0) += 1;
        }
        let producers = graph.node.iter().flat_map(|node| {
            let outputs = node.output.iter();
            outputs.map(move |output| (output.as_str(), node))
        });
        let constants = graph.initializer.iter();
        Self {
            producers: producers.collect(),
            readers,
            constants: constants.map(|c| (c.name.as_str(), c)).collect(),
        }
    }

    fn replacement(&self, node: &NodeProto) -> Option<NodeProto> {
        match node.op_type.as_str() {
            "QLinearConv" => self.convolution(node.clone()),
            "QuantizeLinear" => self.pattern(node),
            _ => None,
        }
    }

    /// The node that a real number comes from, if nobody else reads it.
    fn only_producer(&self, name: &str) -> Option<&'a NodeProto> {
        let is_alone = self.readers.get(name) == Some(&1);
        self.producers.get(name).copied().filter(|_| is_alone)
    }

    fn constant(&self, name: Option<&String>, kind: DataType) -> Option<&'a TensorProto> {
        let constant = *self.constants.get(name?.as_str())?;
        (constant.data_type == kind as i32).then_some(constant)
    }

    /// A number of a value's bytes: one for all channels.
    fn scalar(&self, name: Option<&String>, kind: DataType) -> Option<String> {
        let constant = self.constant(name, kind)?;
        (constant.dims.iter().product::<i64>() == 1).then(|| constant.name.clone())
    }

    /// What ends in a QuantizeLinear.
    fn pattern(&self, quantize: &NodeProto) -> Option<NodeProto> {
        let scale = self.scalar(quantize.input.get(1), DataType::Float)?;
        let zero_point = self.scalar(quantize.input.get(2), DataType::Uint8)?;
        let mut real = self.only_producer(quantize.input.first()?)?;
        if real.op_type == "Relu" && self.is_zero(&zero_point) {
            // The least byte means zero: cutting to bytes is the ReLU.
            real = self.only_producer(real.input.first()?)?;
        }
        let to = [scale, zero_point];
        let output = quantize.output.first()?;
        match real.op_type.as_str() {
            "Add" => {
                let [a, b] = [0, 1].map(|index| self.dequantized(real.input.get(index)));
                let (a, b) = (a?, b?);
                let mut inputs = vec![a.bytes, a.scale, a.zero_point];
                inputs.extend([b.bytes, b.scale, b.zero_point]);
                inputs.extend(to);
                Some(node(ADD, inputs, output, vec![]))
            }
            "PRelu" => {
                let from = self.dequantized(real.input.first())?;
                let slopes = self.constant(real.input.get(1), DataType::Float)?;
                let is_per_channel = matches!(slopes.dims[..], [_, 1, 1]);
                let mut inputs = vec![from.bytes, from.scale, from.zero_point];
                inputs.push(slopes.name.clone());
                inputs.extend(to);
                is_per_channel.then(|| node(PRELU, inputs, output, vec![]))
            }
            "Conv" => {
                let from = self.dequantized(real.input.first())?;
                let filters = self.producers.get(real.input.get(1)?.as_str())?;
                let mut inputs = vec![from.bytes, from.scale, from.zero_point];
                inputs.extend(self.constants_of(filters)?);
                inputs.extend(to);
                if let Some(bias) = real.input.get(2) {
                    inputs.push(self.producers.get(bias.as_str())?.input.first()?.clone());
                }
                self.convolution(node("QLinearConv", inputs, output, real.attribute.clone()))
            }
            _ => None,
        }
    }

    /// The bytes that a real number was made from.
    fn dequantized(&self, real: Option<&String>) -> Option<Quantized> {
        let node = *self.producers.get(real?.as_str())?;
        if node.op_type != "DequantizeLinear" {
            return None;
        }
        Some(Quantized {
            bytes: node.input.first()?.clone(),
            scale: self.scalar(node.input.get(1), DataType::Float)?,
            zero_point: self.scalar(node.input.get(2), DataType::Uint8)?,
        })
    }

    /// Filters, scales and zero points under a DequantizeLinear per filter.
    fn constants_of(&self, dequantize: &NodeProto) -> Option<Vec<String>> {
        let is_per_filter = dequantize.op_type == "DequantizeLinear"
            && attribute(dequantize, "axis").is_some_and(|axis| axis.i == 0);
        (is_per_filter && dequantize.input.len() == 3).then(|| dequantize.input.clone())
    }

    fn is_zero(&self, name: &str) -> bool {
        let constant = self.constants.get(name);
        constant.is_some_and(|constant| {
            constant.raw_data.iter().all(|&byte| byte == 0)
                && constant.int32_data.iter().all(|&value| value == 0)
        })
    }

    /// The convolution under our name, if our kernels compute it.
    fn convolution(&self, mut node: NodeProto) -> Option<NodeProto> {
        use DataType::{Float, Int8, Int32, Uint8};
        let input = |index: usize| node.input.get(index);
        for (scale, zero_point) in [(1, 2), (6, 7)] {
            self.scalar(input(scale), Float)?;
            self.scalar(input(zero_point), Uint8)?;
        }
        let filters = self.constant(input(3), Int8)?;
        self.constant(input(4), Float)?;
        self.constant(input(5), Int8)?;
        if let Some(bias) = input(8) {
            self.constant(Some(bias), Int32)?;
        }
        let [out, per_group, height, width] = filters.dims[..] else {
            return None;
        };
        let groups = attribute(&node, "group").map_or(1, |group| group.i);
        let is_depthwise = groups == out && per_group == 1;
        let ones =
            |name: &str| attribute(&node, name).is_none_or(|a| a.ints.iter().all(|&i| i == 1));
        let kernel = attribute(&node, "kernel_shape").is_none_or(|a| a.ints == [height, width]);
        let pads = is_padded_alike(&node, [height, width]);
        let automatic = attribute(&node, "auto_pad").is_none_or(|a| a.s == b"NOTSET");
        let is_ours = (groups == 1 || is_depthwise)
            && self.is_zero(input(5)?)
            && ones("dilations")
            && kernel
            && pads
            && automatic;
        node.op_type = CONVOLUTION.to_owned();
        is_ours.then_some(node)
    }
}

/// Whether as much padding is before as after, and no window lies in it alone.
fn is_padded_alike(node: &NodeProto, [height, width]: [i64; 2]) -> bool {
    attribute(node, "pads").is_none_or(|pads| match pads.ints[..] {
        [top, left, bottom, right] => {
            let is_inside = (0..height).contains(&top) && (0..width).contains(&left);
            top == bottom && left == right && is_inside
        }
        _ => false,
    })
}

/// Pools over what our operators give, which are bytes.
fn name_pools(graph: &mut GraphProto) {
    let mut ours: HashSet<String> = HashSet::new();
    for node in &mut graph.node {
        let pads = match attribute(node, "kernel_shape").map(|kernel| &kernel.ints[..]) {
            Some(&[height, width]) => is_padded_alike(node, [height, width]),
            _ => false,
        };
        let is_plain = node.op_type == "MaxPool"
            && node.output.len() == 1
            && node.input.first().is_some_and(|input| ours.contains(input))
            && pads
            && attribute(node, "dilations").is_none_or(|a| a.ints.iter().all(|&i| i == 1))
            && attribute(node, "ceil_mode").is_none_or(|a| a.i == 0)
            && attribute(node, "auto_pad").is_none_or(|a| a.s == b"NOTSET");
        if is_plain {
            node.op_type = MAX_POOL.to_owned();
        }
        if [CONVOLUTION, ADD, PRELU, MAX_POOL].contains(&node.op_type.as_str()) {
            ours.extend(node.output.iter().cloned());
        }
    }
}

/// Drops nodes whose outputs nobody reads any more.
fn drop_unread(graph: &mut GraphProto) {
    let mut read: HashSet<String> = graph.output.iter().map(|o| o.name.clone()).collect();
    let mut kept: Vec<NodeProto> = vec![];
    // Nodes are in topological order: readers come after what they read.
    for node in core::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|output| read.contains(output)) {
            read.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
}

fn node(
    operator: &str,
    inputs: Vec<String>,
    output: &str,
    attributes: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        name: output.to_owned(),
        input: inputs,
        output: vec![output.to_owned()],
        attribute: attributes,
        ..NodeProto::default()
    }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute
        .iter()
        .find(|attribute| attribute.name == name)
}
