//! Which ways of quantizing a tower are there, and which keeps its embeddings best.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::calibrate::{Method, Statistics};
use super::equalize::{Moved, equalization, equalized};
use super::float::FloatGraph;
use super::fused::FusedGraph;
use super::int8::QuantizedGraph;
use super::{bias, fidelity};
use crate::dataset::Tensors;

/// Samples that biases are corrected on: their means need fewer than extremes do.
const CORRECTING_SAMPLES: usize = 256;

/// A recipe that does more must leave at most this share of the simpler one's loss, which
/// is 1 minus the mean cosine: a chance improvement is not worth a step more.
const EARNED: f64 = 0.9;

/// A way of quantizing a tower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// How ranges are taken from samples.
    #[serde(default)]
    pub calibration: Method,
    /// Whether channels were brought to one magnitude; see [`super::equalize`].
    #[serde(default)]
    pub equalized: bool,
    /// Whether biases make up for mean errors; see [`super::bias`].
    #[serde(default)]
    pub bias_corrected: bool,
}

/// What a recipe came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What was done.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Mean cosine between int8 and float embeddings of samples that were left out of the
    /// calibration.
    pub mean_cosine: f64,
}

/// A quantized tower, and the real-numbered one whose values it stands for.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// What was done.
    pub recipe: Recipe,
    /// In int8.
    pub graph: QuantizedGraph,
    /// In real numbers: the tower itself, or with equalized channels.
    pub fused: FusedGraph,
    /// How it was equalized.
    pub equalization: Vec<Moved>,
}

/// A tower, as it is or equalized, with its statistics.
struct Measured {
    fused: FusedGraph,
    equalization: Vec<Moved>,
    statistics: Statistics,
}

impl Measured {
    fn new(fused: FusedGraph, equalization: Vec<Moved>, samples: &Tensors) -> Result<Self> {
        Ok(Self {
            statistics: Statistics::collect(&fused, samples)?,
            fused,
            equalization,
        })
    }

    /// The tower equalized, where there is something to equalize.
    fn equalized(&self, samples: &Tensors) -> Result<Option<Self>> {
        let equalization = equalization(&self.fused, &self.statistics);
        if equalization.is_empty() {
            return Ok(None);
        }
        let fused = equalized(&self.fused, &equalization);
        Self::new(fused, equalization, samples).map(Some)
    }

    fn quantized(&self, recipe: Recipe, samples: &Tensors) -> Result<Quantized> {
        let ranges = self.statistics.ranges(recipe.calibration);
        let input = samples.preprocess.quantization();
        let mut graph = QuantizedGraph::new(&self.fused, &ranges, input)?;
        graph.unit_length = self.statistics.unit_length;
        if recipe.bias_corrected {
            bias::correct(&mut graph, &self.fused, &samples.spread(CORRECTING_SAMPLES))?;
        }
        Ok(Quantized {
            recipe,
            graph,
            fused: self.fused.clone(),
            equalization: self.equalization.clone(),
        })
    }
}

/// Quantizes a tower by a recipe, calibrated on `samples`.
///
/// # Errors
/// When there are no samples, the tower cannot be run, or no scales are found.
pub fn quantize(fused: &FusedGraph, recipe: Recipe, samples: &Tensors) -> Result<Quantized> {
    let plain = Measured::new(fused.clone(), vec![], samples)?;
    let measured = match recipe.equalized {
        true => plain.equalized(samples)?.unwrap_or(plain),
        false => plain,
    };
    measured.quantized(recipe, samples)
}

/// Candidates so far, and the best of them.
struct Trial<'a> {
    samples: &'a Tensors,
    held_out: &'a Tensors,
    floats: Vec<Vec<f32>>,
    tried: Vec<Tried>,
    best: Option<(f64, Quantized)>,
}

impl Trial<'_> {
    fn attempt(&mut self, measured: &Measured, recipe: Recipe) -> Result<()> {
        let quantized = measured.quantized(recipe, self.samples)?;
        let mean_cosine = fidelity::mean_cosine(&quantized.graph, &self.floats, self.held_out)?;
        self.tried.push(Tried {
            recipe,
            mean_cosine,
        });
        let loss = 1.0 - mean_cosine;
        let best = self.best.as_ref();
        if best.is_none_or(|(least, _)| loss < EARNED * least) {
            self.best = Some((loss, quantized));
        }
        Ok(())
    }

    /// The best so far.
    fn recipe(&self) -> Recipe {
        self.best
            .as_ref()
            .map_or(Recipe::default(), |(_, best)| best.recipe)
    }
}

/// Quantizes a tower, calibrated on `samples`, by the recipe that keeps the embeddings of
/// `held_out` samples best; and all that were tried: every calibration method, with
/// equalization too, then bias correction. Of two that are about as good the simpler one.
///
/// # Errors
/// As [`quantize`].
pub fn choose(
    fused: &FusedGraph,
    samples: &Tensors,
    held_out: &Tensors,
) -> Result<(Quantized, Vec<Tried>)> {
    let float = FloatGraph::new(fused, &held_out.preprocess)?;
    let mut trial = Trial {
        samples,
        held_out,
        floats: float.map(held_out, |_, mut outputs| outputs.pop().unwrap_or_default())?,
        tried: vec![],
        best: None,
    };
    let plain = Measured::new(fused.clone(), vec![], samples)?;
    let balanced = plain.equalized(samples)?;
    let methods = [Method::MinMax, Method::Percentile, Method::Mse];
    for (measured, equalized) in [(Some(&plain), false), (balanced.as_ref(), true)] {
        for (measured, calibration) in measured.into_iter().flat_map(|m| methods.map(|c| (m, c))) {
            let recipe = Recipe {
                calibration,
                equalized,
                bias_corrected: false,
            };
            trial.attempt(measured, recipe)?;
        }
    }
    let recipe = trial.recipe();
    let measured = match (&balanced, recipe.equalized) {
        (Some(balanced), true) => balanced,
        _ => &plain,
    };
    let corrected = Recipe {
        bias_corrected: true,
        ..recipe
    };
    trial.attempt(measured, corrected)?;
    let best = trial.best.map(|(_, best)| best);
    Ok((
        best.context("expected a recipe to try, found none")?,
        trial.tried,
    ))
}
