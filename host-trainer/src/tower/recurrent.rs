//! A recurrent tower over sequences of any length.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::graph::{Graph, Layer, Shape};

/// Gated recurrent units (Cho et al., "Learning phrase representations using RNN
/// encoder-decoder", 2014), the mean over all steps, and a fully connected layer without
/// activation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recurrent {
    /// The most steps of a sequence.
    pub steps: usize,
    /// Features of a step.
    pub features: usize,
    /// Units of each layer, in each direction.
    pub width: usize,
    /// Recurrent layers, each over what the one before it gave.
    pub layers: usize,
    /// Whether each layer runs from the last step to the first, too.
    pub bidirectional: bool,
    /// Components of the embedding.
    pub embedding: usize,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
}

impl Recurrent {
    /// The layers.
    ///
    /// # Errors
    /// When there is no unit.
    pub fn graph(&self) -> Result<Graph> {
        let mut graph = Graph::new(Shape {
            channels: self.features,
            height: self.steps,
            width: 1,
        });
        let mut last = 0;
        for layer in 1..=self.layers {
            let gru = Layer::Gru {
                units: self.width,
                bidirectional: self.bidirectional,
            };
            last = graph.push(&format!("gru{layer}"), gru, &[last])?;
        }
        last = graph.push("mean", Layer::SequenceMean, &[last])?;
        graph.push("embedding", Layer::dense(self.embedding, 1, 1), &[last])?;
        Ok(graph)
    }
}
