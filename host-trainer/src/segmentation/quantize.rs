//! From real numbers to int8: ranges of every value over episodes, and the way to take them
//! that keeps masks best.

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared::Preprocess;

use super::artifact::draft;
use super::dice::dice;
use super::engine::{Int8Network, Segmenter, TractNetwork};
use super::episodes::{Batch, Episodes};
use super::onnx::Files;
use super::samples::Samples;
use crate::export::plan::plan;
use crate::quantize::calibrate::{CUT, Method, Range};
use crate::quantize::fused::FusedGraph;
use crate::quantize::histogram::Histogram;
use crate::quantize::int8::QuantizedGraph;

/// References of each episode that ranges are taken from.
const REFERENCES: usize = 5;

/// Episodes that ranges are taken from, and those that ways are compared on.
const EPISODES: (usize, usize) = (96, 48);

/// Seed of the episodes.
const SEED: u64 = 0xca11;

/// What was done, and how near int8 masks are to float ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantization {
    /// How ranges were taken.
    pub calibration: Method,
    /// Episodes they were taken from.
    pub calibration_episodes: usize,
    /// Mean Dice coefficient of int8 masks with float ones, over other episodes.
    pub agreement: f64,
    /// All ways with theirs.
    pub tried: Vec<Tried>,
}

/// A way to take ranges, and what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// How ranges were taken.
    pub calibration: Method,
    /// Mean Dice coefficient of int8 masks with float ones.
    pub agreement: f64,
}

/// Quantizes a network, calibrated on episodes of the tasks that it learnt from.
///
/// # Errors
/// When there is no task, or no scales are found.
pub fn quantize(
    fused: &FusedGraph,
    preprocess: &Preprocess,
    tasks: &[Samples],
    say: &mut dyn FnMut(&str),
) -> Result<(QuantizedGraph, Quantization)> {
    let side = fused.input.height;
    let episodes = Episodes {
        real: tasks,
        synthetic: &[],
        share: 1.0,
        side,
    };
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let (calibrating, comparing) = EPISODES;
    let mut draw = |count| episodes.unchanged(count, REFERENCES, &mut random);
    let (calibrating, comparing) = (draw(calibrating)?, draw(comparing)?);
    say("calibrating on episodes of the tasks that were learnt from");
    let ways = ranges(fused, preprocess, &calibrating)?;
    let wanted = masks(fused, preprocess, &comparing)?;
    let mut best: Option<(f64, QuantizedGraph)> = None;
    let mut tried = vec![];
    for (calibration, ranges) in ways {
        let graph = QuantizedGraph::new(fused, &ranges, preprocess.quantization())?;
        let artifact = draft(plan(&graph)?, *preprocess, graph.output())?;
        let mut network = Int8Network::new(&artifact)?;
        let mut sum = 0.0;
        for (episode, wanted) in wanted.iter().enumerate() {
            let references = comparing.references(episode);
            let found = network.segment(comparing.query(episode), &references)?;
            sum += dice(&found, wanted);
        }
        let agreement = sum / wanted.len().max(1) as f64;
        tried.push(Tried {
            calibration,
            agreement,
        });
        if best.as_ref().is_none_or(|(most, _)| agreement > *most) {
            best = Some((agreement, graph));
        }
    }
    let (agreement, graph) = best.context("expected a way to take ranges, found none")?;
    let chosen = tried.iter().find(|tried| tried.agreement == agreement);
    let summary = Quantization {
        calibration: chosen.map_or(Method::MinMax, |tried| tried.calibration),
        calibration_episodes: calibrating.episodes,
        agreement,
        tried,
    };
    Ok((graph, summary))
}

/// The ranges of every value, the input first, as each way takes them.
fn ranges(
    fused: &FusedGraph,
    preprocess: &Preprocess,
    episodes: &Batch,
) -> Result<Vec<(Method, Vec<Range>)>> {
    let network = TractNetwork::with_values(fused, preprocess, REFERENCES)?;
    let values = |episode: usize| -> Result<Vec<Vec<f32>>> {
        let records = records(&network, episodes, episode)?;
        network.query(episodes.query(episode), &records)
    };
    let whole = |episode: usize| -> Result<Vec<Range>> {
        Ok(values(episode)?
            .iter()
            .map(|value| Range::of(value))
            .collect())
    };
    let count = 0..episodes.episodes;
    let all: Vec<Vec<Range>> = count
        .clone()
        .into_par_iter()
        .map(whole)
        .collect::<Result<_>>()?;
    let mut extremes = vec![Range::ZERO; fused.nodes.len()];
    for ranges in &all {
        for (extreme, range) in extremes.iter_mut().zip(ranges) {
            *extreme = extreme.and(*range);
        }
    }
    let mut histograms: Vec<Histogram> = extremes.iter().copied().map(Histogram::new).collect();
    for episode in count {
        for (histogram, value) in histograms.iter_mut().zip(values(episode)?) {
            histogram.add(&value);
        }
    }
    let quantization = preprocess.quantization();
    let end = |byte: f32| (byte - f32::from(quantization.zero_point)) * quantization.scale;
    let input = Range {
        least: end(0.0),
        most: end(255.0),
    };
    let with_input = |ranges: Vec<Range>| [input].into_iter().chain(ranges).collect();
    let of = |take: &dyn Fn(&Histogram) -> Range| with_input(histograms.iter().map(take).collect());
    Ok(vec![
        (Method::MinMax, with_input(extremes.clone())),
        (
            Method::Percentile,
            of(&|histogram| histogram.percentile(CUT)),
        ),
        (Method::Mse, of(&Histogram::least_error)),
    ])
}

/// The float network's masks of all queries.
fn masks(fused: &FusedGraph, preprocess: &Preprocess, episodes: &Batch) -> Result<Vec<Vec<u8>>> {
    let network = TractNetwork::new(&Files::float(fused, preprocess, &[]), REFERENCES)?;
    let mask = |episode: usize| -> Result<Vec<u8>> {
        let records = records(&network, episodes, episode)?;
        let outputs = network.query(episodes.query(episode), &records)?;
        Ok(outputs[0]
            .iter()
            .map(|&logit| (logit > 0.0).into())
            .collect())
    };
    (0..episodes.episodes).into_par_iter().map(mask).collect()
}

fn records(network: &TractNetwork, episodes: &Batch, episode: usize) -> Result<Vec<f32>> {
    let references = episodes.references(episode);
    let records = references
        .iter()
        .map(|(picture, mask)| network.record(picture, mask));
    Ok(records.collect::<Result<Vec<_>>>()?.concat())
}
