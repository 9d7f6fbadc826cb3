//! A small residual network (He et al., "Deep residual learning for image recognition",
//! 2016, section 4.2, projections as shortcuts): with one block per stage and a width of
//! 16 it is the ResNet-8 of MLPerf Tiny (Banbury et al., 2021).

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::graph::{Graph, Layer, NodeId, Shape};

/// A stem of conv3x3, then three stages of basic blocks, `width`, twice and four times
/// as wide, the second and third half as high, then a fully connected layer.
///
/// The first stage works on maps of 16 to 47 rows: the stem halves an input whose
/// shorter side has at least 48 pixels, and a max pool halves it again from 96 on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Residual {
    /// Height and width of the grey input, pixels; 16 to 112 are sensible.
    pub input: [usize; 2],
    /// Channels of stem and first stage.
    pub width: usize,
    /// Basic blocks in each stage.
    pub blocks: usize,
    /// Whether the last maps are averaged, which forgets where things are, before the
    /// fully connected layer, which is larger otherwise.
    pub pooled: bool,
    /// Components of the embedding.
    pub embedding: usize,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
}

impl Residual {
    /// The layers.
    ///
    /// # Errors
    /// When there is no block.
    pub fn graph(&self) -> Result<Graph> {
        ensure!(
            self.blocks > 0,
            "expected at least 1 block per stage, found 0"
        );
        let mut graph = Graph::new(Shape::grey(self.input));
        let shorter = self.input[0].min(self.input[1]);
        let stem = Layer::conv(self.width, 3, if shorter < 48 { 1 } else { 2 });
        let mut last = graph.push_normalized("stem", stem, 0)?;
        last = graph.push("stem.relu", Layer::Relu, &[last])?;
        if shorter >= 96 {
            let pool = Layer::MaxPool {
                kernel: [2, 2],
                stride: [2, 2],
                padding: [0, 0],
            };
            last = graph.push("stem.pool", pool, &[last])?;
        }
        for (stage, stride) in [(1, 1), (2, 2), (3, 2)] {
            for number in 1..=self.blocks {
                let block = Block {
                    name: format!("stage{stage}.{number}"),
                    channels: self.width << (stage - 1),
                    stride: if number == 1 { stride } else { 1 },
                };
                last = block.push(&mut graph, last)?;
            }
        }
        if self.pooled {
            last = graph.push("pool", Layer::GlobalAveragePool, &[last])?;
        }
        let Shape { height, width, .. } = graph.shape(last);
        let embedding = Layer::dense(self.embedding, height, width);
        graph.push("embedding", embedding, &[last])?;
        Ok(graph)
    }
}

/// `relu(norm(conv3x3(relu(norm(conv3x3(x))))) + shortcut(x))`; the shortcut is `x`, or
/// `norm(conv1x1(x))` where the shape changes.
struct Block {
    name: String,
    channels: usize,
    stride: usize,
}

impl Block {
    fn push(&self, graph: &mut Graph, input: NodeId) -> Result<NodeId> {
        let name = |part: &str| format!("{}.{part}", self.name);
        let first = Layer::conv(self.channels, 3, self.stride);
        let first = graph.push_normalized(&name("conv1"), first, input)?;
        let first = graph.push(&name("relu1"), Layer::Relu, &[first])?;
        let second = Layer::conv(self.channels, 3, 1);
        let second = graph.push_normalized(&name("conv2"), second, first)?;
        let shortcut = if self.stride == 1 && graph.shape(input).channels == self.channels {
            input
        } else {
            let projection = Layer::conv(self.channels, 1, self.stride);
            graph.push_normalized(&name("shortcut"), projection, input)?
        };
        let sum = graph.push(&name("add"), Layer::Add, &[second, shortcut])?;
        graph.push(&name("relu2"), Layer::Relu, &[sum])
    }
}
