//! The one description of a network.
//!
//! A [`Tower`] is a graph of layers with an embedding at its end. The libtorch
//! module, the ONNX graph and the int8 plan are all made from it; nobody
//! describes a network twice. A [`TowerSpec`] is its short name with parameters,
//! as a user writes it and a checkpoint records it.

#[cfg(feature = "libtorch")]
mod comparison;
pub mod conv4;
pub mod depthwise_separable;
pub mod graph;
pub mod imported;
pub mod parameters;
pub mod recurrent;
pub mod residual;
#[cfg(feature = "libtorch")]
mod sequence;
#[cfg(feature = "libtorch")]
pub mod torch;

use serde::{Deserialize, Serialize};

pub use graph::{BATCH_NORM_EPSILON, Graph, Layer, Node, NodeId, Shape};
pub use parameters::{Parameters, Tensor};

/// A tower by name and parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "kebab-case")]
pub enum TowerSpec {
    /// Four blocks of conv3x3, batch norm, ReLU, max pool 2x2.
    Conv4(conv4::Conv4),
    /// A small residual network, ResNet-8 and its wider and deeper relatives.
    Residual(residual::Residual),
    /// Inverted bottlenecks of depthwise convolutions, after MobileFaceNet.
    DepthwiseSeparable(depthwise_separable::DepthwiseSeparable),
    /// Gated recurrent units over what a pen did.
    Recurrent(recurrent::Recurrent),
    /// Layers that `host-trainer import` found in a file.
    Imported(imported::Imported),
}

/// A network from an input to an embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Tower {
    /// What it was made from.
    pub spec: TowerSpec,
    /// The layers; the last node's output, one row and column, is the embedding.
    pub graph: Graph,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
}

impl TowerSpec {
    /// Builds the tower.
    ///
    /// # Errors
    /// When the parameters make no network, e.g. an input too small for the pools.
    pub fn build(&self) -> anyhow::Result<Tower> {
        let graph = match self {
            Self::Conv4(tower) => tower.graph(),
            Self::Residual(tower) => tower.graph(),
            Self::DepthwiseSeparable(tower) => tower.graph(),
            Self::Recurrent(tower) => tower.graph(),
            Self::Imported(tower) => tower.graph(),
        };
        Ok(Tower {
            spec: self.clone(),
            graph: graph?,
            normalized: self.normalized(),
        })
    }

    /// Height and width of the input, pixels; steps and 1, of a sequence.
    pub fn input(&self) -> [usize; 2] {
        match self {
            Self::Conv4(tower) => tower.input,
            Self::Residual(tower) => tower.input,
            Self::DepthwiseSeparable(tower) => tower.input,
            Self::Recurrent(tower) => [tower.steps, 1],
            Self::Imported(tower) => {
                let Shape { height, width, .. } = tower.input();
                [height, width]
            }
        }
    }

    /// Channels of the input.
    pub fn channels(&self) -> usize {
        match self {
            Self::Conv4(_) | Self::Residual(_) | Self::DepthwiseSeparable(_) => 1,
            Self::Recurrent(tower) => tower.features,
            Self::Imported(tower) => tower.input().channels,
        }
    }

    /// The same tower for another input, but for an imported one, whose layers are as they
    /// are.
    pub fn set_input(&mut self, input: [usize; 2]) {
        match self {
            Self::Conv4(tower) => tower.input = input,
            Self::Residual(tower) => tower.input = input,
            Self::DepthwiseSeparable(tower) => tower.input = input,
            Self::Recurrent(tower) => tower.steps = input[0],
            Self::Imported(_) => {}
        }
    }

    /// Components of the embedding.
    pub fn embedding(&self) -> usize {
        match self {
            Self::Conv4(tower) => tower.embedding,
            Self::Residual(tower) => tower.embedding,
            Self::DepthwiseSeparable(tower) => tower.embedding,
            Self::Recurrent(tower) => tower.embedding,
            Self::Imported(tower) => tower.embedding(),
        }
    }

    /// Whether embeddings are scaled to unit length.
    pub fn normalized(&self) -> bool {
        match self {
            Self::Conv4(tower) => tower.normalized,
            Self::Residual(tower) => tower.normalized,
            Self::DepthwiseSeparable(tower) => tower.normalized,
            Self::Recurrent(tower) => tower.normalized,
            Self::Imported(tower) => tower.normalized,
        }
    }
}

impl Tower {
    /// Number of components of the embedding.
    pub fn embedding_dim(&self) -> usize {
        self.graph.output_shape().channels
    }
}
