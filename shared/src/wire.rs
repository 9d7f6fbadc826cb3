//! Talking to a board: messages and the frames that carry them.
//!
//! A frame is `COBS(request id u16 | message in postcard | CRC-32 u32) 0x00`,
//! integers little endian; nothing in it can be mistaken for the end. A message may carry
//! another one sealed, as a session of both ends agreed. The bytes
//! are specified in `shared/docs/wire-format.md`.

mod frame;
mod message;

use crate::embedding::MAX_DIM;

pub use frame::{FrameError, Frames, Opened, Sealed, decode, encode, encode_sealed, message, open};
pub use message::{Pairing, Refusal, Request, Response, Scores, Verdict};

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 3;

/// The longest frame, its closing zero included, bytes.
pub const MAX_FRAME: usize = 1024;

/// What stands behind sealed bytes, so that nobody else made them, bytes.
pub const TAG_LEN: usize = 16;

/// The longest frame that answers where embeddings have `dim` components, bytes: one with a
/// sealed embedding, variant, length and tag twice, its number and checksum, stuffing and end.
pub const fn answer_len(dim: usize) -> usize {
    let content = if dim > LONGEST_OTHER {
        dim
    } else {
        LONGEST_OTHER
    };
    content + 2 * (1 + 2) + TAG_LEN + 2 + 4 + 3 + 1
}

/// What answers take beside embeddings at most, bytes: a Hello with a board's name of 48, or a
/// message of a handshake.
const LONGEST_OTHER: usize = 2 + 33 + 3 * 3 + 2 * 5 + 1 + 48;

/// The longest frame that answers, bytes.
pub const MAX_ANSWER: usize = answer_len(MAX_DIM);

/// The most bytes of a picture or a model in one chunk.
pub const MAX_CHUNK: usize = 768;

/// A chunk of a model that is not the last one has a multiple of so many bytes, the largest
/// unit that flash is written in.
pub const MODEL_CHUNK_UNIT: usize = 32;
