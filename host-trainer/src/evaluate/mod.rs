//! How good a model is, on any engine, by one code.
//!
//! ```text
//! data set -> embeddings (any engine) -> references and probes -> distances -> rates
//! ```

pub mod baselines;
pub mod calibration;
pub mod cohort;
pub mod cross_validation;
pub mod enrolment;
pub mod few_shot;
pub mod fusions;
pub mod interval;
pub mod koch_verification;
pub mod metrics;
pub mod omniglot_runs;
pub mod open_set;
pub mod operating_points;
pub mod pair_lists;
pub mod reference;
pub mod scores;
pub mod templates;
pub mod trials;
pub mod verification;

use anyhow::Result;
use serde::Serialize;

use crate::dataset::{Dataset, Part, Tensors};
use crate::engine::{Embedder, Embeddings};

/// What an evaluation found; rates are fractions. Figures that a protocol does not
/// have are null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Its name on the command line.
    pub protocol: &'static str,
    /// `torch`, `ort`, `tract` or `int8`.
    pub engine: &'static str,
    /// `float` or `int8`: what the embeddings consist of.
    pub precision: &'static str,
    /// Null for a training run.
    pub model_id: Option<String>,
    /// The data set's name on the command line.
    pub dataset: String,
    /// Share of right answers.
    pub accuracy: f64,
    /// The rate at which false accepts and false rejects are equal.
    pub eer: Option<f64>,
    /// False accepts at the threshold that a device uses.
    pub far: Option<f64>,
    /// False rejects at that threshold.
    pub frr: Option<f64>,
    /// 95 % confidence interval of the accuracy.
    pub ci95: [f64; 2],
    /// Comparisons of a probe with a reference.
    pub comparisons: u64,
    /// What else the protocol has.
    #[serde(flatten)]
    pub details: Details,
}

/// What only one protocol has.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// Of `verification`, with reference sets.
    Verification(Box<verification::Details>),
    /// Of `verification`, on published pairs.
    PairLists(pair_lists::Details),
    /// Of `few-shot`.
    FewShot(few_shot::Details),
    /// Of `omniglot-runs`.
    OmniglotRuns(omniglot_runs::Details),
    /// Of `koch-verification`.
    KochVerification(koch_verification::Details),
    /// Of `open-set`.
    OpenSet(open_set::Details),
    /// Of `enrolment`.
    Enrolment(enrolment::Details),
}

/// The samples of one part of a data set, embedded.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// The samples.
    pub tensors: Tensors,
    /// One embedding each.
    pub embeddings: Embeddings,
}

impl Embedded {
    /// Preprocesses and embeds the samples of `part`.
    ///
    /// # Errors
    /// When a sample cannot be read or the engine fails.
    pub fn new(embedder: &mut dyn Embedder, dataset: &Dataset, part: Part) -> Result<Self> {
        Self::of_samples(embedder, dataset, &dataset.split.samples(dataset, part))
    }

    /// Preprocesses and embeds the samples at these indices.
    ///
    /// # Errors
    /// When a sample cannot be read or the engine fails.
    pub fn of_samples(
        embedder: &mut dyn Embedder,
        dataset: &Dataset,
        samples: &[u32],
    ) -> Result<Self> {
        let preprocess = embedder.facts().preprocess;
        let tensors = Tensors::new(dataset, samples, &preprocess)?;
        let embeddings = embedder.embed(&tensors.pixels)?;
        Ok(Self {
            tensors,
            embeddings,
        })
    }
}

/// `float` or `int8`.
pub(crate) fn precision(embeddings: &Embeddings) -> &'static str {
    match embeddings {
        Embeddings::Float { .. } => "float",
        Embeddings::Int8 { .. } => "int8",
    }
}
