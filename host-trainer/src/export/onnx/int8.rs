//! The quantized graph, in operators of the standard set: pooling on integers, sums and PReLU
//! between DequantizeLinear and QuantizeLinear, convolutions as [`Format`] says.

use anyhow::{Result, bail};
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::builder::{Builder, convolution_window, integer, window};
use super::{EMBEDDING, EMBEDDING_Q8, IMAGE, layer};
use crate::quantize::int8::{QuantizedConv2d, QuantizedGraph, QuantizedLayer};

/// How a quantized ONNX file writes convolutions. The arithmetic is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `QLinearConv`, which says that it computes on integers: any tool that runs it
    /// gives the same bytes.
    Operators,
    /// `Conv` between DequantizeLinear and QuantizeLinear. Optimizing tools recognize it
    /// and compute on integers, others on real numbers.
    DequantizeQuantize,
}

/// A quantized tower as ONNX. Nodes are named as in the tower; `metadata` goes into the file.
///
/// # Errors
/// When the tower reads sequences: the standard set has no recurrence in integers.
pub fn int8(
    graph: &QuantizedGraph,
    format: Format,
    metadata: &[(&str, &str)],
) -> Result<ModelProto> {
    let mut builder = Builder::new("tower-int8");
    let (input, dim) = (graph.input, graph.shape(graph.nodes.len()).len());
    let image = [input.channels, input.height, input.width];
    builder.input(IMAGE, DataType::Uint8, &image);
    let mut values = vec![value(&mut builder, graph, 0, IMAGE)];
    for (index, node) in graph.nodes.iter().enumerate() {
        let name = layer(&node.name);
        let from = values[node.inputs[0]].clone();
        let to = match &node.layer {
            QuantizedLayer::Conv2d(conv) => {
                let to = value(&mut builder, graph, index + 1, &name);
                match format {
                    Format::Operators => convolution(&mut builder, conv, &from, &to),
                    Format::DequantizeQuantize => {
                        let scale = graph.quantizations[node.inputs[0]].scale;
                        real_convolution(&mut builder, conv, scale, &from, &to);
                    }
                }
                to
            }
            &QuantizedLayer::MaxPool {
                kernel,
                stride,
                padding,
            } => {
                let attributes = window(kernel, stride, padding);
                Value {
                    name: builder.node("MaxPool", &[&from.name], &name, attributes),
                    ..from
                }
            }
            QuantizedLayer::Add => {
                let to = value(&mut builder, graph, index + 1, &name);
                let other = values[node.inputs[1]].clone();
                let addends = [("a", from), ("b", other)].map(|(addend, value)| {
                    dequantize(&mut builder, &value, &format!("{name}.{addend}"))
                });
                let addends = addends.each_ref().map(String::as_str);
                let sum = builder.node("Add", &addends, &format!("{name}.real"), vec![]);
                quantize(&mut builder, &sum, &to);
                to
            }
            QuantizedLayer::UnitVectors
            | QuantizedLayer::Upsample
            | QuantizedLayer::Compare { .. } => {
                bail!(
                    "layer {}: expected a network that gives embeddings",
                    node.name
                )
            }
            QuantizedLayer::Gru(_) | QuantizedLayer::SequenceMean => bail!(
                "layer {}: expected a network over pictures, found one over sequences, whose integers ONNX has no operators for",
                node.name
            ),
            QuantizedLayer::Prelu { slopes } => {
                let to = value(&mut builder, graph, index + 1, &name);
                let real = dequantize(&mut builder, &from, &format!("{name}.x"));
                let slopes = builder.slopes(&name, slopes);
                let inputs = [real.as_str(), &slopes];
                let real = builder.node("PRelu", &inputs, &format!("{name}.real"), vec![]);
                quantize(&mut builder, &real, &to);
                to
            }
        };
        values.push(to);
    }
    let last = values.swap_remove(values.len() - 1);
    outputs(&mut builder, graph.normalized, &last, dim);
    Ok(builder.finish(metadata))
}

/// A value's name, and the names of its scale and zero point.
#[derive(Clone, Debug)]
struct Value {
    name: String,
    scale: String,
    zero_point: String,
}

fn value(builder: &mut Builder, graph: &QuantizedGraph, id: usize, name: &str) -> Value {
    let quantization = graph.quantizations[id];
    Value {
        name: name.into(),
        scale: builder.float(&format!("{name}.scale"), &[], &[quantization.scale]),
        zero_point: builder.uint8(
            &format!("{name}.zero_point"),
            &[],
            &[quantization.zero_point],
        ),
    }
}

/// Real numbers of `from`, under the name `to`.
fn dequantize(builder: &mut Builder, from: &Value, to: &str) -> String {
    let inputs = [&from.name, &from.scale, &from.zero_point];
    builder.node("DequantizeLinear", &inputs.map(String::as_str), to, vec![])
}

/// Bytes of the real numbers `from`.
fn quantize(builder: &mut Builder, from: &str, to: &Value) {
    let inputs = [from, &to.scale, &to.zero_point];
    builder.node("QuantizeLinear", &inputs, &to.name, vec![]);
}

/// Names of a convolution's constants.
struct Constants {
    weights: String,
    scales: String,
    zeros: String,
    bias: String,
}

fn constants(builder: &mut Builder, conv: &QuantizedConv2d, name: &str) -> Constants {
    let filters = conv.bias.len();
    let [height, width] = conv.kernel;
    let channels = conv.weights.len() / (filters * height * width);
    let dims = [filters, channels, height, width];
    let weights = builder.int8(&format!("{name}.weight"), &dims, &conv.weights);
    let scales = builder.float(&format!("{name}.weight_scale"), &[filters], &conv.scales);
    let zeros = builder.int8(
        &format!("{name}.weight_zero_point"),
        &[filters],
        &vec![0; filters],
    );
    let bias = builder.int32(&format!("{name}.bias"), &[filters], &conv.bias);
    Constants {
        weights,
        scales,
        zeros,
        bias,
    }
}

fn convolution(builder: &mut Builder, conv: &QuantizedConv2d, from: &Value, to: &Value) {
    let name = &to.name;
    let Constants {
        weights,
        scales,
        zeros,
        bias,
    } = constants(builder, conv, name);
    let inputs = [
        &from.name,
        &from.scale,
        &from.zero_point,
        &weights,
        &scales,
        &zeros,
        &to.scale,
        &to.zero_point,
        &bias,
    ];
    builder.node(
        "QLinearConv",
        &inputs.map(String::as_str),
        name,
        convolution_window(conv.kernel, conv.stride, conv.padding, conv.groups),
    );
}

/// A convolution of real numbers, whose input stands for steps of `input_scale`.
fn real_convolution(
    builder: &mut Builder,
    conv: &QuantizedConv2d,
    input_scale: f32,
    from: &Value,
    to: &Value,
) {
    let name = &to.name;
    let constants = constants(builder, conv, name);
    let per_channel = || vec![integer("axis", 0)];
    let inputs = [&constants.weights, &constants.scales, &constants.zeros];
    let weights = builder.node(
        "DequantizeLinear",
        &inputs.map(String::as_str),
        &format!("{name}.real_weight"),
        per_channel(),
    );
    let scales: Vec<f32> = conv
        .scales
        .iter()
        .map(|scale| input_scale * scale)
        .collect();
    let scales = builder.float(&format!("{name}.bias_scale"), &[scales.len()], &scales);
    let bias = builder.node(
        "DequantizeLinear",
        &[&constants.bias, &scales],
        &format!("{name}.real_bias"),
        per_channel(),
    );
    let real = dequantize(builder, from, &format!("{name}.x"));
    let real = builder.node(
        "Conv",
        &[&real, &weights, &bias],
        &format!("{name}.real"),
        convolution_window(conv.kernel, conv.stride, conv.padding, conv.groups),
    );
    quantize(builder, &real, to);
}

/// Adds both outputs: raw bytes, and what they mean.
fn outputs(builder: &mut Builder, normalized: bool, last: &Value, dim: usize) {
    let flatten = vec![integer("axis", 1)];
    let raw = builder.node("Flatten", &[&last.name], EMBEDDING_Q8, flatten);
    let raw = Value {
        name: raw,
        ..last.clone()
    };
    if normalized {
        let real = dequantize(builder, &raw, "flat");
        builder.unit_length(&real, EMBEDDING);
    } else {
        dequantize(builder, &raw, EMBEDDING);
    }
    builder.output(EMBEDDING, DataType::Float, &[dim]);
    builder.output(EMBEDDING_Q8, DataType::Uint8, &[dim]);
}
