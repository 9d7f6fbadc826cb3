//! Which ways of quantizing a tower are there, and which keeps its embeddings best.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::calibrate::{Method, Statistics};
use super::equalize::equalized;
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
    /// In int8.
    pub graph: QuantizedGraph,
    /// In real numbers: the tower itself, or with equalized channels.
    pub fused: FusedGraph,
}

/// A tower, as it is or equalized, with its statistics.
struct Measured {
    fused: FusedGraph,
    statistics: Statistics,
}

impl Measured {
    fn new(fused: FusedGraph, samples: &Tensors) -> Result<Self> {
        Ok(Self {
            statistics: Statistics::collect(&fused, samples)?,
            fused,
        })
    }

    fn equalized(&self, samples: &Tensors) -> Result<Option<Self>> {
        let fused = equalized(&self.fused, &self.statistics);
        fused.map(|fused| Self::new(fused, samples)).transpose()
    }

    fn quantized(&self, recipe: Recipe, samples: &Tensors) -> Result<QuantizedGraph> {
        let ranges = self.statistics.ranges(recipe.calibration);
        let input = samples.preprocess.quantization;
        let mut graph = QuantizedGraph::new(&self.fused, &ranges, input)?;
        if recipe.bias_corrected {
            bias::correct(&mut graph, &self.fused, &samples.spread(CORRECTING_SAMPLES))?;
        }
        Ok(graph)
    }
}

/// Quantizes a tower by a recipe, calibrated on `samples`.
///
/// # Errors
/// When there are no samples, the tower cannot be run, or no scales are found.
pub fn quantize(fused: &FusedGraph, recipe: Recipe, samples: &Tensors) -> Result<Quantized> {
    let plain = Measured::new(fused.clone(), samples)?;
    let measured = match recipe.equalized {
        true => plain.equalized(samples)?.unwrap_or(plain),
        false => plain,
    };
    Ok(Quantized {
        graph: measured.quantized(recipe, samples)?,
        fused: measured.fused,
    })
}

/// The recipe that keeps the embeddings of `held_out` samples best, and all that were
/// tried: every calibration method, with the best of them equalization, with what is best
/// then bias correction. Of two that are about as good the simpler one.
///
/// # Errors
/// As [`quantize`].
pub fn choose(
    fused: &FusedGraph,
    samples: &Tensors,
    held_out: &Tensors,
) -> Result<(Recipe, Vec<Tried>)> {
    let float = FloatGraph::new(fused, &held_out.preprocess)?;
    let floats = float.map(held_out, |_, mut outputs| outputs.pop().unwrap_or_default())?;
    let mut tried: Vec<Tried> = vec![];
    let mut best: Option<Tried> = None;
    let mut attempt = |measured: &Measured, recipe: Recipe| -> Result<Recipe> {
        let graph = measured.quantized(recipe, samples)?;
        let mean_cosine = fidelity::mean_cosine(&graph, &floats, held_out)?;
        let entry = Tried {
            recipe,
            mean_cosine,
        };
        tried.push(entry);
        if best.is_none_or(|best| 1.0 - mean_cosine < EARNED * (1.0 - best.mean_cosine)) {
            best = Some(entry);
        }
        Ok(best.map_or(recipe, |best| best.recipe))
    };
    let plain = Measured::new(fused.clone(), samples)?;
    let mut chosen = Recipe::default();
    let methods = [Method::MinMax, Method::Percentile, Method::Mse];
    for calibration in methods {
        let recipe = Recipe {
            calibration,
            ..Recipe::default()
        };
        chosen = attempt(&plain, recipe)?;
    }
    let balanced = plain.equalized(samples)?;
    if let Some(balanced) = &balanced {
        for calibration in methods {
            let recipe = Recipe {
                calibration,
                equalized: true,
                ..chosen
            };
            chosen = attempt(balanced, recipe)?;
        }
    }
    let measured = match (&balanced, chosen.equalized) {
        (Some(balanced), true) => balanced,
        _ => &plain,
    };
    let recipe = Recipe {
        bias_corrected: true,
        ..chosen
    };
    chosen = attempt(measured, recipe)?;
    Ok((chosen, tried))
}
