//! From trained real numbers to int8.
//!
//! ```text
//! graph + parameters -> fused -> (equalize) -> calibrate -> int8 -> (bias)
//!                         |                                  |
//!                     float ONNX                     int8 ONNX, device plan
//! ```
//!
//! [`recipe`] chooses what is done; [`fidelity`] says how near the result is, by way of
//! [`float`] and [`interpret`], which have every value of both towers in reach. `aware`
//! is the tower as int8 will compute it, to learn what makes up for the rounding. [`quality`]
//! looks at the same training pictures for what enrolment may ask of a picture.

mod agreement;

#[cfg(feature = "libtorch")]
pub mod aware;
pub mod bias;
pub mod calibrate;
pub mod comparison;
pub mod equalize;
pub mod fidelity;
pub mod float;
pub mod fused;
pub mod gru;
pub mod histogram;
pub mod int8;
pub mod interpret;
pub mod quality;
pub mod recipe;
pub mod unit_length;

/// Index of a value in a [`fused::FusedGraph`] or [`int8::QuantizedGraph`]: 0 is the
/// input, `n + 1` the output of node `n`.
pub type ValueId = usize;
