//! Towers as ONNX graphs, real-numbered and quantized.
//!
//! Both have the input `image`, uint8 `[batch, channels, height, width]`, the bytes
//! that preprocessing gives, and the output `embedding`, float `[batch, dim]`. The
//! quantized one has `embedding_q8` too, uint8 `[batch, dim]`: the raw bytes that
//! every engine agrees on.

mod builder;
mod float;
mod int8;
mod segmentation;
mod sequence;

use prost::Message;
use tract_onnx::pb;

pub use float::{float, record};
pub use int8::{Format, int8, int8_record};

/// Name of the input.
pub const IMAGE: &str = "image";
/// Name of the real-numbered output.
pub const EMBEDDING: &str = "embedding";
/// Name of the raw output of a quantized model.
pub const EMBEDDING_Q8: &str = "embedding_q8";
/// Name of the input of references' records, `[references, numbers of a record]`.
pub const REFERENCES: &str = "references";
/// Name of the input of a reference's mask: bytes 0 and 1.
pub const MASK: &str = "mask";
/// Name of the output that is a reference's record.
pub const RECORD: &str = "record";
/// Name of the output of a network that segments: positive where the structure is.
pub const LOGITS: &str = "logits";
/// Metadata key of the model's identity.
pub const MODEL_ID: &str = "model_id";
/// Metadata key of the release that wrote the file.
pub const VERSION: &str = "semblance_version";

const LAYER: &str = "tower/";
const BEFORE_RECTIFIER: &str = ".sum";

/// The name of a layer's output; apart from all names that the graph itself needs.
pub fn layer(name: &str) -> String {
    format!("{LAYER}{name}")
}

/// The name of what a layer that ends with a rectifier makes before it.
pub fn before_rectifier(layer: &str) -> String {
    format!("{layer}{BEFORE_RECTIFIER}")
}

/// The layer that a name made here belongs to; other names as they are.
pub fn layer_of(name: &str) -> &str {
    let layer = name.strip_prefix(LAYER);
    layer.map_or(name, |name| {
        name.strip_suffix(BEFORE_RECTIFIER).unwrap_or(name)
    })
}

/// The bytes of an ONNX file.
pub fn encode(model: &pb::ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}
