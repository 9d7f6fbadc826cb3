//! ONNX files as other tools write them.

pub(crate) mod networks;

use prost::Message;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

/// A file, and what it is made with.
pub(crate) struct Exported {
    graph: GraphProto,
    random: ChaCha8Rng,
    pub(crate) file: Vec<u8>,
}

/// Attributes of whole numbers.
type Integers<'a> = &'a [(&'a str, &'a [i64])];

impl Exported {
    /// An empty graph with random numbers of `seed` and a real `input` of those sizes; sizes
    /// of 0 are left open.
    pub(crate) fn new(seed: u64, input: [i64; 4]) -> Self {
        let mut graph = GraphProto {
            name: "exported".into(),
            ..GraphProto::default()
        };
        graph.input.push(value("input", &input));
        Self {
            graph,
            random: ChaCha8Rng::seed_from_u64(seed),
            file: vec![],
        }
    }

    /// The file with `output` as its embedding.
    pub(crate) fn finish(mut self, output: &str) -> Self {
        self.graph.output.push(value(output, &[0, 0]));
        let model = ModelProto {
            ir_version: 7,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 13,
            }],
            graph: Some(self.graph.clone()),
            ..ModelProto::default()
        };
        self.file = model.encode_to_vec();
        self
    }

    pub(crate) fn node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Integers<'_>,
    ) -> String {
        // These are single numbers, not lists of one.
        let single = ["group", "axis", "keepdims", "p"];
        let attributes = attributes.iter().map(|&(name, values)| AttributeProto {
            name: name.into(),
            r#type: match single.contains(&name) {
                true => AttributeType::Int as i32,
                false => AttributeType::Ints as i32,
            },
            i: match single.contains(&name) {
                true => values[0],
                false => 0,
            },
            ints: match single.contains(&name) {
                true => vec![],
                false => values.to_vec(),
            },
            ..AttributeProto::default()
        });
        let output = format!("{name}_output_0");
        self.graph.node.push(NodeProto {
            op_type: operator.into(),
            name: name.into(),
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.clone()],
            attribute: attributes.collect(),
            ..NodeProto::default()
        });
        output
    }

    pub(crate) fn conv(
        &mut self,
        name: &str,
        input: &str,
        shape: [usize; 4],
        attributes: Integers<'_>,
    ) -> String {
        let weights = self.random(&format!("{name}.weight"), &shape);
        let bias = self.random(&format!("{name}.bias"), &shape[..1]);
        self.node(name, "Conv", &[input, &weights, &bias], attributes)
    }

    pub(crate) fn conv_auto(
        &mut self,
        name: &str,
        input: &str,
        shape: [usize; 4],
        padding: &str,
        attributes: Integers<'_>,
    ) -> String {
        let output = self.conv(name, input, shape, attributes);
        self.attribute(AttributeProto {
            name: "auto_pad".into(),
            r#type: AttributeType::String as i32,
            s: padding.into(),
            ..AttributeProto::default()
        });
        output
    }

    pub(crate) fn gemm(&mut self, name: &str, input: &str, [out, inputs]: [usize; 2]) -> String {
        let weights = self.random(&format!("{name}.weight"), &[out, inputs]);
        let bias = self.random(&format!("{name}.bias"), &[out]);
        let output = self.node(name, "Gemm", &[input, &weights, &bias], &[]);
        self.attribute(AttributeProto {
            name: "transB".into(),
            r#type: AttributeType::Int as i32,
            i: 1,
            ..AttributeProto::default()
        });
        output
    }

    pub(crate) fn leaky_relu(&mut self, name: &str, input: &str, alpha: f32) -> String {
        let output = self.node(name, "LeakyRelu", &[input], &[]);
        self.attribute(AttributeProto {
            name: "alpha".into(),
            r#type: AttributeType::Float as i32,
            f: alpha,
            ..AttributeProto::default()
        });
        output
    }

    pub(crate) fn batch_norm(&mut self, name: &str, input: &str, channels: usize) -> String {
        let gamma = self.uniform(&format!("{name}.gamma"), &[channels], 0.5, 1.5);
        let beta = self.random(&format!("{name}.beta"), &[channels]);
        let mean = self.random(&format!("{name}.mean"), &[channels]);
        let variance = self.uniform(&format!("{name}.var"), &[channels], 0.3, 1.5);
        let inputs = [input, &gamma, &beta, &mean, &variance];
        self.node(name, "BatchNormalization", &inputs, &[])
    }

    pub(crate) fn prelu(&mut self, name: &str, input: &str, channels: usize) -> String {
        let slopes = self.uniform(&format!("{name}.slope"), &[channels, 1, 1], -0.1, 0.5);
        self.node(name, "PRelu", &[input, &slopes], &[])
    }

    pub(crate) fn clip(&mut self, name: &str, input: &str, [least, most]: [f32; 2]) -> String {
        let least = self.reals(&format!("{name}.least"), &[], &[least]);
        let most = self.reals(&format!("{name}.most"), &[], &[most]);
        self.node(name, "Clip", &[input, &least, &most], &[])
    }

    /// Weights of which a filter keeps the magnitude of its input.
    pub(crate) fn random(&mut self, name: &str, shape: &[usize]) -> String {
        let taps: usize = shape[1..].iter().product();
        let limit = (3.0 / taps.max(8) as f32).sqrt();
        self.uniform(name, shape, -limit, limit)
    }

    fn uniform(&mut self, name: &str, shape: &[usize], from: f32, to: f32) -> String {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| self.random.random_range(from..to))
            .collect();
        self.reals(name, shape, &values)
    }

    pub(crate) fn reals(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.tensor(name, shape, DataType::Float, bytes.collect())
    }

    pub(crate) fn integers(&mut self, name: &str, shape: &[usize], values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.tensor(name, shape, DataType::Int64, bytes.collect())
    }

    fn tensor(&mut self, name: &str, shape: &[usize], kind: DataType, raw: Vec<u8>) -> String {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: kind as i32,
            raw_data: raw,
            ..TensorProto::default()
        });
        name.into()
    }

    /// The last initializer as what a node of the graph gives.
    pub(crate) fn by_node(&mut self) -> String {
        let tensor = self.graph.initializer.pop().unwrap();
        let output = self.node("stored", "Constant", &[], &[]);
        self.attribute(AttributeProto {
            name: "value".into(),
            r#type: AttributeType::Tensor as i32,
            t: Some(tensor),
            ..AttributeProto::default()
        });
        output
    }

    /// Adds an attribute to the last node.
    fn attribute(&mut self, attribute: AttributeProto) {
        if let Some(node) = self.graph.node.last_mut() {
            node.attribute.push(attribute);
        }
    }
}

fn value(name: &str, sizes: &[i64]) -> ValueInfoProto {
    let size = |&size: &i64| Dimension {
        value: Some(match size {
            0 => Value::DimParam("any".into()),
            size => Value::DimValue(size),
        }),
        ..Dimension::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto {
            dim: sizes.iter().map(size).collect(),
        }),
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
