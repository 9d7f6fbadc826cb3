//! How weights are found.

use serde::{Deserialize, Serialize};

/// How weights are found. [`TrainingConfig::default`] is a start that learns on most
/// data sets; `train::recipe` knows better ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Passes; each ends with a validation.
    pub epochs: usize,
    /// Batches per epoch.
    pub steps_per_epoch: usize,
    /// Peak learning rate, after a linear warm-up and before a cosine decay.
    pub learning_rate: f64,
    /// Share of all steps in which the rate rises, 0 to 1.
    pub warm_up: f64,
    /// Gradients are scaled down to this norm.
    pub clip_norm: f64,
    /// Decay per step of the running mean of the weights, which is what is validated and
    /// kept; 0 keeps the weights themselves.
    pub average: f64,
    /// Epochs without a better validation after which training stops; 0 never stops.
    pub patience: usize,
    /// In which numbers the tower computes.
    pub precision: Precision,
    /// How many of the training classes are learnt from, drawn by the seed: what few of them
    /// teach. All, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Whether quarter turns of a class count as further classes; of pen sequences, mirror
    /// images too.
    pub rotations: bool,
    /// What is minimised.
    pub loss: LossConfig,
    /// Which pairs and triplets of a batch the loss looks at.
    pub miner: Miner,
    /// Which samples make a batch.
    pub sampler: SamplerConfig,
    /// How gradients become steps.
    pub optimizer: OptimizerConfig,
    /// Random changes of training samples.
    pub augment: Augment,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 40,
            steps_per_epoch: 100,
            learning_rate: 3e-3,
            warm_up: 0.05,
            clip_norm: 10.0,
            average: 0.0,
            patience: 0,
            precision: Precision::Float32,
            classes: None,
            rotations: false,
            loss: LossConfig::Triplet { margin: Some(0.5) },
            miner: Miner::BatchHard,
            sampler: SamplerConfig::PByK {
                classes: 16,
                samples: 6,
            },
            optimizer: OptimizerConfig::AdamW { weight_decay: 1e-4 },
            augment: Augment::AFFINE,
        }
    }
}

/// What is minimised. Margins are in units of the distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossConfig {
    /// Pairs; genuine ones farther and impostors closer than a margin cost.
    Contrastive {
        /// Impostors closer than this cost.
        margin: f64,
        /// Genuine pairs farther than this cost.
        #[serde(default)]
        positive_margin: f64,
    },
    /// Triplets; without a margin the soft one.
    Triplet {
        /// How much farther the negative should be.
        margin: Option<f64>,
    },
    /// Softmax over one positive and all negatives of an anchor.
    NtXent {
        /// Similarities are divided by it.
        temperature: f64,
    },
    /// Softly weighted pairs.
    MultiSimilarity {
        /// Steepness for positives.
        alpha: f64,
        /// Steepness for negatives.
        beta: f64,
        /// The similarity between near and far.
        base: f64,
    },
    /// Softmax over training classes of scaled cosines.
    NormFace {
        /// Cosines are multiplied by it.
        scale: f64,
    },
    /// The same, a margin taken from the cosine of the own class.
    CosFace {
        /// Cosines are multiplied by it.
        scale: f64,
        /// Taken from the own class's cosine.
        margin: f64,
    },
    /// The same, a margin added to the angle to the own class.
    ArcFace {
        /// Cosines are multiplied by it.
        scale: f64,
        /// Added to the own class's angle, radians.
        margin: f64,
    },
    /// Softmax over the classes of an episode of distances to their means.
    Prototypical {
        /// Distances are multiplied by it.
        scale: f64,
    },
    /// Logistic regression on a weighted Manhattan distance, weights learnt.
    WeightedL1,
}

/// Which pairs and triplets of a batch the loss looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Miner {
    /// Every one.
    All,
    /// Of each anchor its farthest positive and its nearest negative.
    BatchHard,
    /// Of each positive pair the nearest negative that is farther than the positive.
    SemiHard,
    /// Of each positive pair a negative drawn evenly over distances.
    DistanceWeighted,
    /// Pairs that are harder than the anchor's easiest of the other kind.
    MultiSimilarity,
}

/// Which samples make a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SamplerConfig {
    /// As many pairs of one class as of two.
    Pairs {
        /// Pairs in a batch.
        pairs: usize,
    },
    /// Some classes, some samples of each.
    PByK {
        /// Classes in a batch.
        classes: usize,
        /// Samples of each.
        samples: usize,
    },
    /// The same, the classes in groups of ones that the tower finds alike.
    HardClasses {
        /// Classes in a batch.
        classes: usize,
        /// Samples of each.
        samples: usize,
        /// Classes in a group; the first is drawn, the others are its nearest.
        group: usize,
    },
    /// Few-shot episodes. Ways in training may differ from those in testing; more of
    /// them teach more (Snell et al., 2017, section 3.1).
    Episodes {
        /// Classes.
        ways: usize,
        /// Samples of each that make its prototype.
        shots: usize,
        /// Samples of each that are classified.
        queries: usize,
    },
}

/// How gradients become steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW {
        /// Decay of filters per step and unit of learning rate.
        weight_decay: f64,
    },
    /// Stochastic gradient descent with Nesterov's momentum.
    Sgd {
        /// 0 to 1.
        momentum: f64,
        /// Decay of filters per step and unit of learning rate.
        weight_decay: f64,
    },
}

/// In which numbers the tower computes. Weights, statistics, loss and optimizer stay in
/// single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision.
    Float32,
    /// 8 bits of exponent, 8 of significand: several times as fast on GPUs, and on CPUs
    /// with AMX or AVX-512 BF16.
    Bfloat16,
}

/// Random changes of training samples. Each has its own limit, 0 leaves it out; a
/// changed sample gets each of them with probability 1/2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Share of samples that are changed at all, 0 to 1.
    pub share: f64,
    /// Rotation by up to so many degrees.
    pub rotation: f64,
    /// Shear along each axis by up to this.
    pub shear: f64,
    /// Each side scaled by up to this share.
    pub scale: f64,
    /// Moved along each axis by up to this share of the side.
    pub shift: f64,
    /// Standard deviation of smooth random displacements, as a share of the side.
    pub elastic: f64,
    /// Standard deviation of noise, in units of the tower's input.
    pub noise: f64,
    /// Side of a square that is set to zero, as a share of the side.
    pub cutout: f64,
    /// Intensities raised or lowered by up to this share of themselves.
    pub brightness: f64,
    /// Whether left and right may change places.
    pub mirror: bool,
}

impl Augment {
    /// Nothing.
    pub const NONE: Self = Self {
        share: 0.0,
        rotation: 0.0,
        shear: 0.0,
        scale: 0.0,
        shift: 0.0,
        elastic: 0.0,
        noise: 0.0,
        cutout: 0.0,
        brightness: 0.0,
        mirror: false,
    };

    /// The ranges of Koch et al., "Siamese neural networks for one-shot image
    /// recognition", 2015, section 3.2. Half of the samples stay as they are because
    /// interpolation softens strokes: a tower that only ever saw softened ones errs on
    /// drawings that are not.
    pub const AFFINE: Self = Self {
        share: 0.5,
        rotation: 10.0,
        shear: 0.3,
        scale: 0.2,
        shift: 0.07,
        ..Self::NONE
    };

    /// The same on more samples, with elastic displacements (Simard et al., "Best
    /// practices for convolutional neural networks", 2003).
    pub const ELASTIC: Self = Self {
        share: 0.8,
        rotation: 15.0,
        elastic: 0.03,
        ..Self::AFFINE
    };

    /// Faces as detectors find them: a little askew, too large or too small, lit anyhow;
    /// their mirror images are faces too.
    pub const FACES: Self = Self {
        share: 0.9,
        rotation: 8.0,
        scale: 0.1,
        shift: 0.05,
        brightness: 0.2,
        cutout: 0.3,
        mirror: true,
        ..Self::NONE
    };
}

impl Default for Augment {
    fn default() -> Self {
        Self::NONE
    }
}

impl LossConfig {
    /// Its name in configurations.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Contrastive { .. } => "contrastive",
            Self::Triplet { .. } => "triplet",
            Self::NtXent { .. } => "nt-xent",
            Self::MultiSimilarity { .. } => "multi-similarity",
            Self::NormFace { .. } => "norm-face",
            Self::CosFace { .. } => "cos-face",
            Self::ArcFace { .. } => "arc-face",
            Self::Prototypical { .. } => "prototypical",
            Self::WeightedL1 => "weighted-l1",
        }
    }

    /// Whether it learns a vector per training class.
    pub fn is_classifier(&self) -> bool {
        matches!(
            self,
            Self::NormFace { .. } | Self::CosFace { .. } | Self::ArcFace { .. }
        )
    }
}
