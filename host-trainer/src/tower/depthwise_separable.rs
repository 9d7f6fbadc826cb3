//! Inverted bottlenecks of depthwise convolutions, after MobileFaceNet (Chen et al.,
//! "MobileFaceNets: efficient CNNs for accurate real-time face verification on mobile
//! devices", 2018, table 1); bottlenecks from Sandler et al., "MobileNetV2", 2018.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::graph::{Graph, Layer, NodeId, Shape};

/// MobileFaceNet with a width multiplier. Every convolution is followed by batch
/// normalization, and by the activation where the paper has one.
///
/// The paper's input has 112 pixels, which four layers halve down to 7. A smaller input
/// is halved as often as leaves at least 7 rows and columns, by the last of those layers;
/// the others keep its size. The global depthwise convolution covers what is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthwiseSeparable {
    /// Height and width of the grey input, pixels; 16 to 112 are sensible.
    pub input: [usize; 2],
    /// Times the channels of the paper, rounded to a multiple of 8, at least 8.
    pub width: f64,
    /// What follows the convolutions that are not linear.
    pub activation: Activation,
    /// Components of the embedding.
    pub embedding: usize,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
}

/// An activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `max(0, x)`; costs nothing in int8.
    Relu,
    /// A slope per channel below zero, as in the paper; one more pass over each map.
    Prelu,
}

/// A row of the paper's table: bottlenecks of one width, the first with the stride.
struct Stage {
    expansion: usize,
    channels: usize,
    repeats: usize,
    halves: bool,
}

const STAGES: [Stage; 5] = [
    Stage::new(2, 64, 5, true),
    Stage::new(4, 128, 1, true),
    Stage::new(2, 128, 6, false),
    Stage::new(4, 128, 1, true),
    Stage::new(2, 128, 2, false),
];

/// The paper's channels of stem and head, and how many layers halve the map.
const STEM: usize = 64;
const HEAD: usize = 512;
const HALVINGS: usize = 4;

/// Rows and columns that the last map keeps.
const LEAST_MAP: usize = 7;

impl Stage {
    const fn new(expansion: usize, channels: usize, repeats: usize, halves: bool) -> Self {
        Self {
            expansion,
            channels,
            repeats,
            halves,
        }
    }
}

impl DepthwiseSeparable {
    /// The layers.
    ///
    /// # Errors
    /// When the width is not a positive number.
    pub fn graph(&self) -> Result<Graph> {
        ensure!(
            self.width > 0.0 && self.width <= 16.0,
            "expected a width multiplier above 0, at most 16, found {}",
            self.width
        );
        let mut layers = Layers {
            graph: Graph::new(Shape::grey(self.input)),
            activation: self.activation,
        };
        let mut strides = self.strides().into_iter();
        let mut stride = || strides.next().unwrap_or(1);
        let stem = self.channels(STEM);
        let mut last = layers.active("stem", Layer::conv(stem, 3, stride()), 0)?;
        last = layers.active("stem.depthwise", Layer::depthwise(stem, 3, 1), last)?;
        for (index, stage) in STAGES.iter().enumerate() {
            for number in 1..=stage.repeats {
                let name = format!("stage{}.{number}", index + 1);
                let halves = stage.halves && number == 1;
                let stride = if halves { stride() } else { 1 };
                let channels = self.channels(stage.channels);
                last = layers.bottleneck(&name, channels, stage.expansion, stride, last)?;
            }
        }
        let head = self.channels(HEAD);
        last = layers.active("head", Layer::conv(head, 1, 1), last)?;
        let Shape { height, width, .. } = layers.graph.shape(last);
        let global = Layer::Conv2d {
            out_channels: head,
            groups: head,
            kernel: [height, width],
            stride: [1, 1],
            padding: [0, 0],
            bias: false,
        };
        last = layers.graph.push_normalized("global", global, last)?;
        let embedding = Layer::dense(self.embedding, 1, 1);
        layers.graph.push("embedding", embedding, &[last])?;
        Ok(layers.graph)
    }

    fn channels(&self, of_paper: usize) -> usize {
        let eights = (of_paper as f64 * self.width / 8.0).round() as usize;
        8 * eights.max(1)
    }

    /// Strides of the layers that may halve the map, in order.
    fn strides(&self) -> [usize; HALVINGS] {
        let shorter = self.input[0].min(self.input[1]);
        let halved = std::iter::successors(Some(shorter), |side| Some(side.div_ceil(2)));
        let fitting = halved.skip(1).take_while(|&side| side >= LEAST_MAP);
        let halvings = fitting.take(HALVINGS).count();
        std::array::from_fn(|layer| if layer + halvings < HALVINGS { 1 } else { 2 })
    }
}

struct Layers {
    graph: Graph,
    activation: Activation,
}

impl Layers {
    /// Convolution, batch normalization, activation.
    fn active(&mut self, name: &str, layer: Layer, input: NodeId) -> Result<NodeId> {
        let normalized = self.graph.push_normalized(name, layer, input)?;
        let (part, activation) = match self.activation {
            Activation::Relu => ("relu", Layer::Relu),
            Activation::Prelu => ("prelu", Layer::Prelu),
        };
        self.graph
            .push(&format!("{name}.{part}"), activation, &[normalized])
    }

    /// conv1x1 to `expansion` times the input's channels, depthwise conv3x3, linear
    /// conv1x1; the input is added where the shape stays.
    fn bottleneck(
        &mut self,
        name: &str,
        channels: usize,
        expansion: usize,
        stride: usize,
        input: NodeId,
    ) -> Result<NodeId> {
        let from = self.graph.shape(input).channels;
        let part = |part: &str| format!("{name}.{part}");
        let wide = Layer::conv(from * expansion, 1, 1);
        let wide = self.active(&part("expand"), wide, input)?;
        let depthwise = Layer::depthwise(from * expansion, 3, stride);
        let depthwise = self.active(&part("depthwise"), depthwise, wide)?;
        let narrow = Layer::conv(channels, 1, 1);
        let narrow = self
            .graph
            .push_normalized(&part("project"), narrow, depthwise)?;
        if stride == 1 && from == channels {
            self.graph.push(&part("add"), Layer::Add, &[narrow, input])
        } else {
            Ok(narrow)
        }
    }
}
