//! ONNX graphs, piece by piece.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_shape_proto, type_proto,
};

/// ONNX 1.8, the first whose operators do all we need; every tool of today reads it.
const OPERATOR_SET: i64 = 13;
const IR_VERSION: i64 = 7;

/// A graph under construction.
#[derive(Debug, Default)]
pub(super) struct Builder {
    graph: GraphProto,
}

impl Builder {
    pub(super) fn new(name: &str) -> Self {
        let mut builder = Self::default();
        builder.graph.name = name.into();
        builder
    }

    /// Adds a node with one output, named like it; the output's name.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.graph.node.push(NodeProto {
            op_type: operator.into(),
            name: output.into(),
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.into()],
            attribute: attributes,
            ..NodeProto::default()
        });
        output.into()
    }

    pub(super) fn float(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, DataType::Float, dims, bytes.collect())
    }

    pub(super) fn int32(&mut self, name: &str, dims: &[usize], values: &[i32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, DataType::Int32, dims, bytes.collect())
    }

    pub(super) fn int64(&mut self, name: &str, dims: &[usize], values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, DataType::Int64, dims, bytes.collect())
    }

    pub(super) fn int8(&mut self, name: &str, dims: &[usize], values: &[i8]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, DataType::Int8, dims, bytes.collect())
    }

    pub(super) fn uint8(&mut self, name: &str, dims: &[usize], values: &[u8]) -> String {
        self.constant(name, DataType::Uint8, dims, values.to_vec())
    }

    fn constant(&mut self, name: &str, kind: DataType, dims: &[usize], raw: Vec<u8>) -> String {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: dims.iter().map(|&size| size as i64).collect(),
            data_type: kind as i32,
            raw_data: raw,
            ..TensorProto::default()
        });
        name.into()
    }

    /// The slopes of the PReLU `name`, shaped to apply per channel.
    pub(super) fn slopes(&mut self, name: &str, slopes: &[f32]) -> String {
        self.float(&format!("{name}.slope"), &[slopes.len(), 1, 1], slopes)
    }

    /// Real `[batch, dim]` rows of length 1, as `x / sqrt(sum x^2 + 1e-12)`.
    pub(super) fn unit_length(&mut self, input: &str, output: &str) {
        let square = self.node("Mul", &[input, input], "norm_square", vec![]);
        let axes = self.int64("norm_axes", &[1], &[1]);
        let keep = vec![integer("keepdims", 1)];
        let sum = self.node("ReduceSum", &[&square, &axes], "norm_sum", keep);
        let epsilon = self.float("norm_epsilon", &[], &[1e-12]);
        let positive = self.node("Add", &[&sum, &epsilon], "norm_positive", vec![]);
        let length = self.node("Sqrt", &[&positive], "norm_length", vec![]);
        self.node("Div", &[input, &length], output, vec![]);
    }

    /// Declares the graph's input, `[batch, dims..]`.
    pub(super) fn input(&mut self, name: &str, kind: DataType, dims: &[usize]) {
        self.graph.input.push(value(name, kind, dims));
    }

    /// Declares records of references as an input, as many as there are.
    pub(super) fn references(&mut self, name: &str, len: usize) {
        let mut input = value(name, DataType::Float, &[len]);
        let dims = input
            .r#type
            .as_mut()
            .and_then(|kind| match &mut kind.value {
                Some(type_proto::Value::TensorType(tensor)) => tensor.shape.as_mut(),
                _ => None,
            });
        if let Some(first) = dims.and_then(|shape| shape.dim.first_mut()) {
            first.value = Some(tensor_shape_proto::dimension::Value::DimParam(name.into()));
        }
        self.graph.input.push(input);
    }

    /// Declares an output, `[batch, dims..]`.
    pub(super) fn output(&mut self, name: &str, kind: DataType, dims: &[usize]) {
        self.graph.output.push(value(name, kind, dims));
    }

    /// The model, with `metadata` beside the release that wrote it.
    pub(super) fn finish(self, metadata: &[(&str, &str)]) -> ModelProto {
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
            key: key.into(),
            value: value.into(),
        };
        let version = env!("CARGO_PKG_VERSION");
        let release = [(super::VERSION, version)];
        let metadata = metadata.iter().chain(&release);
        ModelProto {
            ir_version: IR_VERSION,
            producer_name: "semblance".into(),
            producer_version: version.into(),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPERATOR_SET,
            }],
            metadata_props: metadata.map(entry).collect(),
            graph: Some(self.graph),
            ..ModelProto::default()
        }
    }
}

/// An integer attribute.
pub(super) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

/// An attribute of several integers.
pub(super) fn integers(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.iter().map(|&value| value as i64).collect(),
        ..AttributeProto::default()
    }
}

/// An attribute of text.
pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::String as i32,
        s: value.into(),
        ..AttributeProto::default()
    }
}

/// The attributes of a window that moves over a picture.
pub(super) fn window(
    kernel: [usize; 2],
    stride: [usize; 2],
    [vertical, horizontal]: [usize; 2],
) -> Vec<AttributeProto> {
    vec![
        integers("kernel_shape", &kernel),
        integers("strides", &stride),
        integers("pads", &[vertical, horizontal, vertical, horizontal]),
    ]
}

/// The attributes of a convolution. A single group is not stated: it is the default.
pub(super) fn convolution_window(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
) -> Vec<AttributeProto> {
    let mut attributes = window(kernel, stride, padding);
    if groups > 1 {
        attributes.push(integer("group", groups as i64));
    }
    attributes
}

fn value(name: &str, kind: DataType, dims: &[usize]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dimension = |value| Dimension {
        value: Some(value),
        ..Dimension::default()
    };
    let sizes = dims.iter().map(|&size| Value::DimValue(size as i64));
    let dims = std::iter::once(Value::DimParam("batch".into())).chain(sizes);
    let shape = TensorShapeProto {
        dim: dims.map(dimension).collect(),
    };
    let tensor = type_proto::Tensor {
        elem_type: kind as i32,
        shape: Some(shape),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
