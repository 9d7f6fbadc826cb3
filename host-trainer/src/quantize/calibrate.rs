//! Which real numbers occur where: the ranges that int8 must cover.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use shared::preprocess::Quantization;

use super::float::FloatGraph;
use super::fused::FusedGraph;
use super::histogram::Histogram;
use super::unit_length::unit_length;
use crate::dataset::Tensors;

/// Share of a value's numbers that [`Method::Percentile`] cuts off at each end.
pub(crate) const CUT: f64 = 1e-4;

/// The smallest and the largest number that a value took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// At most 0.
    pub least: f32,
    /// At least 0.
    pub most: f32,
}

/// How the range of a value is taken from the numbers that occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// From the smallest to the largest.
    #[default]
    MinMax,
    /// Without the outermost ten-thousandth at each end; of the embedding, whose
    /// direction outliers decide, all.
    Percentile,
    /// With the least expected squared error; see [`Histogram::least_error`].
    Mse,
}

impl Method {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::MinMax => "min-max",
            Self::Percentile => "percentile",
            Self::Mse => "mse",
        }
    }
}

/// What a real-numbered tower's values are on samples.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The range of each channel of each value, the input first.
    pub channels: Vec<Vec<Range>>,
    /// The steps that embeddings of unit length are best stored in; of others those that
    /// any unit vector fits.
    pub unit_length: i32,
    /// The numbers of each node's output.
    histograms: Vec<Histogram>,
}

impl Range {
    /// A range of nothing but zero, which has an exact byte in every range.
    pub const ZERO: Self = Self {
        least: 0.0,
        most: 0.0,
    };

    /// That of numbers, widened to hold zero.
    pub fn of(numbers: &[f32]) -> Self {
        Self {
            least: numbers.iter().copied().fold(0.0, f32::min),
            most: numbers.iter().copied().fold(0.0, f32::max),
        }
    }

    /// The smallest range that holds both.
    pub fn and(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }

    /// The largest magnitude in it.
    pub fn magnitude(self) -> f32 {
        self.most.max(-self.least)
    }

    /// Bytes that cover it, zero exactly among them.
    pub fn quantization(self) -> Quantization {
        let scale = ((self.most - self.least) / 255.0).max(f32::MIN_POSITIVE);
        Quantization {
            scale,
            zero_point: (-self.least / scale).round_ties_even().clamp(0.0, 255.0) as u8,
        }
    }

    /// All that bytes can stand for.
    fn representable(bytes: Quantization) -> Self {
        let zero_point = f32::from(bytes.zero_point);
        Self {
            least: -zero_point * bytes.scale,
            most: (255.0 - zero_point) * bytes.scale,
        }
    }
}

impl Statistics {
    /// Runs the real-numbered tower on `samples` twice: first for the ranges, then for
    /// histograms in them.
    ///
    /// # Errors
    /// When there are no samples or the tower cannot be run.
    pub fn collect(fused: &FusedGraph, samples: &Tensors) -> Result<Self> {
        ensure!(
            !samples.is_empty(),
            "expected samples to calibrate with, found none: the training part of the data set is empty"
        );
        let float = FloatGraph::new(fused, &samples.preprocess)?;
        let area = |value| {
            let shape = fused.shape(value);
            shape.height * shape.width
        };
        let of_one = |_, mut outputs: Vec<Vec<f32>>| -> (Vec<Vec<Range>>, Vec<f32>) {
            let maps = |(node, output): (usize, &Vec<f32>)| {
                output.chunks_exact(area(node + 1)).map(Range::of).collect()
            };
            let ranges = outputs.iter().enumerate().map(maps).collect();
            (ranges, outputs.pop().unwrap_or_default())
        };
        let input = Range::representable(samples.preprocess.quantization());
        let mut channels = vec![vec![input; fused.input.channels]];
        channels.extend((1..fused.values()).map(|v| vec![Range::ZERO; fused.shape(v).channels]));
        let mut embeddings = vec![];
        for (found, embedding) in float.map(samples, of_one)? {
            if fused.normalized {
                embeddings.push(embedding);
            }
            let pairs = channels.iter_mut().skip(1).zip(&found);
            for (range, more) in pairs.flat_map(|(ranges, more)| ranges.iter_mut().zip(more)) {
                *range = range.and(*more);
            }
        }
        let histograms = histograms(&float, samples, &channels)?;
        Ok(Self {
            unit_length: unit_length(embeddings),
            channels,
            histograms,
        })
    }

    /// The range of every value, the input first, each holding zero.
    pub fn ranges(&self, method: Method) -> Vec<Range> {
        let whole = self.channels.iter().map(|channels| whole(channels));
        let embedding = self.histograms.len();
        let chosen = |(value, whole): (usize, Range)| match (value.checked_sub(1), method) {
            (None, _) | (_, Method::MinMax) => whole,
            (_, Method::Percentile) if value == embedding => whole,
            (Some(node), Method::Percentile) => self.histograms[node].percentile(CUT),
            (Some(node), Method::Mse) => self.histograms[node].least_error(),
        };
        whole.enumerate().map(chosen).collect()
    }
}

/// The range of all channels.
fn whole(channels: &[Range]) -> Range {
    channels.iter().copied().fold(Range::ZERO, Range::and)
}

/// The numbers of every node's output. Counts add up to the same in any order.
fn histograms(
    float: &FloatGraph,
    samples: &Tensors,
    channels: &[Vec<Range>],
) -> Result<Vec<Histogram>> {
    use rayon::prelude::*;
    let empty = || -> Vec<Histogram> {
        let of_nodes = channels.iter().skip(1);
        of_nodes
            .map(|channels| Histogram::new(whole(channels)))
            .collect()
    };
    let count = |mut counts: Vec<Histogram>, index: usize| -> Result<Vec<Histogram>> {
        for (histogram, output) in counts.iter_mut().zip(float.run(samples.sample(index))?) {
            histogram.add(&output);
        }
        Ok(counts)
    };
    let sum = |mut counts: Vec<Histogram>, more: Vec<Histogram>| {
        counts.iter_mut().zip(&more).for_each(|(a, b)| a.merge(b));
        Ok(counts)
    };
    (0..samples.len())
        .into_par_iter()
        .try_fold(empty, count)
        .try_reduce(empty, sum)
}
