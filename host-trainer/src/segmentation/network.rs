//! The network that segments: a Siamese encoder over references and query, a comparison at
//! several sizes of maps, a decoder that makes the query's mask.
//!
//! ```text
//! picture -> stem -> down -> down -> down -> down        encoder, the same for references
//!              |       |       |       |       |
//!              |    unit    unit    unit       |
//!              |    vectors vectors vectors    |
//!              |       | compare with references' prototypes
//!              v       v       v       v       v
//!   mask <- sum <- up sum <- up sum <- up sum <- up       decoder
//! ```
//!
//! Prototypes and cosines are those of PANet (Wang et al., 2019), with cells after ALPNet
//! (Ouyang et al., 2020); skips are added, as in feature pyramids (Lin et al., "Feature pyramid
//! networks for object detection", 2017), which devices do in place.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::tower::{Graph, Layer, NodeId, Shape};

/// A network that segments, by its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationNetwork {
    /// Rows and columns of the grey input, pixels; a multiple of 2 for each width after the
    /// first.
    pub side: usize,
    /// Channels of the maps of each size, the largest first.
    pub widths: Vec<usize>,
    /// Channels of the vectors that are compared.
    pub features: usize,
    /// Which sizes of maps are compared, by their place in `widths`.
    pub compared: Vec<usize>,
    /// Cells along each side of a compared map, each with prototypes of its own; 0: none.
    pub cells: usize,
    /// Which of these are also told where the structure lies.
    pub located: Vec<usize>,
}

impl Default for SegmentationNetwork {
    fn default() -> Self {
        Self {
            side: 128,
            widths: vec![8, 16, 32, 48, 64],
            features: 16,
            compared: vec![1, 2, 3],
            cells: 4,
            located: vec![3],
        }
    }
}

impl SegmentationNetwork {
    /// The layers; the last map is positive where the structure is.
    ///
    /// # Errors
    /// When the sizes do not fit each other.
    pub fn graph(&self) -> Result<Graph> {
        let halvings = self.widths.len().saturating_sub(1);
        ensure!(
            halvings > 0 && self.side.is_multiple_of(1 << halvings),
            "expected several widths, and a side that is halved {halvings} times, found {} and {}",
            self.widths.len(),
            self.side
        );
        let in_order = self.compared.is_sorted_by(|a, b| a < b);
        let are_there = self
            .compared
            .iter()
            .all(|&size| (1..halvings).contains(&size));
        ensure!(
            in_order && are_there && !self.compared.is_empty(),
            "expected sizes from 1 to {} to compare, in order, found {:?}",
            halvings.saturating_sub(1),
            self.compared
        );
        let are_compared = self.located.iter().all(|size| self.compared.contains(size));
        ensure!(
            are_compared && self.located.is_sorted_by(|a, b| a < b),
            "expected some of the compared sizes {:?} to be located, in order, found {:?}",
            self.compared,
            self.located
        );
        let mut graph = Graph::new(Shape::grey([self.side; 2]));
        let maps = self.encoder(&mut graph)?;
        let vectors = self.vectors(&mut graph, &maps)?;
        let compared = self.comparisons(&mut graph, &vectors)?;
        self.decoder(&mut graph, &maps, &compared)?;
        Ok(graph)
    }

    /// Maps of each size.
    fn encoder(&self, graph: &mut Graph) -> Result<Vec<NodeId>> {
        let mut maps = vec![];
        let mut last = 0;
        for (size, &width) in self.widths.iter().enumerate() {
            let name = |part: &str| format!("encoder{size}.{part}");
            let stride = if size == 0 { 1 } else { 2 };
            last = rectified(graph, &name("conv1"), Layer::conv(width, 3, stride), last)?;
            if size > 0 {
                last = rectified(graph, &name("conv2"), Layer::conv(width, 3, 1), last)?;
            }
            maps.push(last);
        }
        Ok(maps)
    }

    /// Unit vectors of the maps that are compared.
    fn vectors(&self, graph: &mut Graph, maps: &[NodeId]) -> Result<Vec<NodeId>> {
        let vectors = self.compared.iter().map(|&size| {
            let layer = Layer::Conv2d {
                out_channels: self.features,
                groups: 1,
                kernel: [1, 1],
                stride: [1, 1],
                padding: [0, 0],
                bias: true,
            };
            let features = graph.push(&format!("features{size}"), layer, &[maps[size]])?;
            graph.push(&format!("vectors{size}"), Layer::UnitVectors, &[features])
        });
        vectors.collect()
    }

    /// Cosines at each size that is compared.
    fn comparisons(&self, graph: &mut Graph, vectors: &[NodeId]) -> Result<Vec<NodeId>> {
        let nodes = self.compared.iter().zip(vectors).map(|(size, &vectors)| {
            let layer = Layer::Compare {
                grid: self.cells,
                location: self.located.contains(size),
            };
            graph.push(&format!("compare{size}"), layer, &[vectors])
        });
        nodes.collect()
    }

    fn decoder(&self, graph: &mut Graph, maps: &[NodeId], compared: &[NodeId]) -> Result<()> {
        let smallest = maps.len() - 1;
        let mut last = maps[smallest];
        last = rectified(
            graph,
            "decoder.conv",
            Layer::conv(self.widths[smallest], 3, 1),
            last,
        )?;
        for size in (0..smallest).rev() {
            let name = |part: &str| format!("decoder{size}.{part}");
            let width = self.widths[size];
            let narrow = graph.push_normalized(&name("narrow"), Layer::conv(width, 1, 1), last)?;
            let mut sum = graph.push(&name("up"), Layer::Upsample, &[narrow])?;
            // The largest map is made anew of the picture, which is small, rather than kept.
            let (skip, from) = match size {
                0 => (Layer::conv(width, 3, 1), 0),
                _ => (Layer::conv(width, 1, 1), maps[size]),
            };
            let skip = graph.push_normalized(&name("skip"), skip, from)?;
            sum = graph.push(&name("with_skip"), Layer::Add, &[sum, skip])?;
            let place = self.compared.iter().position(|&at| at == size);
            if let Some(&cosines) = place.and_then(|place| compared.get(place)) {
                let cosines =
                    graph.push_normalized(&name("cosines"), Layer::conv(width, 3, 1), cosines)?;
                sum = graph.push(&name("with_cosines"), Layer::Add, &[sum, cosines])?;
            }
            sum = graph.push(&name("relu"), Layer::Relu, &[sum])?;
            last = rectified(graph, &name("conv"), Layer::conv(width, 3, 1), sum)?;
        }
        graph.push("mask", Layer::dense(1, 1, 1), &[last])?;
        Ok(())
    }
}

/// A convolution, its batch normalization and a rectifier.
fn rectified(graph: &mut Graph, name: &str, layer: Layer, input: NodeId) -> Result<NodeId> {
    let norm = graph.push_normalized(name, layer, input)?;
    graph.push(&format!("{name}.relu"), Layer::Relu, &[norm])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_as_large_as_the_picture() {
        let network = SegmentationNetwork::default();
        let graph = network.graph().expect("sizes that fit");
        assert_eq!(graph.output_shape(), Shape::grey([128, 128]));
        assert!(graph.first_comparison().is_some());
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let usual = SegmentationNetwork::default;
        let wrong = [
            SegmentationNetwork {
                side: 100,
                ..usual()
            },
            SegmentationNetwork {
                widths: vec![8],
                ..usual()
            },
            SegmentationNetwork {
                compared: vec![],
                ..usual()
            },
            SegmentationNetwork {
                compared: vec![0],
                ..usual()
            },
            SegmentationNetwork {
                compared: vec![4],
                ..usual()
            },
            SegmentationNetwork {
                compared: vec![2, 1],
                ..usual()
            },
            SegmentationNetwork {
                located: vec![4],
                ..usual()
            },
            SegmentationNetwork {
                cells: 5,
                ..usual()
            },
            SegmentationNetwork {
                features: 0,
                ..usual()
            },
        ];
        for network in wrong {
            assert!(network.graph().is_err(), "{network:?}");
        }
    }
}
