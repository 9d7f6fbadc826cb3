//! The usual way to train on a data set: what holds when nothing else is asked for.

use shared::Distance;

use crate::checkpoint::{Augment, LossConfig, TrainingConfig};
use crate::dataset::{Dataset, DatasetName, Part};
use crate::tower::TowerSpec;
use crate::tower::conv4::Conv4;

/// Which loss, before its margin is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Pairs.
    Contrastive,
    /// Batch-hard triplets.
    Triplet,
}

/// The usual training for a data set of that name.
pub fn training(name: DatasetName, dataset: &Dataset) -> TrainingConfig {
    let common = TrainingConfig {
        loss: loss(Loss::Triplet, Distance::Euclidean, None),
        epochs: 40,
        steps_per_epoch: 100,
        batch_classes: 16,
        batch_samples: 6,
        learning_rate: 3e-3,
        weight_decay: 1e-4,
        clip_norm: 10.0,
        augment: Augment::Affine,
        rotations: false,
    };
    match name {
        DatasetName::Omniglot => TrainingConfig {
            epochs: 120,
            batch_classes: 32,
            batch_samples: 4,
            rotations: true,
            ..common
        },
        // Size and proportions tell forgers from signers: they must not be changed at
        // random. The hardest negatives are forgeries of the anchor's own class, so
        // that more classes in a batch cost more than they teach.
        DatasetName::SyntheticSignatures => TrainingConfig {
            epochs: 24,
            steps_per_epoch: 200,
            batch_classes: 8,
            augment: Augment::None,
            ..common
        },
        DatasetName::Folder => {
            let samples = dataset.split.samples(dataset, Part::Train);
            let mut classes: Vec<u32> = samples
                .into_iter()
                .map(|sample| dataset.samples[sample as usize].class)
                .collect();
            classes.dedup();
            TrainingConfig {
                batch_classes: common.batch_classes.min(classes.len()),
                batch_samples: 4,
                ..common
            }
        }
    }
}

/// The usual tower for a data set of that name, with this input (height, width).
pub fn tower(name: DatasetName, input: [usize; 2]) -> TowerSpec {
    TowerSpec::Conv4(Conv4 {
        input,
        width: match name {
            DatasetName::Omniglot => 64,
            DatasetName::SyntheticSignatures => 24,
            DatasetName::Folder => 32,
        },
        embedding: 64,
        normalized: true,
    })
}

/// A loss with its usual margin for embeddings of unit length, or another.
pub fn loss(loss: Loss, distance: Distance, margin: Option<f64>) -> LossConfig {
    // Two unit vectors at random are about sqrt(2), 2, 1 and 9 (64 components) apart.
    let (contrastive, triplet) = match distance {
        Distance::Euclidean => (1.0, 0.5),
        Distance::SquaredEuclidean => (1.0, 0.5),
        Distance::Cosine => (0.5, 0.25),
        Distance::Manhattan => (6.0, 3.0),
    };
    match loss {
        Loss::Contrastive => LossConfig::Contrastive {
            margin: margin.unwrap_or(contrastive),
        },
        Loss::Triplet => LossConfig::Triplet {
            margin: Some(margin.unwrap_or(triplet)),
        },
    }
}
