//! The real-numbered graph.

use shared::Preprocess;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto};

use super::builder::{Builder, convolution_window, integer, window};
use super::sequence::Steps;
use super::{EMBEDDING, IMAGE, before_rectifier, layer};
use crate::quantize::fused::{FusedConv2d, FusedGraph, FusedLayer, Rectifier};

/// A fused tower as ONNX. Nodes are named as in the tower; `metadata` goes into the file.
pub fn float(fused: &FusedGraph, preprocess: &Preprocess, metadata: &[(&str, &str)]) -> ModelProto {
    let mut builder = Builder::new("tower");
    let (input, dim) = (fused.input, fused.shape(fused.values() - 1).len());
    let image = [input.channels, input.height, input.width];
    builder.input(IMAGE, DataType::Uint8, &image);
    let quantization = preprocess.quantization();
    let scale = builder.float("image_scale", &[], &[quantization.scale]);
    let zero_point = builder.uint8("image_zero_point", &[], &[quantization.zero_point]);
    let real = builder.node(
        "DequantizeLinear",
        &[IMAGE, &scale, &zero_point],
        "input",
        vec![],
    );
    let mut values = vec![real];
    let is_recurrent = fused.is_recurrent();
    let steps = is_recurrent.then(|| Steps::new(&mut builder));
    for node in &fused.nodes {
        let name = layer(&node.name);
        let inputs: Vec<&str> = node.inputs.iter().map(|&v| values[v].as_str()).collect();
        let output = match &node.layer {
            FusedLayer::Gru(directions) => match &steps {
                Some(steps) => {
                    let rows = node.shape.height;
                    steps.gru(&mut builder, directions, rows, inputs[0], &name)
                }
                None => inputs[0].into(),
            },
            FusedLayer::SequenceMean => match &steps {
                Some(steps) => steps.mean(&mut builder, inputs[0], &name),
                None => inputs[0].into(),
            },
            FusedLayer::Conv2d(conv) => convolution(&mut builder, &name, conv, inputs[0]),
            &FusedLayer::MaxPool {
                kernel,
                stride,
                padding,
            } => {
                let attributes = window(kernel, stride, padding);
                builder.node("MaxPool", &inputs, &name, attributes)
            }
            &FusedLayer::Add { rectifier } => {
                rectified(&mut builder, "Add", &inputs, &name, rectifier, vec![])
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

/// Adds a convolution whose result, rectifier included, has the node's name.
fn convolution(builder: &mut Builder, name: &str, conv: &FusedConv2d, input: &str) -> String {
    let filters = conv.bias.len();
    let [height, width] = conv.kernel;
    let channels = conv.weights.len() / (filters * height * width);
    let dims = [filters, channels, height, width];
    let weights = builder.float(&format!("{name}.weight"), &dims, &conv.weights);
    let bias = builder.float(&format!("{name}.bias"), &[filters], &conv.bias);
    let attributes = convolution_window(conv.kernel, conv.stride, conv.padding, conv.groups);
    let inputs = [input, &weights, &bias];
    rectified(builder, "Conv", &inputs, name, conv.rectifier, attributes)
}

/// Adds an operator and, maybe, a rectifier; the last one's output has the node's name.
fn rectified(
    builder: &mut Builder,
    operator: &str,
    inputs: &[&str],
    name: &str,
    rectifier: Rectifier,
    attributes: Vec<AttributeProto>,
) -> String {
    if rectifier == Rectifier::None {
        return builder.node(operator, inputs, name, attributes);
    }
    let sum = builder.node(operator, inputs, &before_rectifier(name), attributes);
    if rectifier == Rectifier::Relu {
        return builder.node("Relu", &[&sum], name, vec![]);
    }
    let least = builder.float(&format!("{name}.least"), &[], &[0.0]);
    let most = builder.float(&format!("{name}.most"), &[], &[rectifier.most()]);
    builder.node("Clip", &[&sum, &least, &most], name, vec![])
}
