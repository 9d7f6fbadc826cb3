//! Whether the layers compute what the file does, measured by running both.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context, Result};
use edge_runtime::engine::planes::planes;
use rayon::prelude::*;
use tract_onnx::prelude::*;

use super::file::{File, Input};
use super::{Channels, Reading};
use crate::dataset::Tensors;
use crate::quantize::float::FloatGraph;
use crate::quantize::fused::FusedGraph;

/// How near the embeddings of both are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Pictures that were embedded.
    pub samples: usize,
    /// Mean cosine between embeddings of the layers and of the file.
    pub mean_cosine: f64,
    /// The least.
    pub least_cosine: f64,
    /// Squared distances between the embeddings of both, by the variance of the file's: what
    /// all embeddings have in common makes no cosine any larger here.
    pub unexplained: f64,
}

/// Runs the file in tract with its own operators, and the layers as they will be exported.
///
/// # Errors
/// When tract cannot run one of them.
pub fn measure(
    onnx: &[u8],
    reading: &Reading,
    fused: &FusedGraph,
    samples: &Tensors,
) -> Result<Agreement> {
    let original = Original::load(onnx, reading)?;
    let float = FloatGraph::new(fused, &samples.preprocess)?;
    let pairs = (0..samples.len()).into_par_iter().map(|index| {
        let expected = original.run(&samples.preprocess, samples.sample(index))?;
        let mut found = float.run(samples.sample(index))?.pop().unwrap_or_default();
        if fused.normalized {
            normalize(&mut found);
        }
        Ok([expected, found])
    });
    let pairs: Vec<[Vec<f32>; 2]> = pairs.collect::<Result<_>>()?;
    let cosines: Vec<f64> = pairs.iter().map(|[a, b]| cosine(a, b)).collect();
    Ok(Agreement {
        unexplained: unexplained(&pairs),
        samples: cosines.len(),
        mean_cosine: cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
        least_cosine: cosines.iter().copied().fold(1.0, f64::min),
    })
}

/// The file in tract.
struct Original<'a> {
    plan: Arc<TypedRunnableModel>,
    input: Input,
    reading: &'a Reading,
}

impl<'a> Original<'a> {
    fn load(onnx: &[u8], reading: &'a Reading) -> Result<Self> {
        let file = File::read(onnx, reading)?;
        let pruned = file.pruned(onnx)?;
        let input = file.input;
        let shape = dims(&input);
        let load = || -> TractResult<_> {
            let mut model = tract_onnx::onnx().model_for_proto_model(&pruned)?;
            model.select_outputs_by_name([file.output.as_str()])?;
            let place = model
                .input_outlets()?
                .iter()
                .position(|outlet| model.nodes[outlet.node].name == input.name)
                .unwrap_or(0);
            let kind = match input.is_bytes {
                true => u8::datum_type(),
                false => f32::datum_type(),
            };
            model.set_input_fact(place, kind.fact(shape).into())?;
            model.into_optimized()?.into_runnable()
        };
        Ok(Self {
            plan: guarded(load)
                .context("expected a file that tract runs, to compare the layers with")?,
            input,
            reading,
        })
    }

    /// The embedding of one preprocessed sample.
    fn run(&self, preprocess: &shared::Preprocess, sample: &[u8]) -> Result<Vec<f32>> {
        let bytes = planes(preprocess, sample);
        let channels = self.input.shape.channels;
        let area = self.input.shape.height * self.input.shape.width;
        let (scale, shift) = self.reading.affine(channels)?;
        let at = |channel: usize, pixel: usize| {
            bytes[self.reading.channels.source(channel) * area + pixel]
        };
        let order = (0..area * channels).map(|index| match self.input.channels_last {
            true => (index % channels, index / channels),
            false => (index / area, index % area),
        });
        let values: Vec<(usize, u8)> = order.map(|(c, pixel)| (c, at(c, pixel))).collect();
        let shape = dims(&self.input);
        let run = || -> TractResult<Vec<f32>> {
            let input = match self.input.is_bytes {
                true => {
                    let bytes: Vec<u8> = values.iter().map(|&(_, byte)| byte).collect();
                    Tensor::from_shape(&shape, &bytes)?
                }
                false => {
                    let real = values
                        .iter()
                        .map(|&(c, byte)| (f64::from(byte) * scale[c] + shift[c]) as f32);
                    Tensor::from_shape(&shape, &real.collect::<Vec<f32>>())?
                }
            };
            let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
            let output = outputs.first().context("expected an output")?;
            Ok(output
                .cast_to::<f32>()?
                .try_as_plain_ram()?
                .as_slice::<f32>()?
                .to_vec())
        };
        guarded(run).context("expected a file that tract runs, to compare the layers with")
    }
}

/// What is strange enough makes tract panic instead of saying so.
fn guarded<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| anyhow::anyhow!("tract gave up on it"))
        .and_then(|done| done.map_err(|error| anyhow::anyhow!("{error:#}")))
}

fn dims(input: &Input) -> [usize; 4] {
    let shape = input.shape;
    match input.channels_last {
        true => [1, shape.height, shape.width, shape.channels],
        false => [1, shape.channels, shape.height, shape.width],
    }
}

/// To unit length.
fn normalize(values: &mut [f32]) {
    let square: f32 = values.iter().map(|value| value * value).sum();
    let length = square.sqrt().max(f32::MIN_POSITIVE);
    values.iter_mut().for_each(|value| *value /= length);
}

/// Squared distances between the first and the second of pairs, by those of the first from
/// their mean; 0 where both are next to nothing.
fn unexplained(pairs: &[[Vec<f32>; 2]]) -> f64 {
    let Some([first, _]) = pairs.first() else {
        return 0.0;
    };
    let mut mean = vec![0.0; first.len()];
    for [expected, _] in pairs {
        for (mean, &value) in mean.iter_mut().zip(expected) {
            *mean += f64::from(value) / pairs.len() as f64;
        }
    }
    let (mut apart, mut spread, mut size) = (0.0, 0.0, 0.0);
    for [expected, found] in pairs {
        for ((&expected, &found), mean) in expected.iter().zip(found).zip(&mean) {
            let expected = f64::from(expected);
            apart += (expected - f64::from(found)).powi(2);
            spread += (expected - mean).powi(2);
            size += expected.powi(2);
        }
    }
    // Real numbers of 24 bits differ by that much whoever computes them.
    let noise = size * 1e-9;
    match apart <= noise {
        true => 0.0,
        false => apart / spread.max(noise),
    }
}

/// 1 where both are nothing but zeros, 0 where one is or their lengths differ.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if a.len() != b.len() {
        return 0.0;
    }
    match lengths > 0.0 {
        true => dot(a, b) / lengths,
        false => f64::from(u8::from(dot(a, a) == dot(b, b))),
    }
}

impl Channels {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
        }
    }
}
