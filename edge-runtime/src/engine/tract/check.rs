//! What a file may hold before tract works on it.
//!
//! tract takes far more than models here need, and gives up on strange files by a panic, or
//! by more memory than there is. So nothing is handed to it but the operators that quantized
//! networks are exported as, with numbers in their bounds, and no file that names another.

use std::collections::HashSet;
use std::format;
use std::string::String;

use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::prelude::{TractResult, TypedModel};
use tract_onnx::tract_core::internal::bail;

/// What `host-trainer quantize` exports: bytes, and the real embedding made of them.
const OPERATORS: [&str; 14] = [
    "Add",
    "Clip",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Flatten",
    "MaxPool",
    "Mul",
    "PRelu",
    "QLinearConv",
    "QuantizeLinear",
    "ReduceSum",
    "Relu",
    "Sqrt",
];

/// The most operators; artifacts have at most 256 steps, of a few operators each.
const MOST_NODES: usize = 8192;

/// The most rows, columns or places that anything moves by, as in an artifact's plan.
const LARGEST: i64 = 65535;

/// The most that all values between operators may take, bytes: 1 GiB.
const MOST_MEMORY: usize = 1 << 30;

/// Whether a file holds nothing but what is exported here.
///
/// # Errors
/// What it holds besides.
pub(super) fn check(model: &ModelProto) -> Result<(), String> {
    if !model.functions.is_empty() {
        return Err("functions that the file defines".into());
    }
    let graph = model.graph.as_ref().ok_or("no graph")?;
    if graph.node.len() > MOST_NODES {
        let found = graph.node.len();
        return Err(format!("{found} operators, more than {MOST_NODES}"));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err("sparse tensors".into());
    }
    graph.initializer.iter().try_for_each(check_tensor)?;
    graph.node.iter().try_for_each(check_node)?;
    check_constants(graph)
}

/// A tensor's numbers are in the file, and as many as its shape says at most.
fn check_tensor(tensor: &TensorProto) -> Result<(), String> {
    let name = &tensor.name;
    if !tensor.external_data.is_empty() || tensor.data_location.unwrap_or(0) != 0 {
        return Err(format!("numbers of {name:?} in another file"));
    }
    let mut dims = tensor.dims.iter();
    let length = dims.try_fold(1usize, |length, &dim| {
        length.checked_mul(usize::try_from(dim).ok()?)
    });
    let stored = [
        tensor.raw_data.len(),
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
    ];
    let stored: usize = stored.iter().sum();
    match length {
        Some(length) if length <= stored => Ok(()),
        _ => Err(format!(
            "shape {:?} of {name:?} with {stored} bytes or numbers",
            tensor.dims
        )),
    }
}

fn check_node(node: &NodeProto) -> Result<(), String> {
    let operator = node.op_type.as_str();
    let is_standard = matches!(node.domain.as_str(), "" | "ai.onnx");
    if !is_standard || !OPERATORS.contains(&operator) {
        return Err(format!("operator {operator:?} of {:?}", node.name));
    }
    let mut attributes = node.attribute.iter();
    match attributes.find(|attribute| !is_bounded(attribute)) {
        Some(attribute) => Err(format!("attribute {:?} of {:?}", attribute.name, node.name)),
        None => Ok(()),
    }
}

/// Whether an attribute is a number, or a few, of a size that networks have.
fn is_bounded(attribute: &AttributeProto) -> bool {
    let in_range = |number: &i64| (-1..=LARGEST).contains(number);
    let is_number = attribute.t.is_none()
        && attribute.g.is_none()
        && attribute.sparse_tensor.is_none()
        && attribute.tensors.is_empty()
        && attribute.graphs.is_empty()
        && attribute.sparse_tensors.is_empty();
    is_number && in_range(&attribute.i) && attribute.ints.iter().all(in_range)
}

/// What depends on no picture would be computed while the file is read, whatever memory that
/// takes: networks have nothing of the kind but weights that are scaled.
fn check_constants(graph: &GraphProto) -> Result<(), String> {
    let initializers = graph.initializer.iter();
    let mut constants: HashSet<&str> = initializers.map(|tensor| tensor.name.as_str()).collect();
    for node in &graph.node {
        let mut inputs = node.input.iter().filter(|input| !input.is_empty());
        if !inputs.all(|input| constants.contains(input.as_str())) {
            continue;
        }
        if node.op_type != "DequantizeLinear" {
            return Err(format!("operator {:?} over constants alone", node.name));
        }
        constants.extend(node.output.iter().map(String::as_str));
    }
    Ok(())
}

/// Whether all values between operators fit memory, before any is computed.
///
/// # Errors
/// When they do not, or their sizes are not known.
pub(super) fn check_memory(model: &TypedModel) -> TractResult<()> {
    let mut needed = 0usize;
    for fact in model
        .nodes
        .iter()
        .flat_map(|node| &node.outputs)
        .map(|output| &output.fact)
    {
        // Sizes that are not known are none that fit.
        let dims = fact.shape.as_concrete();
        let count = dims.and_then(|dims| dims.iter().copied().try_fold(1, usize::checked_mul));
        let bytes = count.and_then(|count| count.checked_mul(fact.datum_type.size_of()));
        let sum = bytes.and_then(|bytes| needed.checked_add(bytes));
        match sum {
            Some(sum) if sum <= MOST_MEMORY => needed = sum,
            _ => bail!("values that take more than {MOST_MEMORY} bytes of memory"),
        }
    }
    Ok(())
}
