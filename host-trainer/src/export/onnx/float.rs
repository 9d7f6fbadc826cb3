//! The real-numbered graph.

use shared::Preprocess;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto};

use super::builder::{Builder, convolution_window, integer, window};
use super::segmentation::{Mask, masks, unit_vectors, upsample};
use super::sequence::Steps;
use super::{EMBEDDING, IMAGE, LOGITS, MASK, RECORD, REFERENCES};
use super::{before_rectifier, layer};
use crate::quantize::fused::{FusedConv2d, FusedGraph, FusedLayer, Rectifier};

/// A fused tower as ONNX. Nodes are named as in the tower; `metadata` goes into the file.
pub fn float(fused: &FusedGraph, preprocess: &Preprocess, metadata: &[(&str, &str)]) -> ModelProto {
    let mut builder = Builder::new("tower");
    let mut values = nodes(&mut builder, fused, preprocess, fused.nodes.len());
    let last = values.pop().unwrap_or_default();
    let shape = fused.shape(fused.values() - 1);
    if fused.reference_len() > 0 {
        let dims = [shape.channels, shape.height, shape.width];
        builder.node("Identity", &[&last], LOGITS, vec![]);
        builder.output(LOGITS, DataType::Float, &dims);
        return builder.finish(metadata);
    }
    let flatten = vec![integer("axis", 1)];
    if fused.normalized {
        let flat = builder.node("Flatten", &[&last], "flat", flatten);
        builder.unit_length(&flat, EMBEDDING);
    } else {
        builder.node("Flatten", &[&last], EMBEDDING, flatten);
    }
    builder.output(EMBEDDING, DataType::Float, &[shape.len()]);
    builder.finish(metadata)
}

/// What references say of a structure as ONNX: the nodes before the first comparison of a
/// network that segments, and what of their maps the mask covers.
pub fn record(
    fused: &FusedGraph,
    preprocess: &Preprocess,
    metadata: &[(&str, &str)],
) -> ModelProto {
    let mut builder = Builder::new("record");
    let comparisons = fused.comparisons();
    let encoder = comparisons.first().map_or(0, |(node, _)| *node);
    let values = nodes(&mut builder, fused, preprocess, encoder);
    let size = [fused.input.height, fused.input.width];
    let mask = masks(&mut builder, MASK, size);
    let mask = Mask { name: &mask, size };
    let mut parts = vec![];
    for (node, comparison) in comparisons {
        let part = format!("record/{}", fused.nodes[node].name);
        let features = &values[fused.nodes[node].inputs[0]];
        comparison.record(&mut builder, features, &mask, &part);
        parts.push(part);
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    builder.node("Concat", &parts, RECORD, vec![integer("axis", 1)]);
    builder.output(RECORD, DataType::Float, &[fused.reference_len()]);
    builder.finish(metadata)
}

/// Adds inputs and the first `count` nodes; the names of all values, the input first.
fn nodes(
    builder: &mut Builder,
    fused: &FusedGraph,
    preprocess: &Preprocess,
    count: usize,
) -> Vec<String> {
    let input = fused.input;
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
    let steps = is_recurrent.then(|| Steps::new(builder));
    let comparisons = fused.comparisons();
    if comparisons.iter().any(|(node, _)| *node < count) {
        builder.references(REFERENCES, fused.reference_len());
    }
    for (index, node) in fused.nodes[..count].iter().enumerate() {
        let name = layer(&node.name);
        let inputs: Vec<&str> = node.inputs.iter().map(|&v| values[v].as_str()).collect();
        let output = match &node.layer {
            FusedLayer::Gru(directions) => match &steps {
                Some(steps) => {
                    let rows = node.shape.height;
                    steps.gru(builder, directions, rows, inputs[0], &name)
                }
                None => inputs[0].into(),
            },
            FusedLayer::SequenceMean => match &steps {
                Some(steps) => steps.mean(builder, inputs[0], &name),
                None => inputs[0].into(),
            },
            FusedLayer::Conv2d(conv) => convolution(builder, &name, conv, inputs[0]),
            &FusedLayer::MaxPool {
                kernel,
                stride,
                padding,
            } => {
                let attributes = window(kernel, stride, padding);
                builder.node("MaxPool", &inputs, &name, attributes)
            }
            &FusedLayer::Add { rectifier } => {
                rectified(builder, "Add", &inputs, &name, rectifier, vec![])
            }
            FusedLayer::Prelu { slopes } => {
                let slopes = builder.slopes(&name, slopes);
                builder.node("PRelu", &[inputs[0], &slopes], &name, vec![])
            }
            FusedLayer::UnitVectors => {
                unit_vectors(builder, inputs[0], &name);
                name
            }
            FusedLayer::Upsample => {
                upsample(builder, inputs[0], &name);
                name
            }
            FusedLayer::Compare { .. } => {
                for (_, comparison) in comparisons.iter().filter(|(node, _)| *node == index) {
                    comparison.compare(builder, inputs[0], REFERENCES, &name);
                }
                name
            }
        };
        values.push(output);
    }
    values
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
