//! How near the quantized tower is to the real-numbered one: layer by layer, and in the
//! embedding.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use shared::preprocess::Quantization;
use shared::{Distance, Embedding};

use super::float::FloatGraph;
use super::fused::FusedGraph;
use super::int8::{QuantizedGraph, QuantizedLayer};
use super::interpret::Interpreter;
use crate::dataset::Tensors;

/// How many samples whose embedding differs most are named.
const WORST: usize = 5;

/// What quantization does to the values of a tower.
#[derive(Clone, Debug, PartialEq)]
pub struct Fidelity {
    /// One for each layer, in order.
    pub layers: Vec<LayerFidelity>,
    /// Mean cosine between int8 and float embeddings.
    pub mean_cosine: f64,
    /// The samples whose embeddings differ most, the worst first.
    pub worst: Vec<SampleFidelity>,
}

/// How near the bytes of a layer's output are to its real numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "(String, f64, f64)", from = "(String, f64, f64)")]
pub struct LayerFidelity {
    /// Its name in the tower.
    pub name: String,
    /// Signal to quantization noise, `10 log10(sum x^2 / sum (x - q)^2)`, decibels.
    pub sqnr_db: f64,
    /// `sum x q / sqrt(sum x^2 sum q^2)`, -1 to 1.
    pub cosine: f64,
}

/// How near the int8 embedding of a sample is to its float one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleFidelity {
    /// Its index in the data set.
    pub index: u32,
    /// Its class, an index into the data set's classes.
    pub class: u32,
    /// The cosine.
    pub cosine: f64,
}

impl From<LayerFidelity> for (String, f64, f64) {
    fn from(layer: LayerFidelity) -> Self {
        // What a person reads: hundredths of a decibel.
        let rounded = |value: f64, unit: f64| (value * unit).round() / unit;
        (
            layer.name,
            rounded(layer.sqnr_db, 100.0),
            rounded(layer.cosine, 1e6),
        )
    }
}

impl From<(String, f64, f64)> for LayerFidelity {
    fn from((name, sqnr_db, cosine): (String, f64, f64)) -> Self {
        Self {
            name,
            sqnr_db,
            cosine,
        }
    }
}

/// Sums of squares and products of real numbers `x` and what bytes stand for, `q`.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    signal: f64,
    quantized: f64,
    product: f64,
    noise: f64,
}

impl Sums {
    /// `absent` is the byte that stands for nothing, where one does.
    fn of(real: &[f32], bytes: &[u8], meaning: Quantization, absent: Option<u8>) -> Self {
        let mut sums = Self::default();
        let values = real.iter().zip(bytes);
        for (&x, &byte) in values.filter(|(_, byte)| Some(**byte) != absent) {
            let steps = f64::from(byte) - f64::from(meaning.zero_point);
            let (x, q) = (f64::from(x), steps * f64::from(meaning.scale));
            sums.signal += x * x;
            sums.quantized += q * q;
            sums.product += x * q;
            sums.noise += (x - q).powi(2);
        }
        sums
    }

    fn add(&mut self, other: Self) {
        self.signal += other.signal;
        self.quantized += other.quantized;
        self.product += other.product;
        self.noise += other.noise;
    }

    /// Decibels: 0 where there is neither signal nor noise, at most 200.
    fn sqnr_db(&self) -> f64 {
        match self.signal > 0.0 {
            true => (10.0 * (self.signal / self.noise.max(f64::MIN_POSITIVE)).log10()).min(200.0),
            false => 0.0,
        }
    }

    /// 1 where both are nothing but zeros.
    fn cosine(&self) -> f64 {
        let lengths = (self.signal * self.quantized).sqrt();
        match lengths > 0.0 {
            true => self.product / lengths,
            false => f64::from(u8::from(self.signal == self.quantized)),
        }
    }
}

/// Runs both towers on `samples`. `fused` is the one whose values `graph` stands for.
///
/// # Errors
/// When the real-numbered tower cannot be run.
pub fn measure(graph: &QuantizedGraph, fused: &FusedGraph, samples: &Tensors) -> Result<Fidelity> {
    let float = FloatGraph::new(fused, &samples.preprocess)?;
    let int8 = Interpreter::new(graph)?;
    let found = float.map(samples, |index, reals| -> Result<(Vec<Sums>, f64)> {
        let bytes = int8.run(samples.sample(index))?;
        let values = reals.iter().zip(&bytes[1..]);
        let sums = values.zip(&graph.quantizations[1..]).zip(&graph.nodes);
        let sums = sums.map(|(((real, bytes), meaning), node)| {
            // A state is never 0; rows that are no step are.
            let absent = matches!(node.layer, QuantizedLayer::Gru(_)).then_some(0);
            Sums::of(real, bytes, *meaning, absent)
        });
        let last = (reals.last(), bytes.last());
        let cosine = match last {
            (Some(real), Some(raw)) => embedding_cosine(graph, real, raw)?,
            _ => 1.0,
        };
        Ok((sums.collect(), cosine))
    })?;
    let mut layers = vec![Sums::default(); graph.nodes.len()];
    let mut cosines = vec![];
    for found in found {
        let (sums, cosine) = found?;
        layers
            .iter_mut()
            .zip(sums)
            .for_each(|(layer, sums)| layer.add(sums));
        cosines.push(cosine);
    }
    let layer = |(sums, name): (&Sums, &String)| LayerFidelity {
        name: name.clone(),
        sqnr_db: sums.sqnr_db(),
        cosine: sums.cosine(),
    };
    Ok(Fidelity {
        layers: layers
            .iter()
            .zip(graph.nodes.iter().map(|node| &node.name))
            .map(layer)
            .collect(),
        mean_cosine: mean(&cosines),
        worst: worst(samples, &cosines),
    })
}

/// The mean cosine between the finished int8 embeddings of samples and `floats`, the real
/// ones before any scaling to unit length.
///
/// # Errors
/// When embeddings of different dimensions are compared.
pub fn mean_cosine(graph: &QuantizedGraph, floats: &[Vec<f32>], samples: &Tensors) -> Result<f64> {
    use rayon::prelude::*;
    let int8 = Interpreter::new(graph)?;
    let cosines = floats.par_iter().enumerate().map(|(index, real)| {
        embedding_cosine(graph, real, &int8.embedding(samples.sample(index))?)
    });
    Ok(mean(&cosines.collect::<Result<Vec<_>>>()?))
}

/// The cosine between an embedding as a device finishes it and the real one.
fn embedding_cosine(graph: &QuantizedGraph, real: &[f32], raw: &[u8]) -> Result<f64> {
    let format = graph.embedding();
    let mut stored = vec![0; raw.len()];
    format.finish(raw, &mut stored);
    let stored = Embedding::Int8 {
        values: &stored,
        scale: format.scale,
    };
    let distance = Distance::Cosine.between(Embedding::Float(real), stored)?;
    Ok(1.0 - f64::from(distance))
}

/// 1 of no samples: nothing differs.
fn mean(cosines: &[f64]) -> f64 {
    match cosines.len() {
        0 => 1.0,
        count => cosines.iter().sum::<f64>() / count as f64,
    }
}

fn worst(samples: &Tensors, cosines: &[f64]) -> Vec<SampleFidelity> {
    let sample = |(place, &cosine): (usize, &f64)| SampleFidelity {
        index: samples.indices[place],
        class: samples.classes[place],
        cosine,
    };
    let mut all: Vec<SampleFidelity> = cosines.iter().enumerate().map(sample).collect();
    all.sort_by(|a, b| a.cosine.total_cmp(&b.cosine));
    all.truncate(WORST);
    all
}

impl Fidelity {
    /// The layer whose signal to noise falls most below that of the worst layer it reads,
    /// by how many decibels, where one falls at all.
    pub fn largest_drop(&self, graph: &QuantizedGraph) -> Option<(&LayerFidelity, f64)> {
        let drop = |(node, layer): (usize, &LayerFidelity)| {
            let inputs = graph.nodes[node].inputs.iter().filter(|&&value| value > 0);
            let before = inputs.map(|&value| self.layers[value - 1].sqnr_db);
            before.reduce(f64::min).map(|before| before - layer.sqnr_db)
        };
        let layers = self.layers.iter().enumerate();
        let drops = layers.filter_map(|entry| Some((entry.1, drop(entry)?)));
        drops
            .filter(|(_, drop)| *drop > 0.0)
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }
}
