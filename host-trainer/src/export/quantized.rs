//! From a fused tower to int8, by training samples, and how near it is.

use anyhow::{Result, bail};
use shared::Preprocess;

use super::card::Quantization;
use super::model::Options;
use crate::dataset::{Dataset, Part, Tensors};
use crate::quantize::calibrate::Method;
use crate::quantize::fidelity::{self, Fidelity};
use crate::quantize::fused::FusedGraph;
use crate::quantize::int8::QuantizedGraph;
use crate::quantize::recipe::{Quantized, Recipe, Tried, choose, quantize};

/// Training samples that ranges are taken from, at most.
const CALIBRATION_SAMPLES: usize = 1000;

/// Training samples that are left out of the calibration, at most, to judge it by.
const HELD_OUT_SAMPLES: usize = 256;

/// Where all training samples are needed for the calibration, one of so many is left out
/// of it while a recipe is chosen.
const HELD_OUT_SHARE: usize = 5;

/// Indices of training samples, by what they are for.
struct Chosen {
    /// To calibrate with.
    calibration: Vec<u32>,
    /// The same while a recipe is chosen: none of those to judge by.
    choosing: Vec<u32>,
    /// To judge by.
    held_out: Vec<u32>,
}

impl Chosen {
    fn of(samples: &[u32]) -> Self {
        let step = samples.len().div_ceil(CALIBRATION_SAMPLES).max(1);
        let every = |first: usize, step: usize| -> Vec<u32> {
            samples.iter().copied().skip(first).step_by(step).collect()
        };
        let calibration = every(0, step);
        if step > 1 {
            let between = every(step / 2, step);
            let thin = between.len().div_ceil(HELD_OUT_SAMPLES).max(1);
            return Self {
                choosing: calibration.clone(),
                calibration,
                held_out: between.into_iter().step_by(thin).collect(),
            };
        }
        let held_out = every(HELD_OUT_SHARE - 1, HELD_OUT_SHARE);
        let is_kept = |sample: &u32| held_out.binary_search(sample).is_err();
        Self {
            choosing: calibration.iter().copied().filter(is_kept).collect(),
            calibration,
            held_out,
        }
    }
}

/// A tower quantized by training samples.
pub(crate) struct ByTraining {
    /// The tower.
    pub(crate) quantized: Quantized,
    /// The recipes among which its own was chosen, if it was.
    tried: Vec<Tried>,
    calibration_samples: usize,
    held_out: Tensors,
}

/// Quantizes a tower with the training samples of its data set, by one calibration method
/// or by the best recipe.
///
/// # Errors
/// When samples cannot be read or there are none.
pub(crate) fn by_training(
    fused: &FusedGraph,
    dataset: &Dataset,
    preprocess: &Preprocess,
    calibration: Option<Method>,
) -> Result<ByTraining> {
    let chosen = Chosen::of(&dataset.split.samples(dataset, Part::Train));
    let read = |indices: &[u32]| Tensors::new(dataset, indices, preprocess);
    let (samples, held_out) = (read(&chosen.calibration)?, read(&chosen.held_out)?);
    let (quantized, tried) = match calibration {
        Some(calibration) => {
            let recipe = Recipe {
                calibration,
                ..Recipe::default()
            };
            (quantize(fused, recipe, &samples)?, vec![])
        }
        None if chosen.choosing == chosen.calibration => choose(fused, &samples, &held_out)?,
        None => {
            let (best, tried) = choose(fused, &read(&chosen.choosing)?, &held_out)?;
            (quantize(fused, best.recipe, &samples)?, tried)
        }
    };
    Ok(ByTraining {
        quantized,
        tried,
        calibration_samples: samples.len(),
        held_out,
    })
}

/// A tower quantized as the options say; what was done and how near it is, but for the
/// cosines on validation samples.
///
/// # Errors
/// As [`by_training`], and when int8 embeddings are farther from the float ones than the
/// options tolerate.
pub(super) fn quantized(
    fused: &FusedGraph,
    dataset: &Dataset,
    preprocess: &Preprocess,
    options: &Options,
) -> Result<(QuantizedGraph, Quantization)> {
    let made = by_training(fused, dataset, preprocess, options.calibration)?;
    let Quantized { graph, fused, .. } = made.quantized;
    let fidelity = fidelity::measure(&graph, &fused, &made.held_out)?;
    check(&graph, &fidelity, options.tolerance)?;
    let summary = Quantization {
        calibration_samples: made.calibration_samples,
        mean_cosine: 0.0,
        least_cosine: 0.0,
        recipe: made.quantized.recipe,
        held_out_samples: made.held_out.len(),
        held_out_cosine: Some(fidelity.mean_cosine),
        layers: fidelity.layers,
        worst: fidelity.worst,
        tried: made.tried,
    };
    Ok((graph, summary))
}

/// Refuses a tower that int8 changes too much, and says where it does.
fn check(graph: &QuantizedGraph, fidelity: &Fidelity, tolerance: f64) -> Result<()> {
    if fidelity.mean_cosine >= tolerance {
        return Ok(());
    }
    let loses = match fidelity.largest_drop(graph) {
        Some((layer, drop)) => format!(
            "layer {} loses most: {:.1} dB of signal to quantization noise, {drop:.1} dB less than its input",
            layer.name, layer.sqnr_db
        ),
        None => "no layer loses more than those before it".into(),
    };
    bail!(
        "expected int8 embeddings of a mean cosine of at least {tolerance} to the float ones, found {:.4}; {loses}: \
         fine-tune the run for int8 (host-trainer train --quantization-aware), choose another --calibration, or lower --tolerance",
        fidelity.mean_cosine
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sample_is_calibrated_with_and_judged_by_at_once() {
        for count in [0, 1, 4, 5, 280, 1000, 1001, 1999, 2001, 16_540] {
            let samples: Vec<u32> = (100..100 + count).collect();
            let chosen = Chosen::of(&samples);
            assert!(chosen.calibration.len() <= CALIBRATION_SAMPLES);
            assert!(chosen.held_out.len() <= HELD_OUT_SAMPLES, "{count}");
            let is_judge = |sample: &u32| chosen.held_out.contains(sample);
            assert!(!chosen.choosing.iter().any(is_judge), "{count}");
            assert_eq!(chosen.held_out.is_empty(), count < 5, "{count}");
        }
    }
}
