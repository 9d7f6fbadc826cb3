//! From a few labelled embeddings of new classes to an answer: the tower is frozen.
//!
//! ```text
//! support embeddings, labels -> head -> references -> distances of probes
//!                                ^
//!           (unlabelled probes) -+
//! ```
//!
//! A head is the device's own way to fuse samples, or a fine-tuned cosine classifier,
//! whose class weights are prototypes that a device stores as any other embedding.

pub mod cosine;
pub mod support;
mod tune;
mod unit_vectors;

use clap::ValueEnum;
use serde::Serialize;
use shared::Distance;
use shared::support_set::{Comparison, Fusion};

use crate::engine::Embeddings;
use crate::evaluate::cohort::Measure;
use crate::evaluate::reference::Reference;

pub use tune::{Learned, finetune};
pub use unit_vectors::UnitVectors;

/// A head by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HeadName {
    /// The distance to the mean of a class's samples.
    Prototype,
    /// The distance to the nearest sample.
    Nearest,
    /// The mean of the distances to the samples.
    Mean,
    /// The same, less the mean distance of the samples from each other.
    Relative,
    /// The distance to a prototype that is learnt from all classes' samples.
    Finetune,
    /// The best of prototype, nearest and finetune, by validation.
    Auto,
}

/// What turns samples of classes into references for probes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Head {
    /// What a device does with the samples that it enrolled.
    Fused(Fusion),
    /// A cosine classifier that begins at the class means.
    Finetune(Tuning),
}

/// How a cosine classifier is learnt. The values of [`Tuning::INDUCTIVE`] and
/// [`Tuning::TRANSDUCTIVE`] were chosen on validation classes of Omniglot's background
/// set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tuning {
    /// Steps of gradient descent over all samples.
    pub steps: usize,
    /// Length of a step; see [`cosine::CosineClassifier::learn`].
    pub learning_rate: f64,
    /// The scale to begin with.
    pub scale: f64,
    /// Weight of the mean entropy of the answers: of those to the probes when
    /// `transductive`, else of those to the samples.
    pub entropy: f64,
    /// Whether the probes, without their labels, are learnt from too.
    pub transductive: bool,
}

impl Tuning {
    /// From labelled samples alone.
    pub const INDUCTIVE: Self = Self {
        steps: 30,
        learning_rate: 0.2,
        scale: 5.0,
        entropy: 0.0,
        transductive: false,
    };

    /// From all probes of an episode together, too.
    pub const TRANSDUCTIVE: Self = Self {
        entropy: 0.3,
        transductive: true,
        ..Self::INDUCTIVE
    };
}

impl Head {
    /// The head of that name; `None` for [`HeadName::Auto`], which is to be chosen.
    pub fn named(name: HeadName, tuning: Tuning) -> Option<Self> {
        match name {
            HeadName::Prototype => Some(Self::Fused(Fusion::Prototype)),
            HeadName::Nearest => Some(Self::Fused(Fusion::Nearest)),
            HeadName::Mean => Some(Self::Fused(Fusion::Mean)),
            HeadName::Relative => Some(Self::Fused(Fusion::Relative)),
            HeadName::Finetune => Some(Self::Finetune(tuning)),
            HeadName::Auto => None,
        }
    }

    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fused(Fusion::Prototype) => "prototype",
            Self::Fused(Fusion::Nearest) => "nearest",
            Self::Fused(Fusion::Mean) => "mean",
            Self::Fused(Fusion::Relative) => "relative",
            Self::Finetune(_) => "finetune",
        }
    }

    /// How a fine-tuned head is learnt.
    pub fn tuning(&self) -> Option<Tuning> {
        match self {
            Self::Fused(_) => None,
            Self::Finetune(tuning) => Some(*tuning),
        }
    }

    /// Whether the head makes sense with embeddings that are compared so.
    ///
    /// # Errors
    /// [`Senseless`].
    pub fn check(&self, comparison: &Comparison) -> Result<(), Senseless> {
        let normalized = comparison.embedding.normalized;
        let by_angle = match comparison.distance {
            Distance::Cosine => true,
            // |a - b|^2 = 2 - 2 cos for vectors of unit length.
            Distance::Euclidean | Distance::SquaredEuclidean => normalized,
            Distance::Manhattan => false,
        };
        match self {
            Self::Finetune(_) if !by_angle => Err(Senseless {
                distance: comparison.distance,
                length: if normalized { "unit" } else { "any" },
            }),
            _ => Ok(()),
        }
    }

    /// One reference per class: `support` has the indices of each class's samples,
    /// `queries` those of all probes, which only a transductive head looks at.
    pub fn references(
        &self,
        embeddings: &Embeddings,
        support: &[&[usize]],
        queries: &[usize],
        measure: &Measure,
    ) -> Vec<Reference> {
        match self {
            Self::Fused(fusion) => {
                let measure = &measure.with(Comparison {
                    fusion: *fusion,
                    ..measure.comparison
                });
                let reference = |shots: &&[usize]| Reference::new(embeddings, shots, measure);
                support.iter().map(reference).collect()
            }
            Self::Finetune(tuning) => {
                let learned = finetune(
                    embeddings,
                    &measure.comparison.embedding,
                    support,
                    queries,
                    tuning,
                );
                let reference = |class| Reference::new(&learned.prototypes, &[class], measure);
                (0..support.len()).map(reference).collect()
            }
        }
    }
}

/// A fine-tuned head for a distance that is no function of the angle.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "expected a model that compares by angle (cosine, or Euclidean between vectors of unit length) for a fine-tuned head, \
     found distance {distance} between vectors of {length} length, where the nearest prototype is not the most probable class: \
     use --head prototype or nearest"
)]
pub struct Senseless {
    distance: Distance,
    length: &'static str,
}
