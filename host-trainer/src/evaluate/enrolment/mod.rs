//! What enrolment refuses: of good pictures of classes that training never saw, where it
//! should be next to nothing, of the same pictures spoilt, and of samples that are not all of
//! one class.

mod spoil;
mod subjects;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Serialize;
use shared::artifact::Artifact;
use shared::preprocess::pen::PenPoint;
use shared::preprocess::{PenPreprocess, PicturePreprocess, Preprocess};
use shared::quality::{Bounds, Gate, Unfit};

use super::cohort::Measure;
use super::{Embedded, Report, interval, precision};
use crate::dataset::{Dataset, Kind, Part, Sample};
use crate::engine::Embedder;
use crate::quantize::quality;
use edge_runtime::picture::Picture;

use spoil::{PEN_WAYS, WAYS};
use subjects::Subjects;

/// Pictures that are spoilt, at most: each in every way.
const SPOILT: usize = 1000;

/// What this protocol has beside the common figures; `accuracy` is the share of good
/// pictures that are taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    /// What pictures measure that the tower learnt from.
    pub bounds: Option<Bounds>,
    /// Where the bounds come from.
    pub bounds_from: &'static str,
    /// Good pictures.
    pub pictures: usize,
    /// Classes that they are of.
    pub classes: usize,
    /// How many are refused, by what is found wrong with them.
    pub refused: BTreeMap<&'static str, usize>,
    /// Pictures that are no longer good.
    pub spoilt: Vec<Spoilt>,
    /// Samples in an enrolment.
    pub shots: usize,
    /// Of enrolments with samples of one class, the share in which one is refused.
    pub inconsistent: f64,
    /// The same at the usual operating point in place of the most lenient one.
    pub inconsistent_strictly: f64,
    /// Of enrolments whose last sample is of another class, the share that is refused.
    pub mixed: f64,
    /// The share in which it is that sample that is named.
    pub mixed_named: f64,
    /// Of classes that are enrolled again with further samples under another name, the share
    /// in which that is told.
    pub again_close: f64,
    /// The same of the class that follows, which in Omniglot is mostly of the same alphabet.
    pub stranger_close: f64,
    /// Classes of which enough further samples are accepted to see drift.
    pub watched: usize,
    /// Those that drift is seen of, though there is none.
    pub advised: usize,
}

/// Pictures spoilt in one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spoilt {
    /// In which way.
    pub how: &'static str,
    /// The share that is refused.
    pub refused: f64,
}

/// Tries the test part of `dataset` on the gate of `artifact`, whose bounds, where it has
/// none, are measured on the training part now. The interval is over classes.
///
/// # Errors
/// When samples cannot be read, the engine fails, or there are too few samples.
pub fn evaluate(
    embedder: &mut dyn Embedder,
    artifact: &Artifact<'_>,
    dataset: &Dataset,
    shots: usize,
) -> Result<Report> {
    let facts = embedder.facts().clone();
    let (bounds, bounds_from) = match artifact.quality() {
        Some(bounds) => (Some(bounds), "the model"),
        None => (
            quality::bounds(dataset, &facts.preprocess)?,
            "the training part, measured now",
        ),
    };
    let asked = Asked {
        preprocess: facts.preprocess,
        gate: Gate::Enrolment(bounds),
    };
    let genuine: Vec<u32> = dataset
        .split
        .samples(dataset, Part::Test)
        .into_iter()
        .filter(|&index| dataset.samples[index as usize].kind == Kind::Genuine)
        .collect();
    let flaws = asked.all(dataset, &genuine)?;
    let embedded = Embedded::new(embedder, dataset, Part::Test)?;
    let subjects = Subjects::new(&embedded, Measure::of(&facts), artifact, shots)?;
    let by_class = errors_by_class(dataset, &genuine, &flaws);
    let [lower, upper] = interval::of_classes(&by_class);
    let refused = flaws
        .iter()
        .flatten()
        .fold(BTreeMap::new(), |mut counts, flaw| {
            *counts.entry(*flaw).or_default() += 1;
            counts
        });
    let taken = flaws.iter().filter(|flaw| flaw.is_none()).count();
    let mut details = Details {
        bounds,
        bounds_from,
        pictures: genuine.len(),
        classes: by_class.len(),
        refused,
        spoilt: asked.spoilt(dataset, &genuine)?,
        shots,
        inconsistent: 0.0,
        inconsistent_strictly: 0.0,
        mixed: 0.0,
        mixed_named: 0.0,
        again_close: 0.0,
        stranger_close: 0.0,
        watched: 0,
        advised: 0,
    };
    subjects.judge(&mut details);
    Ok(Report {
        protocol: "enrolment",
        engine: embedder.engine(),
        precision: precision(&embedded.embeddings),
        model_id: facts.model_id.map(|id| id.to_string()),
        dataset: dataset.name.clone(),
        accuracy: taken as f64 / genuine.len().max(1) as f64,
        eer: None,
        far: None,
        frr: None,
        ci95: [1.0 - upper, 1.0 - lower],
        comparisons: genuine.len() as u64,
        details: super::Details::Enrolment(details),
    })
}

/// What enrolment asks of a sample, as a device does.
struct Asked {
    preprocess: Preprocess,
    gate: Gate,
}

impl Asked {
    /// What is wrong with a sample.
    fn flaw(&self, sample: &Sample, input: &mut [u8]) -> Result<Option<&'static str>> {
        match &self.preprocess {
            Preprocess::Picture(spec) => self.flaw_of_picture(&sample.picture()?, spec, input),
            Preprocess::Pen(spec) => Ok(self.flaw_of_events(&sample.points()?, spec, input)),
        }
    }

    fn flaw_of_picture(
        &self,
        picture: &Picture,
        spec: &PicturePreprocess,
        input: &mut [u8],
    ) -> Result<Option<&'static str>> {
        let prepared = self.gate.prepare(&picture.image()?, spec, input);
        Ok(prepared.err().map(name))
    }

    fn flaw_of_events(
        &self,
        points: &[PenPoint],
        spec: &PenPreprocess,
        input: &mut [u8],
    ) -> Option<&'static str> {
        let prepared = self.gate.prepare_pen(points.into(), spec, input);
        prepared.err().map(name)
    }

    /// What is wrong with each of the samples at `indices`.
    fn all(&self, dataset: &Dataset, indices: &[u32]) -> Result<Vec<Option<&'static str>>> {
        let flaw = |input: &mut Vec<u8>, index: &u32| {
            let sample = &dataset.samples[*index as usize];
            let flaw = self.flaw(sample, input);
            flaw.with_context(|| sample.name.clone())
        };
        let buffer = || vec![0; self.preprocess.output_len()];
        indices.par_iter().map_init(buffer, flaw).collect()
    }

    /// Spoils samples in every way.
    fn spoilt(&self, dataset: &Dataset, indices: &[u32]) -> Result<Vec<Spoilt>> {
        let step = indices.len().div_ceil(SPOILT).max(1);
        let chosen: Vec<u32> = indices.iter().copied().step_by(step).collect();
        let refused = |input: &mut Vec<u8>, index: &u32| -> Result<Vec<bool>> {
            let sample = &dataset.samples[*index as usize];
            match &self.preprocess {
                Preprocess::Picture(spec) => {
                    let picture = image::DynamicImage::from(sample.picture()?).into_luma8();
                    let refuse = |(_, spoil): &(&str, spoil::Spoil)| {
                        let spoilt = image::DynamicImage::from(spoil(&picture)).into();
                        Ok(self.flaw_of_picture(&spoilt, spec, input)?.is_some())
                    };
                    WAYS.iter().map(refuse).collect()
                }
                Preprocess::Pen(spec) => {
                    let points = sample.points()?;
                    let refuse = |(_, spoil): &(&str, spoil::SpoilPen)| {
                        self.flaw_of_events(&spoil(&points), spec, input).is_some()
                    };
                    Ok(PEN_WAYS.iter().map(refuse).collect())
                }
            }
        };
        let buffer = || vec![0; self.preprocess.output_len()];
        let refused: Result<Vec<Vec<bool>>> = chosen.par_iter().map_init(buffer, refused).collect();
        let refused = refused?;
        let ways: Vec<&'static str> = match self.preprocess {
            Preprocess::Picture(_) => WAYS.iter().map(|(how, _)| *how).collect(),
            Preprocess::Pen(_) => PEN_WAYS.iter().map(|(how, _)| *how).collect(),
        };
        let share = |way: usize| {
            let count = refused.iter().filter(|ways| ways[way]).count();
            count as f64 / refused.len().max(1) as f64
        };
        let spoilt = |(way, how)| Spoilt {
            how,
            refused: share(way),
        };
        Ok(ways.into_iter().enumerate().map(spoilt).collect())
    }
}

/// Why a sample did not pass, in a word or two.
fn name(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Picture(_) => "no picture",
        Unfit::Pen(_) => "no signature",
        Unfit::Flawed(flaw) => flaw.name(),
    }
}

/// Refusals and pictures of each class.
fn errors_by_class(
    dataset: &Dataset,
    indices: &[u32],
    flaws: &[Option<&'static str>],
) -> Vec<[usize; 2]> {
    let mut classes: BTreeMap<u32, [usize; 2]> = BTreeMap::new();
    for (index, flaw) in indices.iter().zip(flaws) {
        let counts = classes
            .entry(dataset.samples[*index as usize].class)
            .or_default();
        counts[0] += usize::from(flaw.is_some());
        counts[1] += 1;
    }
    classes.into_values().collect()
}
