//! A tower that was described elsewhere, layer by layer.

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::graph::{Graph, Layer, Node, Shape};

/// The most layers: as many as a plan has steps, and those that are fused into others.
const MOST_LAYERS: usize = 4096;

/// The longest side of a picture and the most channels that a device's plan can state.
const LARGEST: usize = 65535;

/// Layers read from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// Name of the file.
    pub source: String,
    /// SHA-256 of the file, hexadecimal.
    pub source_sha256: String,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
    /// The layers in topological order; the first is the input.
    pub layers: Vec<Node>,
}

impl Imported {
    /// The layers, checked.
    ///
    /// # Errors
    /// When they make no network.
    pub fn graph(&self) -> Result<Graph> {
        ensure!(
            self.layers.len() <= MOST_LAYERS,
            "expected at most {MOST_LAYERS} layers, found {}",
            self.layers.len()
        );
        let Some((first, rest)) = self.layers.split_first() else {
            bail!("expected layers, found none");
        };
        let Layer::Input(shape) = first.layer else {
            bail!(
                "layer {:?}: expected an input at the beginning, found another layer",
                first.name
            );
        };
        let sizes = [shape.channels, shape.height, shape.width];
        ensure!(
            sizes.iter().all(|size| (1..=LARGEST).contains(size)),
            "layer {:?}: expected sizes of 1 to {LARGEST}, found {sizes:?}",
            first.name
        );
        let mut graph = Graph::new(shape);
        for node in rest {
            let earlier = graph.nodes().len();
            ensure!(
                node.inputs.iter().all(|&input| input < earlier),
                "layer {:?}: expected inputs among the {earlier} layers before it, found {:?}",
                node.name,
                node.inputs
            );
            graph.push(&node.name, node.layer.clone(), &node.inputs)?;
        }
        Ok(graph)
    }

    /// Components of the embedding; 0 where the layers make no network.
    pub(super) fn embedding(&self) -> usize {
        self.graph()
            .map_or(0, |graph| graph.output_shape().channels)
    }

    /// Shape of the input; nothing where there are no layers.
    pub(super) fn input(&self) -> Shape {
        match self.layers.first().map(|node| &node.layer) {
            Some(&Layer::Input(shape)) => shape,
            _ => Shape {
                channels: 0,
                height: 0,
                width: 0,
            },
        }
    }
}
