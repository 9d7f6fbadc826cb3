//! What leaves the trainer: ONNX for other tools, the artifact for devices, the card
//! for people.

pub mod arena;
pub mod artifact;
mod buffers;
pub mod card;
pub mod costs;
pub mod model;
pub mod onnx;
pub mod plan;
pub mod program;
pub mod signature;
#[cfg(test)]
mod tests;

pub(crate) mod quantized;

/// The float ONNX file of a model folder.
pub const FLOAT_ONNX: &str = "model.onnx";
/// The quantized ONNX file of a model folder.
pub const INT8_ONNX: &str = "model.int8.onnx";
/// The device artifact of a model folder.
pub const ARTIFACT: &str = "model.bin";
/// The card of a model folder.
pub const CARD: &str = "model.toml";
