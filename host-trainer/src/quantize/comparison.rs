//! Comparisons with references, and where in a reference's record their parts are.

use super::fused::{FusedGraph, FusedLayer};
use super::int8::{QuantizedGraph, QuantizedLayer};
use crate::tower::{Graph, Layer, Shape};

/// A comparison of a map with references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The map that is compared.
    pub features: Shape,
    /// Cells along each side, each with prototypes of its own.
    pub grid: usize,
    /// Whether it is compared where the structure lies.
    pub location: bool,
    /// Where in a record its part begins.
    pub first: usize,
}

impl Comparison {
    /// Numbers of its part of a record.
    pub fn len(&self) -> usize {
        let pixels = self.features.height * self.features.width;
        let locations = if self.location { pixels } else { 0 };
        (2 + 2 * self.grid * self.grid) * self.features.channels + locations
    }

    /// Whether a reference says nothing there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Graph {
    /// Numbers of what a reference says, of a network that compares with references.
    pub fn reference_len(&self) -> usize {
        let nodes = self.nodes().iter();
        let comparisons = in_records(nodes.map(|node| match node.layer {
            Layer::Compare { grid, location } => Some((self.shape(node.inputs[0]), grid, location)),
            _ => None,
        }));
        comparisons.iter().map(|(_, part)| part.len()).sum()
    }
}

impl FusedGraph {
    /// The comparisons, each with its node.
    pub fn comparisons(&self) -> Vec<(usize, Comparison)> {
        in_records(self.nodes.iter().map(|node| match node.layer {
            FusedLayer::Compare { grid, location } => {
                Some((self.shape(node.inputs[0]), grid, location))
            }
            _ => None,
        }))
    }

    /// Numbers of what a reference says, of a network that compares with references.
    pub fn reference_len(&self) -> usize {
        self.comparisons().iter().map(|(_, part)| part.len()).sum()
    }
}

impl QuantizedGraph {
    /// Numbers of what a reference says, of a network that compares with references.
    pub fn reference_len(&self) -> usize {
        self.comparisons().iter().map(|(_, part)| part.len()).sum()
    }

    /// The comparisons, each with its node.
    pub fn comparisons(&self) -> Vec<(usize, Comparison)> {
        in_records(self.nodes.iter().map(|node| match node.layer {
            QuantizedLayer::Compare { grid, location } => {
                Some((self.shape(node.inputs[0]), grid, location))
            }
            _ => None,
        }))
    }
}

/// Parts of a record, one behind the other, of the nodes that compare.
fn in_records(
    nodes: impl Iterator<Item = Option<(Shape, usize, bool)>>,
) -> Vec<(usize, Comparison)> {
    let mut first = 0;
    let mut all = vec![];
    for (node, comparison) in nodes.enumerate() {
        let Some((features, grid, location)) = comparison else {
            continue;
        };
        let comparison = Comparison {
            features,
            grid,
            location,
            first,
        };
        first += comparison.len();
        all.push((node, comparison));
    }
    all
}
