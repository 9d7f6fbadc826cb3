//! Why bytes are not an artifact.

use core::fmt;

use super::{COHORT_VERSION, MAX_LEN, VERSION};
use crate::model_id::ModelId;

/// Why bytes are not an artifact that this build can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The file does not begin with [`MAGIC`](super::MAGIC).
    Magic,
    /// The file is of a version this build does not know.
    Version {
        /// Found version.
        found: u16,
    },
    /// The file is shorter or longer than it says.
    CutOff {
        /// Bytes the header states, or a header needs.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
    /// The header states more than [`MAX_LEN`].
    TooLarge {
        /// Stated length.
        stated: u32,
    },
    /// The stored checksum is not that of the bytes.
    Checksum {
        /// The header's checksum.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Another number of sections than the version has.
    Sections {
        /// The version's number.
        expected: usize,
        /// Found number.
        found: u16,
    },
    /// A section is absent, out of bounds or not aligned.
    Section {
        /// Its kind, as in the section table.
        kind: u16,
    },
    /// The stored identity is not that of contract, plan and weights.
    ModelId {
        /// The header's identity.
        stored: ModelId,
        /// The identity of the content.
        computed: ModelId,
    },
    /// A section does not decode.
    Encoding(&'static str),
    /// A value of the contract is out of range or contradicts the plan.
    Contract(&'static str),
    /// A step of the plan is out of bounds or contradicts itself.
    Step {
        /// Which step, from 0.
        index: u16,
        /// What of it.
        what: &'static str,
    },
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => write!(
                f,
                "expected a device artifact (it begins with \"SEMBLANC\"), found other bytes: give the model.bin of a quantized model"
            ),
            Self::Version { found } => write!(
                f,
                "expected artifact version {VERSION} to {COHORT_VERSION}, found {found}: export the model again with this release, or update this program"
            ),
            Self::CutOff { expected, found } => write!(
                f,
                "expected an artifact of {expected} bytes, found {found}: the file is cut off or has bytes added; copy it again"
            ),
            Self::TooLarge { stated } => write!(
                f,
                "expected an artifact of at most {MAX_LEN} bytes, found one that states {stated}"
            ),
            Self::Checksum { stored, computed } => write!(
                f,
                "expected checksum {stored:08x}, found {computed:08x}: the file is damaged; copy it again"
            ),
            Self::Sections { expected, found } => write!(
                f,
                "expected {expected} sections, found {found}: the file is malformed"
            ),
            Self::Section { kind } => write!(
                f,
                "expected section {kind} inside the file and aligned, found none: the file is malformed"
            ),
            Self::ModelId { stored, computed } => write!(
                f,
                "expected model {}, found content of model {}: the file was altered; export the model again",
                stored.short(),
                computed.short()
            ),
            Self::Encoding(what) => write!(
                f,
                "expected a well-formed {what} section, found bytes that do not decode: export the model again"
            ),
            Self::Contract(what) => write!(
                f,
                "expected a valid {what} that fits the plan, found otherwise: export the model again"
            ),
            Self::Step { index, what } => write!(
                f,
                "expected step {index} of the plan to have a valid {what}, found otherwise: export the model again"
            ),
        }
    }
}

impl core::error::Error for ArtifactError {}
