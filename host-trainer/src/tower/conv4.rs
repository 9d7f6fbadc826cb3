//! Conv4: the small tower of the few-shot literature (Vinyals et al., "Matching
//! networks for one shot learning", 2016; Snell et al., 2017).

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::graph::{Graph, Layer, Shape};

/// Four blocks of conv3x3 (padding 1), batch norm, ReLU, max pool 2x2.
///
/// When the last map is larger than 1x1 or `embedding` differs from `width`, a
/// fully connected layer without activation follows, so that the embedding has
/// `embedding` components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv4 {
    /// Height and width of the grey input, pixels; at least 16 each.
    pub input: [usize; 2],
    /// Channels of every block.
    pub width: usize,
    /// Components of the embedding.
    pub embedding: usize,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
}

impl Conv4 {
    /// The layers.
    ///
    /// # Errors
    /// When the input is smaller than 16 pixels.
    pub fn graph(&self) -> Result<Graph> {
        let mut graph = Graph::new(Shape::grey(self.input));
        let mut last = 0;
        for block in 1..=4 {
            let pool = Layer::MaxPool {
                kernel: [2, 2],
                stride: [2, 2],
                padding: [0, 0],
            };
            last = graph.push(
                &format!("conv{block}"),
                Layer::conv(self.width, 3, 1),
                &[last],
            )?;
            last = graph.push(&format!("norm{block}"), Layer::BatchNorm, &[last])?;
            last = graph.push(&format!("relu{block}"), Layer::Relu, &[last])?;
            last = graph.push(&format!("pool{block}"), pool, &[last])?;
        }
        let Shape { height, width, .. } = graph.shape(last);
        if (height, width) != (1, 1) || self.embedding != self.width {
            let embedding = Layer::dense(self.embedding, height, width);
            graph.push("embedding", embedding, &[last])?;
        }
        Ok(graph)
    }
}
