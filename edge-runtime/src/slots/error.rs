//! Why a model is not taken.

use core::fmt;

use shared::artifact::ArtifactError;
use shared::artifact::signature::SignatureError;
use shared::wire::Refusal;

use crate::limits::TooLarge;

impl From<SlotError> for Refusal {
    fn from(error: SlotError) -> Self {
        match error {
            SlotError::Chunk => Self::Chunk,
            SlotError::Signature(SignatureError::Rollback { .. }) => Self::ModelRollback,
            SlotError::Signature(_) => Self::ModelUnsigned,
            SlotError::Artifact(ArtifactError::Version { .. }) => Self::ModelVersion,
            SlotError::Artifact(_) => Self::ModelDamaged,
            SlotError::TooLarge(_) => Self::ModelTooLarge,
            SlotError::Golden { .. } => Self::ModelGolden,
            SlotError::Flash => Self::Flash,
        }
    }
}

/// Why a model is not taken. The one in use stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotError {
    /// Parts are missing, or do not come in order.
    Chunk,
    /// Nobody that is trusted has signed it, or a later version is asked for.
    Signature(SignatureError),
    /// It is cut off, damaged, of another version, or another than it states.
    Artifact(ArtifactError),
    /// It needs more than there is.
    TooLarge(TooLarge),
    /// It answers other than it must.
    Golden {
        /// Golden vectors that came out right.
        passed: u16,
        /// Golden vectors there are.
        total: u16,
    },
    /// The flash cannot be written.
    Flash,
}

impl SlotError {
    pub(super) const GOLDEN: Self = Self::Golden {
        passed: 0,
        total: 0,
    };
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunk => f.write_str(
                "expected all parts of a model in order, found a gap: send it again from the beginning",
            ),
            Self::Signature(error) => error.fmt(f),
            Self::Artifact(error) => error.fmt(f),
            Self::TooLarge(error) => error.fmt(f),
            Self::Golden { passed, total } => write!(
                f,
                "expected {total} golden vectors to come out right, found {passed}: quantize the model again"
            ),
            Self::Flash => f.write_str(
                "expected flash that can be written, found an error: check the board's flash",
            ),
        }
    }
}

impl core::error::Error for SlotError {}
