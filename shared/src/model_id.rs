//! The identity of a model: what must be equal for two embeddings to be comparable.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 over everything that shapes an embedding: preprocessing, embedding
/// format, distance, plan and weights.
///
/// Operating points, golden vectors and the card are outside: a threshold can be
/// measured anew without making enrolled templates stale.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelId(pub [u8; 32]);

impl ModelId {
    /// Hashes `parts`, each preceded by its length (u64, little endian), so that
    /// moving a byte from one part to the next changes the identity.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Parses the 64 hexadecimal digits that [`Display`](fmt::Display) writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut id = [0; 32];
        for (byte, [high, low]) in id.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = (hex(*high)? << 4) | hex(*low)?;
        }
        Some(Self(id))
    }

    /// The first six bytes, for people: twelve hexadecimal digits when displayed.
    pub fn short(&self) -> ShortModelId {
        ShortModelId(*self)
    }
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelId({self})")
    }
}

/// A [`ModelId`] that displays as its first twelve hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct ShortModelId(ModelId);

impl fmt::Display for ShortModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .0
            .iter()
            .take(6)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
