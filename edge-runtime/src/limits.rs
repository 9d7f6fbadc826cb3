//! What a board has room for.

use core::fmt;

use shared::artifact::Artifact;
use shared::artifact::trailer::TRAILER_LEN;

/// The sizes that firmware is built for. Models are checked against them before they are
/// flashed, and again by the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of each slot of flash for a model.
    pub slot: usize,
    /// Bytes of memory for activations.
    pub arena: usize,
    /// Components of an embedding.
    pub dim: usize,
    /// Samples of a subject.
    pub shots: usize,
    /// Subjects.
    pub subjects: usize,
}

impl Limits {
    /// Bytes of the largest model.
    pub const fn model(&self) -> usize {
        self.slot.saturating_sub(TRAILER_LEN)
    }

    /// Whether a model of `len` bytes fits.
    ///
    /// # Errors
    /// [`TooLarge`] with what does not, first of all.
    pub fn check(&self, artifact: &Artifact<'_>, len: usize) -> Result<(), TooLarge> {
        let contract = artifact.contract();
        let dim = usize::from(contract.comparison.embedding.dim);
        let needs = [
            ("flash for the model", len, self.model()),
            (
                "memory for activations",
                artifact.plan().arena_len(),
                self.arena,
            ),
            ("components of an embedding", dim, self.dim),
            // Boards have no room for what references say of a structure.
            ("bytes of a reference", artifact.plan().reference_len(), 0),
        ];
        let too_large = needs.into_iter().find(|(_, needed, room)| needed > room);
        match too_large {
            None => Ok(()),
            Some((what, needed, room)) => Err(TooLarge { what, needed, room }),
        }
    }
}

/// A model needs more of something than a board has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Of what; bytes, or components of an embedding.
    pub what: &'static str,
    /// What the model needs.
    pub needed: usize,
    /// What the board has.
    pub room: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, needed, room } = self;
        write!(
            f,
            "expected a model that needs at most {room} of {what}, found one that needs {needed}: take a smaller one, or quantize it with `--low-memory`"
        )
    }
}

impl core::error::Error for TooLarge {}
