//! The real-numbered graph.

use shared::Preprocess;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::builder::{Builder, integer, window};
use super::{EMBEDDING, IMAGE, layer};
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
        let (name, from) = (layer(&node.name), values[node.input].clone());
        let channels = fused.shape(node.input).channels;
        let output = match &node.layer {
            FusedLayer::Conv2d(conv) => convolution(&mut builder, &name, conv, &from, channels),
            &FusedLayer::MaxPool { kernel, stride } => {
                let attributes = window(kernel, stride, [0, 0]);
                builder.node("MaxPool", &[&from], &name, attributes)
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
fn convolution(
    builder: &mut Builder,
    name: &str,
    conv: &FusedConv2d,
    input: &str,
    channels: usize,
) -> String {
    let filters = conv.bias.len();
    let dims = [filters, channels, conv.kernel[0], conv.kernel[1]];
    let weights = builder.float(&format!("{name}.weight"), &dims, &conv.weights);
    let bias = builder.float(&format!("{name}.bias"), &[filters], &conv.bias);
    let attributes = window(conv.kernel, conv.stride, conv.padding);
    let inputs = [input, &weights, &bias];
    if conv.relu {
        let sum = builder.node("Conv", &inputs, &format!("{name}.sum"), attributes);
        builder.node("Relu", &[&sum], name, vec![])
    } else {
        builder.node("Conv", &inputs, name, attributes)
    }
}
