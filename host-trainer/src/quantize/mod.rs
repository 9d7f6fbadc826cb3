//! From trained real numbers to int8, without more training.
//!
//! ```text
//! graph + parameters -> fused -> calibrate -> int8
//!                         |                     |
//!                     float ONNX        int8 ONNX, device plan
//! ```

mod agreement;

pub mod calibrate;
pub mod fused;
pub mod int8;

/// Index of a value in a [`fused::FusedGraph`] or [`int8::QuantizedGraph`]: 0 is the
/// input, `n + 1` the output of node `n`.
pub type ValueId = usize;
