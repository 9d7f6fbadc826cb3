//! The quantized graph, in operators of the standard set that ONNX Runtime and tract
//! run on integers.

use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::builder::{Builder, integer, window};
use super::{EMBEDDING, EMBEDDING_Q8, IMAGE, layer};
use crate::quantize::int8::{QuantizedConv2d, QuantizedGraph, QuantizedLayer};

/// A quantized tower as ONNX. Nodes are named as in the tower; `metadata` goes into the file.
pub fn int8(graph: &QuantizedGraph, metadata: &[(&str, &str)]) -> ModelProto {
    let mut builder = Builder::new("tower-int8");
    let (input, dim) = (graph.input, graph.shape(graph.nodes.len()).len());
    let image = [input.channels, input.height, input.width];
    builder.input(IMAGE, DataType::Uint8, &image);
    let mut values = vec![value(&mut builder, graph, 0, IMAGE)];
    for (index, node) in graph.nodes.iter().enumerate() {
        let (name, from) = (layer(&node.name), values[node.input].clone());
        let to = match &node.layer {
            QuantizedLayer::Conv2d(conv) => {
                let to = value(&mut builder, graph, index + 1, &name);
                let channels = graph.shape(node.input).channels;
                convolution(&mut builder, conv, &from, &to, channels);
                to
            }
            &QuantizedLayer::MaxPool { kernel, stride } => {
                let attributes = window(kernel, stride, [0, 0]);
                Value {
                    name: builder.node("MaxPool", &[&from.name], &name, attributes),
                    ..from
                }
            }
        };
        values.push(to);
    }
    let last = values.swap_remove(values.len() - 1);
    outputs(&mut builder, graph.normalized, &last, dim);
    builder.finish(metadata)
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

fn convolution(
    builder: &mut Builder,
    conv: &QuantizedConv2d,
    from: &Value,
    to: &Value,
    channels: usize,
) {
    let name = &to.name;
    let filters = conv.bias.len();
    let dims = [filters, channels, conv.kernel[0], conv.kernel[1]];
    let weights = builder.int8(&format!("{name}.weight"), &dims, &conv.weights);
    let scales = builder.float(&format!("{name}.weight_scale"), &[filters], &conv.scales);
    let zeros = builder.int8(
        &format!("{name}.weight_zero_point"),
        &[filters],
        &vec![0; filters],
    );
    let bias = builder.int32(&format!("{name}.bias"), &[filters], &conv.bias);
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
        window(conv.kernel, conv.stride, conv.padding),
    );
}

/// Adds both outputs: raw bytes, and what they mean.
fn outputs(builder: &mut Builder, normalized: bool, last: &Value, dim: usize) {
    let flatten = vec![integer("axis", 1)];
    let raw = builder.node("Flatten", &[&last.name], EMBEDDING_Q8, flatten);
    let inputs = [&raw, &last.scale, &last.zero_point].map(String::as_str);
    if normalized {
        let real = builder.node("DequantizeLinear", &inputs, "flat", vec![]);
        builder.unit_length(&real, EMBEDDING);
    } else {
        builder.node("DequantizeLinear", &inputs, EMBEDDING, vec![]);
    }
    builder.output(EMBEDDING, DataType::Float, &[dim]);
    builder.output(EMBEDDING_Q8, DataType::Uint8, &[dim]);
}
