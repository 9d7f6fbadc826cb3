//! The file: what is in it, and whether all of it can be read.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail, ensure};
use prost::Message;
use shared::artifact::plan::MAX_ARENA;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::{ModelProto, NodeProto, ValueInfoProto, type_proto};

use super::constant::Constant;
use super::node::{LARGEST, Node};
use super::{Channels, Reading};
use crate::tower::Shape;

/// The largest file: 256 MiB.
pub const MAX_LEN: usize = 256 << 20;

/// The most operators; the largest embedding networks have a few hundred.
const MOST_NODES: usize = 8192;

/// How many nodes that cannot be read are named.
const NAMED: usize = 12;

/// What [`lower`](super::lower) makes layers of.
const OPERATORS: [&str; 42] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "LeakyRelu",
    "LpNormalization",
    "MatMul",
    "Max",
    "MaxPool",
    "Mul",
    "Neg",
    "PRelu",
    "Pad",
    "Pow",
    "ReduceL2",
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Shape",
    "Slice",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Transpose",
    "Unsqueeze",
];

/// The parts of a file that its embedding depends on.
#[derive(Debug)]
pub(super) struct File {
    nodes: Vec<NodeProto>,
    /// Initial values by name.
    pub(super) constants: HashMap<String, Constant>,
    /// The picture.
    pub(super) input: Input,
    /// Name of the embedding.
    pub(super) output: String,
    readers: HashMap<String, usize>,
}

/// The input that is the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) name: String,
    /// As the network has it.
    pub(super) shape: Shape,
    /// Whether the channels of a pixel lie side by side.
    pub(super) channels_last: bool,
    /// Whether it is read as bytes, not as real numbers.
    pub(super) is_bytes: bool,
}

impl File {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// As [`super::read`].
    pub(super) fn read(onnx: &[u8], reading: &Reading) -> Result<Self> {
        ensure!(
            onnx.len() <= MAX_LEN,
            "expected an ONNX file of at most {MAX_LEN} bytes, found {}",
            onnx.len()
        );
        let model = decode(onnx)?;
        ensure!(
            model.functions.is_empty(),
            "expected plain operators, found functions defined in the file: export the model with its functions inlined"
        );
        let graph = model
            .graph
            .context("expected an ONNX file with a graph, found none")?;
        let outputs: Vec<&str> = graph.output.iter().map(|o| o.name.as_str()).collect();
        let output = output(&outputs, reading.output.as_deref())?.to_owned();
        let nodes = ancestors(graph.node, &output);
        ensure!(
            nodes.len() <= MOST_NODES,
            "expected at most {MOST_NODES} operators, found {}",
            nodes.len()
        );
        check_operators(&nodes)?;
        let mut constants = HashMap::new();
        let read: HashSet<&str> = nodes
            .iter()
            .flat_map(|node| Node::new(node).inputs())
            .collect();
        for tensor in &graph.initializer {
            if read.contains(tensor.name.as_str()) {
                let constant = Constant::read(tensor)
                    .with_context(|| format!("initializer {:?}", tensor.name))?;
                constants.insert(tensor.name.clone(), constant);
            }
        }
        let pictures: Vec<&ValueInfoProto> = graph
            .input
            .iter()
            .filter(|input| read.contains(input.name.as_str()))
            .filter(|input| !constants.contains_key(&input.name))
            .collect();
        let &[picture] = pictures.as_slice() else {
            let names: Vec<&str> = pictures.iter().map(|input| input.name.as_str()).collect();
            bail!("expected one input, a picture, that the embedding depends on, found {names:?}");
        };
        let input =
            Input::of(picture, reading).with_context(|| format!("input {:?}", picture.name))?;
        let mut readers = HashMap::new();
        for name in nodes.iter().flat_map(|node| Node::new(node).inputs()) {
            *readers.entry(name.to_owned()).or_insert(0) += 1;
        }
        *readers.entry(output.clone()).or_insert(0) += 1;
        Ok(Self {
            nodes,
            constants,
            input,
            output,
            readers,
        })
    }

    /// The file without what its embedding does not depend on, which nobody has looked at:
    /// what other programs may be given.
    ///
    /// # Errors
    /// When the bytes are another file's.
    pub(super) fn pruned(&self, onnx: &[u8]) -> Result<ModelProto> {
        let mut model = decode(onnx)?;
        let graph = model.graph.as_mut().context("expected a graph")?;
        graph.node.clone_from(&self.nodes);
        let is_constant = |name: &str| self.constants.contains_key(name);
        graph.initializer.retain(|tensor| is_constant(&tensor.name));
        graph.sparse_initializer.clear();
        let is_picture = |name: &str| name == self.input.name;
        let inputs = &mut graph.input;
        inputs.retain(|input| is_picture(&input.name) || is_constant(&input.name));
        graph.output.retain(|output| output.name == self.output);
        Ok(model)
    }

    /// The operators, each after what it reads.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.nodes.iter().map(Node::new)
    }

    /// Whether nobody but one operator reads a value.
    pub(super) fn is_read_once(&self, name: &str) -> bool {
        self.readers.get(name) == Some(&1)
    }
}

fn decode(onnx: &[u8]) -> Result<ModelProto> {
    ModelProto::decode(onnx)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("expected an ONNX file, found bytes that are none")
}

/// The output that is the embedding.
fn output<'a>(outputs: &[&'a str], wanted: Option<&str>) -> Result<&'a str> {
    let found = match wanted {
        Some(wanted) => outputs.iter().find(|&&output| output == wanted),
        None => outputs.first().filter(|_| outputs.len() == 1),
    };
    found.copied().with_context(|| match wanted {
        Some(wanted) => format!("expected an output named {wanted:?}, found {outputs:?}"),
        None => {
            format!("expected one output, the embedding, found {outputs:?}: name it by --output")
        }
    })
}

/// The operators that `output` depends on, in their order.
fn ancestors(nodes: Vec<NodeProto>, output: &str) -> Vec<NodeProto> {
    let mut wanted = HashSet::from([output.to_owned()]);
    let mut kept = vec![];
    // The standard has operators after those they read.
    for node in nodes.into_iter().rev() {
        if node.output.iter().any(|output| wanted.contains(output)) {
            wanted.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    kept
}

/// Names every operator that no layer computes.
fn check_operators(nodes: &[NodeProto]) -> Result<()> {
    let strange: Vec<String> = nodes
        .iter()
        .map(Node::new)
        .filter(|node| !node.is_standard() || !OPERATORS.contains(&node.operator()))
        .map(|node| node.to_string())
        .collect();
    if strange.is_empty() {
        return Ok(());
    }
    let more = match strange.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more such"),
    };
    bail!(
        "expected operators that layers compute, found {}{more}; there are {}",
        strange[..strange.len().min(NAMED)].join(", "),
        OPERATORS.join(", ")
    )
}

impl Input {
    fn of(value: &ValueInfoProto, reading: &Reading) -> Result<Self> {
        let kind = value.r#type.as_ref().and_then(|kind| kind.value.as_ref());
        let Some(type_proto::Value::TensorType(tensor)) = kind else {
            bail!("expected a tensor, found something else");
        };
        let is_bytes = match DataType::try_from(tensor.elem_type) {
            Ok(DataType::Float) => false,
            Ok(DataType::Uint8) => true,
            _ => bail!("expected single-precision numbers or bytes, found another type"),
        };
        let shape = tensor.shape.as_ref().context("expected a shape")?;
        let dims: Vec<Option<i64>> = shape
            .dim
            .iter()
            .map(|dim| match dim.value {
                Some(Dimension::DimValue(size)) if size > 0 => Some(size),
                _ => None,
            })
            .collect();
        let &[batch, a, b, c] = dims.as_slice() else {
            bail!(
                "expected 4 dimensions, one picture of rows, columns and channels, found {}",
                dims.len()
            );
        };
        ensure!(
            batch.is_none_or(|batch| batch == 1),
            "expected one picture at a time or a free number, found {batch:?}: export the model with a batch of 1"
        );
        let is_channels = |size: Option<i64>| matches!(size, Some(1 | 3));
        let channels_last = !is_channels(a);
        let (channels, height, width) = match channels_last {
            true => (c, a, b),
            false => (a, b, c),
        };
        ensure!(
            is_channels(channels),
            "expected 1 or 3 channels, second or last, found shape {dims:?}"
        );
        let channels = channels.unwrap_or(1) as usize;
        ensure!(
            channels == 3 || reading.channels == Channels::Grey,
            "expected a network of three channels for {:?} pictures, found one of 1: choose --channels grey",
            reading.channels
        );
        let side = |axis: usize, stated: Option<i64>| -> Result<usize> {
            let wanted = reading.size.map(|size| size[axis]);
            let stated = stated.map(|size| size as usize);
            ensure!(
                wanted.is_none() || stated.is_none() || wanted == stated,
                "expected the size that the file states, {stated:?}, found --input for {wanted:?}"
            );
            let size = stated.or(wanted).context(
                "expected the size of the picture, found none in the file: give it by --input WIDTHxHEIGHT",
            )?;
            ensure!(
                size <= LARGEST as usize,
                "expected at most {LARGEST} pixels a side, found {size}"
            );
            Ok(size)
        };
        let shape = Shape {
            channels,
            height: side(0, height)?,
            width: side(1, width)?,
        };
        ensure!(
            shape.len() <= MAX_ARENA as usize,
            "expected a picture of at most {MAX_ARENA} bytes, which is what a device takes, found {}",
            shape.len()
        );
        Ok(Self {
            name: value.name.clone(),
            shape,
            channels_last,
            is_bytes,
        })
    }
}
