//! The usual way to train on a data set: what holds when nothing else is asked for.

use shared::Distance;
use shared::preprocess::InputShape;

use crate::config::{Augment, LossConfig, Miner, SamplerConfig, TrainingConfig};
use crate::dataset::{Dataset, DatasetName, Part};
use crate::tower::TowerSpec;
use crate::tower::conv4::Conv4;
use crate::tower::depthwise_separable::{Activation, DepthwiseSeparable};
use crate::tower::recurrent::Recurrent;
use crate::tower::residual::Residual;

/// Which loss, before its numbers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Loss {
    /// Pairs
    Contrastive,
    /// Triplets of anchor, positive and negative
    Triplet,
    /// Softmax over one positive and all negatives: N-pair, InfoNCE
    NtXent,
    /// Softly weighted pairs
    MultiSimilarity,
    /// Classification by cosine
    NormFace,
    /// The same with a margin on the cosine
    CosFace,
    /// The same with a margin on the angle
    ArcFace,
    /// Few-shot episodes, classified by class means
    Prototypical,
    /// Koch's weighted Manhattan distance with logistic regression
    WeightedL1,
}

/// Which sampler, before its numbers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sampler {
    /// As many pairs of one class as of two
    Pairs,
    /// Some classes, some samples of each
    PByK,
    /// The same, classes in groups that the tower finds alike
    HardClasses,
    /// Few-shot episodes
    Episodes,
}

/// Which tower, before its numbers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tower {
    /// Four blocks of conv3x3, norm, ReLU, max pool
    Conv4,
    /// A small residual network, ResNet-8 class
    Residual,
    /// Inverted bottlenecks of depthwise convolutions, MobileFaceNet class
    DepthwiseSeparable,
    /// Gated recurrent units, for sequences
    Recurrent,
}

/// The usual training for a data set of that name.
pub fn training(name: DatasetName, dataset: &Dataset) -> TrainingConfig {
    let common = TrainingConfig::default();
    match name {
        DatasetName::Omniglot | DatasetName::OmniglotKoch => TrainingConfig {
            epochs: 120,
            sampler: SamplerConfig::PByK {
                classes: 32,
                samples: 4,
            },
            rotations: true,
            ..common
        },
        // The split lists the quarter turns as classes: turning them again would give
        // every drawing to several classes.
        DatasetName::OmniglotVinyals => TrainingConfig {
            epochs: 120,
            sampler: SamplerConfig::PByK {
                classes: 32,
                samples: 4,
            },
            ..common
        },
        // Size and proportions tell forgers from signers: they must not be changed at
        // random. The hardest negatives are forgeries of the anchor's own class, so
        // that more classes in a batch cost more than they teach.
        DatasetName::SyntheticSignatures => TrainingConfig {
            epochs: 30,
            steps_per_epoch: 200,
            average: 0.999,
            sampler: SamplerConfig::PByK {
                classes: 8,
                samples: 6,
            },
            augment: Augment::NONE,
            ..common
        },
        // The same, and what a pen did is not changed at random either.
        DatasetName::SyntheticPens => TrainingConfig {
            epochs: 24,
            steps_per_epoch: 100,
            clip_norm: 1.0,
            average: 0.995,
            sampler: SamplerConfig::PByK {
                classes: 8,
                samples: 6,
            },
            augment: Augment::NONE,
            ..common
        },
        // The same, on as few writers as there are.
        DatasetName::Sigcomp2011 => TrainingConfig {
            epochs: 24,
            steps_per_epoch: 50,
            sampler: SamplerConfig::PByK {
                classes: 8,
                samples: 6,
            },
            augment: Augment::NONE,
            ..common
        },
        // Most people have one photograph; many classes in a batch make up for few of each.
        // The faces lie as a detector found them: changed less, they are learnt by heart.
        DatasetName::Lfwcrop | DatasetName::LfwcropView1 => TrainingConfig {
            epochs: 32,
            average: 0.999,
            loss: LossConfig::NtXent { temperature: 0.06 },
            miner: Miner::All,
            sampler: SamplerConfig::PByK {
                classes: 48,
                samples: 4,
            },
            augment: Augment {
                share: 0.95,
                rotation: 15.0,
                scale: 0.25,
                shift: 0.12,
                brightness: 0.3,
                ..Augment::FACES
            },
            ..common
        },
        // Few writers are soon learnt by heart: turned and mirrored ones are more, and the
        // mean of weights forgets what one of them taught.
        // Nothing is trained on the last by this recipe: it has no classes.
        DatasetName::Susig
        | DatasetName::SusigBlind
        | DatasetName::PenFolder
        | DatasetName::Medseg => TrainingConfig {
            epochs: 30,
            steps_per_epoch: 50,
            rotations: true,
            clip_norm: 1.0,
            average: 0.99,
            sampler: SamplerConfig::PByK {
                classes: 8,
                samples: 8,
            },
            augment: Augment::NONE,
            ..common
        },
        // Two dozen people are soon learnt by heart; `--pretrained` on others helps more than
        // anything here, and a small rate keeps what those taught.
        DatasetName::OrlFaces => TrainingConfig {
            epochs: 10,
            steps_per_epoch: 30,
            learning_rate: 1e-3,
            average: 0.98,
            loss: LossConfig::NtXent { temperature: 0.06 },
            miner: Miner::All,
            sampler: SamplerConfig::PByK {
                classes: few_classes(dataset),
                samples: 4,
            },
            augment: Augment::FACES,
            ..common
        },
        DatasetName::Folder | DatasetName::Pairs => TrainingConfig {
            sampler: SamplerConfig::PByK {
                classes: few_classes(dataset),
                samples: 4,
            },
            ..common
        },
    }
}

/// Classes of a batch where there may be few: sixteen, or all that are learnt from.
fn few_classes(dataset: &Dataset) -> usize {
    let samples = dataset.split.samples(dataset, Part::Train).into_iter();
    let mut classes: Vec<u32> = samples
        .map(|sample| dataset.samples[sample as usize].class)
        .collect();
    classes.dedup();
    classes.len().min(16)
}

/// The usual tower for a data set of that name, whose inputs are of this shape.
pub fn tower(name: DatasetName, shape: InputShape) -> TowerSpec {
    let input = [shape.height, shape.width].map(usize::from);
    let width = match name {
        DatasetName::Omniglot | DatasetName::OmniglotVinyals | DatasetName::OmniglotKoch => 64,
        DatasetName::SyntheticSignatures => 24,
        DatasetName::Folder | DatasetName::OrlFaces | DatasetName::Pairs => 32,
        // Of real people's faces and signatures: below 10 million multiply-accumulates and
        // 256 KB.
        DatasetName::Lfwcrop | DatasetName::LfwcropView1 => return residual(input, 14),
        DatasetName::Sigcomp2011 => return residual(input, 13),
        DatasetName::SyntheticPens
        | DatasetName::Susig
        | DatasetName::SusigBlind
        | DatasetName::PenFolder
        | DatasetName::Medseg => {
            return TowerSpec::Recurrent(Recurrent {
                steps: shape.height.into(),
                features: shape.channels.into(),
                width: 64,
                layers: 2,
                bidirectional: false,
                embedding: 64,
                normalized: true,
            });
        }
    };
    TowerSpec::Conv4(Conv4 {
        input,
        width,
        embedding: 64,
        normalized: true,
    })
}

fn residual(input: [usize; 2], width: usize) -> TowerSpec {
    TowerSpec::Residual(Residual {
        input,
        width,
        blocks: 1,
        pooled: false,
        embedding: 48,
        normalized: true,
    })
}

/// Another architecture of that input, embedding and norm, with its usual width.
pub fn architecture(tower: Tower, like: &TowerSpec) -> TowerSpec {
    let (input, embedding, normalized) = (like.input(), like.embedding(), like.normalized());
    match tower {
        Tower::Conv4 => TowerSpec::Conv4(Conv4 {
            input,
            width: 64,
            embedding,
            normalized,
        }),
        Tower::Residual => TowerSpec::Residual(Residual {
            input,
            width: 16,
            blocks: 1,
            pooled: false,
            embedding,
            normalized,
        }),
        Tower::DepthwiseSeparable => TowerSpec::DepthwiseSeparable(DepthwiseSeparable {
            input,
            width: 0.25,
            activation: Activation::Relu,
            embedding,
            normalized,
        }),
        Tower::Recurrent => TowerSpec::Recurrent(Recurrent {
            steps: input[0],
            features: like.channels(),
            width: 64,
            layers: 2,
            bidirectional: false,
            embedding,
            normalized,
        }),
    }
}

/// A loss with its usual numbers for embeddings of unit length.
pub fn loss(loss: Loss, distance: Distance) -> LossConfig {
    // Two unit vectors at random are about sqrt(2), 2, 1 and 9 (64 components) apart.
    let (contrastive, triplet, unit) = match distance {
        Distance::Euclidean => (1.0, 0.5, 1.0),
        Distance::SquaredEuclidean => (1.0, 0.5, 2.0),
        Distance::Cosine => (0.5, 0.25, 1.0),
        Distance::Manhattan => (6.0, 3.0, 6.0),
    };
    match loss {
        Loss::Contrastive => LossConfig::Contrastive {
            margin: contrastive,
            positive_margin: 0.0,
        },
        Loss::Triplet => LossConfig::Triplet {
            margin: Some(triplet),
        },
        Loss::NtXent => LossConfig::NtXent {
            temperature: 0.03 * unit,
        },
        // As their papers have them.
        Loss::MultiSimilarity => LossConfig::MultiSimilarity {
            alpha: 2.0,
            beta: 50.0,
            base: 0.5,
        },
        Loss::NormFace => LossConfig::NormFace { scale: 20.0 },
        Loss::CosFace => LossConfig::CosFace {
            scale: 20.0,
            margin: 0.2,
        },
        Loss::ArcFace => LossConfig::ArcFace {
            scale: 20.0,
            margin: 0.3,
        },
        Loss::Prototypical => LossConfig::Prototypical { scale: 30.0 / unit },
        Loss::WeightedL1 => LossConfig::WeightedL1,
    }
}

/// A sampler whose batches are as large as those of `before`.
pub fn sampler(sampler: Sampler, before: SamplerConfig) -> SamplerConfig {
    let (classes, samples) = match before {
        SamplerConfig::Pairs { pairs } => ((pairs / 2).max(2), 4),
        SamplerConfig::PByK { classes, samples }
        | SamplerConfig::HardClasses {
            classes, samples, ..
        } => (classes, samples),
        SamplerConfig::Episodes {
            ways,
            shots,
            queries,
        } => (ways, shots + queries),
    };
    match sampler {
        Sampler::Pairs => SamplerConfig::Pairs {
            pairs: classes * samples / 2,
        },
        Sampler::PByK => SamplerConfig::PByK { classes, samples },
        Sampler::HardClasses => SamplerConfig::HardClasses {
            classes,
            samples,
            group: 4.min(classes),
        },
        Sampler::Episodes => SamplerConfig::Episodes {
            ways: classes,
            shots: 1,
            queries: (samples - 1).max(1),
        },
    }
}

/// The sampler and miner that a loss learns from by itself, of a batch as large as
/// `before`.
pub fn batches(loss: LossConfig, before: SamplerConfig) -> (SamplerConfig, Miner) {
    let of = |kind| sampler(kind, before);
    match loss {
        LossConfig::Contrastive { .. } | LossConfig::WeightedL1 => (of(Sampler::Pairs), Miner::All),
        LossConfig::Triplet { .. } => (of(Sampler::PByK), Miner::BatchHard),
        LossConfig::MultiSimilarity { .. } => (of(Sampler::PByK), Miner::MultiSimilarity),
        LossConfig::Prototypical { .. } => (of(Sampler::Episodes), Miner::All),
        _ => (of(Sampler::PByK), Miner::All),
    }
}
