//! The real-numbered graph.

use shared::Preprocess;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto};

use super::builder::{Builder, convolution_window, integer, window};
use super::{EMBEDDING, IMAGE, before_relu, layer};
use crate::quantize::fused::{FusedConv2d, FusedGraph, FusedLayer};

/// A fused tower as ONNX. Nodes are named as in the tower; `metadata` goes into the file.
pub fn float(fused: &FusedGraph, preprocess: &Preprocess, metadata: &[(&str, &str)]) -> ModelProto {
    let mut builder = Builder::new("tower");
    let (input, dim) = (fused.input, fused.shape(fused.values() - 1).len());
    let image = [input.channels, input.height, input.width];
    builder.input(IMAGE, DataType::Uint8, &image);
    let quantization = preprocess.quantization;
    let scale = builder.float("image_scale", &[], &[quantization.scale]);
    let zero_point = builder.uint8("image_zero_point", &[], &[quantization.zero_point]);
    let real = builder.node(
        "DequantizeLinear",
        &[IMAGE, &scale, &zero_point],
        "input",
        vec![],
    );
    let mut values = vec![real];
    for node in &fused.nodes {
        let name = layer(&node.name);
        let inputs: Vec<&str> = node.inputs.iter().map(|&v| values[v].as_str()).collect();
        let output = match &node.layer {
            FusedLayer::Conv2d(conv) => convolution(&mut builder, &name, conv, inputs[0]),
            &FusedLayer::MaxPool { kernel, stride } => {
                let attributes = window(kernel, stride, [0, 0]);
                builder.node("MaxPool", &inputs, &name, attributes)
            }
            &FusedLayer::Add { relu } => {
                activated(&mut builder, "Add", &inputs, &name, relu, vec![])
            }
            FusedLayer::Prelu { slopes } => {
                let slopes = builder.slopes(&name, slopes);
                builder.node("PRelu", &[inputs[0], &slopes], &name, vec![])
            }
        };
        values.push(output);
    }
    let last = values.pop().unwrap_or_default();
    let flatten = vec![integer("axis", 1)];
    if fused.normalized {
        let flat = builder.node("Flatten", &[&last], "flat", flatten);
        builder.unit_length(&flat, EMBEDDING);
    } else {
        builder.node("Flatten", &[&last], EMBEDDING, flatten);
    }
    builder.output(EMBEDDING, DataType::Float, &[dim]);
    builder.finish(metadata)
}

/// Adds a convolution whose result, ReLU included, has the node's name.
fn convolution(builder: &mut Builder, name: &str, conv: &FusedConv2d, input: &str) -> String {
    let filters = conv.bias.len();
    let [height, width] = conv.kernel;
    let channels = conv.weights.len() / (filters * height * width);
    let dims = [filters, channels, height, width];
    let weights = builder.float(&format!("{name}.weight"), &dims, &conv.weights);
    let bias = builder.float(&format!("{name}.bias"), &[filters], &conv.bias);
    let attributes = convolution_window(conv.kernel, conv.stride, conv.padding, conv.groups);
    let inputs = [input, &weights, &bias];
    activated(builder, "Conv", &inputs, name, conv.relu, attributes)
}

/// Adds an operator and, maybe, ReLU; the last one's output has the node's name.
fn activated(
    builder: &mut Builder,
    operator: &str,
    inputs: &[&str],
    name: &str,
    relu: bool,
    attributes: Vec<AttributeProto>,
) -> String {
    if relu {
        let sum = builder.node(operator, inputs, &before_relu(name), attributes);
        builder.node("Relu", &[&sum], name, vec![])
    } else {
        builder.node(operator, inputs, name, attributes)
    }
}
