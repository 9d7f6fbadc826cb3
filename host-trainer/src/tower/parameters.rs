//! The numbers of a tower: named tensors in fixed order.

use std::collections::BTreeMap;

use super::graph::{Graph, Layer};

/// A dense row-major tensor of single-precision numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Size of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

/// Tensors by name. A node's parameters are named after it: `conv1.weight`
/// `[out, in / groups, kernel height, kernel width]`, `embedding.bias` `[out]`,
/// `norm1.weight`, `norm1.bias`, `norm1.running_mean`, `norm1.running_var`, and of a
/// PReLU the slopes `prelu1.weight`, `[channels]` each, as PyTorch names them; of a recurrent
/// layer `gru1.weight_ih` `[3 units, in]`, `gru1.weight_hh` `[3 units, units]`, `gru1.bias_ih`,
/// `gru1.bias_hh` `[3 units]`, gates in the order reset, update, new, and the same with
/// `_reverse` of a second direction.
pub type Parameters = BTreeMap<String, Tensor>;

/// What there must be of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Specification {
    /// `<node>.<parameter>`.
    pub name: String,
    /// Size of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// What it is before training.
    pub initial: Initial,
}

/// The value of a parameter before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Normal, of variance `2 / fan_in` (He et al., "Delving deep into rectifiers", 2015),
    /// `fan_in` the weights of one filter: a depthwise one has few, and large ones.
    He {
        /// Weights of one filter.
        fan_in: usize,
    },
    /// The same everywhere: biases 0, scales 1, slopes of a PReLU 0.25 (He et al., 2015).
    Constant(f64),
    /// The same everywhere, and never trained: running statistics.
    Statistic(f64),
}

impl Specification {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether training changes it by gradients.
    pub fn is_trainable(&self) -> bool {
        !matches!(self.initial, Initial::Statistic(_))
    }
}

/// Every parameter of a graph, in the order of its nodes.
pub fn specifications(graph: &Graph) -> Vec<Specification> {
    let mut all = Vec::new();
    for (id, node) in graph.nodes().iter().enumerate() {
        let channels = graph.shape(id).channels;
        let mut add = |parameter: &str, shape: &[usize], initial| {
            all.push(Specification {
                name: format!("{}.{parameter}", node.name),
                shape: shape.to_vec(),
                initial,
            });
        };
        match node.layer {
            Layer::Conv2d {
                groups,
                kernel: [height, width],
                bias,
                ..
            } => {
                let inputs = graph.shape(node.inputs[0]).channels / groups;
                let fan_in = inputs * height * width;
                let shape = [channels, inputs, height, width];
                add("weight", &shape, Initial::He { fan_in });
                if bias {
                    add("bias", &[channels], Initial::Constant(0.0));
                }
            }
            Layer::BatchNorm => {
                add("weight", &[channels], Initial::Constant(1.0));
                add("bias", &[channels], Initial::Constant(0.0));
                add("running_mean", &[channels], Initial::Statistic(0.0));
                add("running_var", &[channels], Initial::Statistic(1.0));
            }
            Layer::Prelu => add("weight", &[channels], Initial::Constant(0.25)),
            Layer::Gru { units, .. } => {
                let inputs = graph.shape(node.inputs[0]).channels;
                // Of variance 1 / (3 units), that of PyTorch's even ones.
                let initial = Initial::He { fan_in: 6 * units };
                let directions = &["", "_reverse"][..channels / units];
                for direction in directions {
                    let mut add = |parameter: &str, shape: &[usize]| {
                        add(&format!("{parameter}{direction}"), shape, initial);
                    };
                    add("weight_ih", &[3 * units, inputs]);
                    add("weight_hh", &[3 * units, units]);
                    add("bias_ih", &[3 * units]);
                    add("bias_hh", &[3 * units]);
                }
            }
            Layer::Input(_)
            | Layer::Relu
            | Layer::Relu6
            | Layer::Add
            | Layer::MaxPool { .. }
            | Layer::GlobalAveragePool
            | Layer::SequenceMean
            | Layer::UnitVectors
            | Layer::Upsample
            | Layer::Compare { .. } => {}
        }
    }
    all
}
