//! What training minimises. One loss per file; distance and miner are injected.
//!
//! ```text
//! embeddings, labels -> distances -> miner -> pairs or triplets -> loss
//! embeddings, labels -> class vectors or prototypes -> loss
//! ```

pub mod contrastive;
pub mod cosine_softmax;
pub mod multi_similarity;
pub mod nt_xent;
pub mod prototypical;
pub mod triplet;
pub mod weighted_l1;

use shared::Distance;
use tch::{Kind, Tensor};

use crate::config::{LossConfig, Miner};
use crate::distance::all_pairs;
use crate::miner::mine;
use cosine_softmax::{CosineSoftmax, Margin as AngularMargin};
use triplet::Margin;
use weighted_l1::WeightedL1;

/// Who is in a batch: `[n]` tensors on the embeddings' device.
#[derive(Debug)]
pub struct Labels {
    /// Class of each sample (int64).
    pub class: Tensor,
    /// Whether each sample is of its class (bool); a forgery is not.
    pub genuine: Tensor,
}

impl Labels {
    /// `[n, n]` bool: two different genuine samples of one class.
    pub fn positives(&self) -> Tensor {
        let itself = Tensor::eye(self.class.size()[0], (Kind::Bool, self.class.device()));
        self.same_class()
            .logical_and(&self.both_genuine())
            .logical_and(&itself.logical_not())
    }

    /// `[n, n]` bool: row genuine, column of another class or a forgery.
    pub fn negatives(&self) -> Tensor {
        let forged = self.genuine.logical_not().unsqueeze(0);
        let apart = self.same_class().logical_not().logical_or(&forged);
        self.genuine.unsqueeze(1).logical_and(&apart)
    }

    fn same_class(&self) -> Tensor {
        self.class.unsqueeze(1).eq_tensor(&self.class.unsqueeze(0))
    }

    fn both_genuine(&self) -> Tensor {
        self.genuine
            .unsqueeze(1)
            .logical_and(&self.genuine.unsqueeze(0))
    }
}

/// What a loss is computed from.
#[derive(Debug)]
pub enum Batch {
    /// Samples, `[n]` labels.
    Samples(Labels),
    /// Pairs: the embeddings' first half is compared with the second, row by row;
    /// `[n / 2]` bool, whether both are of one class.
    Pairs(Tensor),
    /// Episodes: class after class, `shots` samples and then queries of each.
    Episode {
        /// Classes.
        ways: i64,
        /// Samples of each that make its prototype.
        shots: i64,
    },
}

/// A loss with what it learns itself, if anything.
#[derive(Debug)]
pub struct Loss {
    config: LossConfig,
    distance: Distance,
    miner: Miner,
    /// Learnt beside the tower.
    learnt: Learnt,
}

#[derive(Debug)]
enum Learnt {
    Nothing,
    Classes(CosineSoftmax),
    Components(WeightedL1),
}

impl Loss {
    /// The loss of a checked configuration, for embeddings of `dim` components and
    /// `classes` training classes.
    pub fn new(
        config: LossConfig,
        distance: Distance,
        miner: Miner,
        [classes, dim]: [i64; 2],
        device: tch::Device,
    ) -> Self {
        let classifier = |scale, margin| {
            Learnt::Classes(CosineSoftmax::new(classes, dim, scale, margin, device))
        };
        let learnt = match config {
            LossConfig::NormFace { scale } => classifier(scale, AngularMargin::None),
            LossConfig::CosFace { scale, margin } => {
                classifier(scale, AngularMargin::Cosine(margin))
            }
            LossConfig::ArcFace { scale, margin } => {
                classifier(scale, AngularMargin::Angle(margin))
            }
            LossConfig::WeightedL1 => Learnt::Components(WeightedL1::new(dim, device)),
            _ => Learnt::Nothing,
        };
        Self {
            config,
            distance,
            miner,
            learnt,
        }
    }

    /// The loss of embeddings `[n, d]`; a scalar. 0 when the miner found nothing to learn
    /// from in the batch.
    pub fn of(&self, embeddings: &Tensor, batch: &Batch) -> Tensor {
        match (batch, &self.learnt, self.config) {
            (Batch::Pairs(same), ..) => self.of_pairs(embeddings, same),
            (&Batch::Episode { ways, shots }, _, LossConfig::Prototypical { scale }) => {
                prototypical::prototypical(embeddings, ways, shots, self.distance, scale)
            }
            (Batch::Samples(labels), Learnt::Classes(classifier), _) => {
                classifier.of(embeddings, labels)
            }
            (Batch::Samples(labels), ..) => self.of_mined(embeddings, labels),
            _ => unreachable!("a checked configuration draws no episodes for other losses"),
        }
    }

    /// Of rows that the sampler paired.
    fn of_pairs(&self, embeddings: &Tensor, same: &Tensor) -> Tensor {
        let halves = embeddings.chunk(2, 0);
        let [left, right] = [&halves[0], &halves[1]];
        match (&self.learnt, self.config) {
            (Learnt::Components(koch), _) => koch.of(left, right, same),
            (
                _,
                LossConfig::Contrastive {
                    margin,
                    positive_margin,
                },
            ) => contrastive::pairs(left, right, same, self.distance, [positive_margin, margin]),
            _ => unreachable!("a checked configuration draws no pairs for other losses"),
        }
    }

    /// Of pairs and triplets that the miner chooses.
    fn of_mined(&self, embeddings: &Tensor, labels: &Labels) -> Tensor {
        let distance = self.distance;
        let distances = all_pairs(distance, embeddings, embeddings);
        let dim = embeddings.size()[1];
        let mined = mine(self.miner, &distances, distance, dim, labels);
        match self.config {
            LossConfig::Triplet { margin } => {
                let margin = margin.map_or(Margin::Soft, Margin::Hard);
                triplet::triplet(&distances, &mined, margin)
            }
            LossConfig::Contrastive {
                margin,
                positive_margin,
            } => contrastive::mined(&distances, &mined, [positive_margin, margin]),
            LossConfig::NtXent { temperature } => nt_xent::nt_xent(&distances, &mined, temperature),
            LossConfig::MultiSimilarity { alpha, beta, base } => {
                let cosines = cosines(distance, &distances);
                multi_similarity::multi_similarity(&cosines, &mined, [alpha, beta, base])
            }
            config => unreachable!("a checked configuration draws other batches for {config:?}"),
        }
    }

    /// What is learnt beside the tower, by name.
    pub fn trainable(&self) -> Vec<(&'static str, &Tensor)> {
        match &self.learnt {
            Learnt::Nothing => vec![],
            Learnt::Classes(classifier) => vec![("loss.classes", classifier.classes())],
            Learnt::Components(koch) => koch.trainable(),
        }
    }

    /// How much each component of an embedding counts, `[d]`, where the loss learns it:
    /// the tower's last layer is to be scaled by it.
    pub fn component_weights(&self) -> Option<Tensor> {
        match &self.learnt {
            Learnt::Components(koch) => Some(koch.weights().detach()),
            _ => None,
        }
    }

    /// The loss of a tower that gives every sample the same embedding, where that is
    /// known, and what to change: training that stays there has collapsed.
    pub fn collapsed(&self) -> Option<(f64, &'static str)> {
        let gentler = "lower --learning-rate, or choose --miner semi-hard or --margin soft";
        match self.config {
            LossConfig::Triplet { margin } => {
                Some((margin.unwrap_or(core::f64::consts::LN_2), gentler))
            }
            LossConfig::Contrastive { margin, .. } if self.miner == Miner::All => {
                Some((margin * margin / 4.0, "lower --learning-rate or --margin"))
            }
            _ => None,
        }
    }
}

/// Cosines from distances between embeddings whose directions are compared.
pub(crate) fn cosines(distance: Distance, distances: &Tensor) -> Tensor {
    match distance {
        Distance::Cosine => 1.0 - distances,
        Distance::SquaredEuclidean => 1.0 - distances * 0.5,
        // Of unit length: |a - b|^2 = 2 - 2 cos.
        _ => 1.0 - distances.square() * 0.5,
    }
}

/// The mean of `values` where `mask` is set; 0 when it is nowhere: where a miner finds
/// nothing hard, nothing is left to learn.
pub(crate) fn masked_mean(values: &Tensor, mask: &Tensor) -> Tensor {
    let chosen = values.masked_select(mask);
    chosen.sum(Kind::Float) / chosen.numel().max(1) as f64
}
