//! What distances are normalized by, by name.

use clap::ValueEnum;
use shared::cohort::Normalization;

/// What the distances to a cohort are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum NormalizationName {
    /// Distances of the reference to the cohort
    Z,
    /// Distances of the probe to the cohort
    T,
    /// The mean of both
    S,
}

impl From<NormalizationName> for Normalization {
    fn from(name: NormalizationName) -> Self {
        match name {
            NormalizationName::Z => Self::Z,
            NormalizationName::T => Self::T,
            NormalizationName::S => Self::S,
        }
    }
}
