//! The quantized graph, in operators of the standard set: pooling on integers, sums and PReLU
//! between DequantizeLinear and QuantizeLinear, convolutions as [`Format`] says. Unit
//! vectors, records and comparisons of networks that segment are computed on real numbers, so that
//! bytes of theirs may differ by one from a device's.

use anyhow::{Result, bail};
use shared::EmbeddingFormat;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::builder::{Builder, convolution_window, integer, window};
use super::segmentation::{Mask, masks, unit_vectors, upsample};
use super::{EMBEDDING, EMBEDDING_Q8, IMAGE, LOGITS, MASK, RECORD, REFERENCES, layer};
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

/// A quantized tower as ONNX. Nodes are named as in the tower; `metadata` goes into the file. Of a
/// network that segments, inputs and output are those of the real-numbered graph, and records are
/// real numbers, multiples of 1/127.
///
/// # Errors
/// When the tower reads sequences: the standard set has no recurrence in integers.
pub fn int8(
    graph: &QuantizedGraph,
    format: Format,
    metadata: &[(&str, &str)],
) -> Result<ModelProto> {
    let mut builder = Builder::new("tower-int8");
    let mut values = nodes(&mut builder, graph, graph.nodes.len(), format)?;
    let last = values.swap_remove(values.len() - 1);
    let shape = graph.shape(graph.nodes.len());
    if graph.reference_len() > 0 {
        dequantize(&mut builder, &last, LOGITS);
        let dims = [shape.channels, shape.height, shape.width];
        builder.output(LOGITS, DataType::Float, &dims);
    } else {
        outputs(&mut builder, graph.normalized, &last, shape.len());
    }
    Ok(builder.finish(metadata))
}

/// What references say of a structure, by the quantized encoder, as [`int8`] takes it.
///
/// # Errors
/// As [`int8`].
pub fn int8_record(
    graph: &QuantizedGraph,
    format: Format,
    metadata: &[(&str, &str)],
) -> Result<ModelProto> {
    let mut builder = Builder::new("record-int8");
    let comparisons = graph.comparisons();
    let encoder = comparisons.first().map_or(0, |(node, _)| *node);
    let values = nodes(&mut builder, graph, encoder, format)?;
    let size = [graph.input.height, graph.input.width];
    let mask = masks(&mut builder, MASK, size);
    let mask = Mask { name: &mask, size };
    let mut parts = vec![];
    for (node, comparison) in comparisons {
        let part = format!("record/{}", graph.nodes[node].name);
        let vectors = &values[graph.nodes[node].inputs[0]];
        let features = dequantize(&mut builder, vectors, &format!("{part}.features"));
        comparison.record(&mut builder, &features, &mask, &part);
        parts.push(part);
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let along = vec![integer("axis", 1)];
    let real = builder.node("Concat", &parts, "record.real", along);
    // As a device keeps it.
    let q8 = Value {
        name: "record.q8".into(),
        scale: builder.float("record.scale", &[], &[EmbeddingFormat::UNIT_SCALE]),
        zero_point: builder.int8("record.zero_point", &[], &[0]),
    };
    quantize(&mut builder, &real, &q8);
    dequantize(&mut builder, &q8, RECORD);
    builder.output(RECORD, DataType::Float, &[graph.reference_len()]);
    Ok(builder.finish(metadata))
}

/// Adds inputs and the first `count` nodes; all values, the input first.
fn nodes(
    builder: &mut Builder,
    graph: &QuantizedGraph,
    count: usize,
    format: Format,
) -> Result<Vec<Value>> {
    let input = graph.input;
    let image = [input.channels, input.height, input.width];
    builder.input(IMAGE, DataType::Uint8, &image);
    let comparisons = graph.comparisons();
    if comparisons.iter().any(|(node, _)| *node < count) {
        builder.references(REFERENCES, graph.reference_len());
    }
    let mut values = vec![value(builder, graph, 0, IMAGE)];
    for (index, node) in graph.nodes[..count].iter().enumerate() {
        let name = layer(&node.name);
        let from = values[node.inputs[0]].clone();
        // What is computed on real numbers.
        let between = |builder: &mut Builder, make: &mut dyn FnMut(&mut Builder, &str, &str)| {
            let to = value(builder, graph, index + 1, &name);
            let real = dequantize(builder, &from, &format!("{name}.x"));
            let result = format!("{name}.real");
            make(builder, &real, &result);
            quantize(builder, &result, &to);
            to
        };
        let to = match &node.layer {
            QuantizedLayer::Conv2d(conv) => {
                let to = value(builder, graph, index + 1, &name);
                match format {
                    Format::Operators => convolution(builder, conv, &from, &to),
                    Format::DequantizeQuantize => {
                        let scale = graph.quantizations[node.inputs[0]].scale;
                        real_convolution(builder, conv, scale, &from, &to);
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
                let to = value(builder, graph, index + 1, &name);
                let other = values[node.inputs[1]].clone();
                let addends = [("a", from), ("b", other)].map(|(addend, value)| {
                    dequantize(builder, &value, &format!("{name}.{addend}"))
                });
                let addends = addends.each_ref().map(String::as_str);
                let sum = builder.node("Add", &addends, &format!("{name}.real"), vec![]);
                quantize(builder, &sum, &to);
                to
            }
            QuantizedLayer::UnitVectors => between(builder, &mut unit_vectors),
            QuantizedLayer::Upsample => between(builder, &mut upsample),
            QuantizedLayer::Compare { .. } => {
                let own = comparisons.iter().find(|(node, _)| *node == index);
                between(builder, &mut |builder, real, result| {
                    if let Some((_, comparison)) = own {
                        comparison.compare(builder, real, REFERENCES, result);
                    }
                })
            }
            QuantizedLayer::Gru(_) | QuantizedLayer::SequenceMean => bail!(
                "layer {}: expected a network over pictures, found one over sequences, whose integers ONNX has no operators for",
                node.name
            ),
            QuantizedLayer::Prelu { slopes } => between(builder, &mut |builder, real, result| {
                let slopes = builder.slopes(&name, slopes);
                builder.node("PRelu", &[real, &slopes], result, vec![]);
            }),
        };
        values.push(to);
    }
    Ok(values)
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
