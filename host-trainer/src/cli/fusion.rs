//! Ways to make one distance of several samples, by name.

use clap::ValueEnum;
use shared::support_set::Fusion;

/// How several samples become one distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FusionName {
    /// The distance to their mean
    Prototype,
    /// The distance to the nearest
    Nearest,
    /// The mean of the distances
    Mean,
    /// The same, less the mean distance of the samples from each other
    Relative,
}

impl From<FusionName> for Fusion {
    fn from(name: FusionName) -> Self {
        match name {
            FusionName::Prototype => Self::Prototype,
            FusionName::Nearest => Self::Nearest,
            FusionName::Mean => Self::Mean,
            FusionName::Relative => Self::Relative,
        }
    }
}

/// The name on the command line.
pub(super) fn name(fusion: Fusion) -> String {
    format!("{fusion:?}").to_lowercase()
}
