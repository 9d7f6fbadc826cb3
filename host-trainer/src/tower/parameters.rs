//! The numbers of a tower: named tensors in fixed order.

use std::collections::BTreeMap;

/// A dense row-major tensor of single-precision numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Size of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

/// Tensors by name. A node's parameters are named after it: `conv1.weight`
/// `[out, in, kernel height, kernel width]`, `embedding.bias` `[out]`,
/// `norm1.weight`, `norm1.bias`, `norm1.running_mean`, `norm1.running_var`
/// `[channels]`, as PyTorch names them.
pub type Parameters = BTreeMap<String, Tensor>;
