//! Which choices make sense together. What does not is refused before training, with
//! the reason.

use anyhow::{Result, ensure};
use shared::Distance;
use shared::preprocess::Colour;

use super::{
    Augment, LossConfig, Miner, OptimizerConfig, RunConfig, SamplerConfig, TrainingConfig,
};

impl RunConfig {
    /// Checks ranges, and that loss, miner, sampler, distance and embedding go together.
    ///
    /// # Errors
    /// What was expected, what was found, and what to choose instead.
    pub fn check(&self) -> Result<()> {
        let picture = self.preprocess.picture();
        ensure!(
            picture.is_none_or(|picture| picture.colour == Colour::Grey),
            "expected grey pictures to train on, found preprocessing that keeps colours: set preprocess.colour=grey, \
             and a tower for one channel"
        );
        ranges(&self.training)?;
        let shape = self.preprocess.shape();
        let input = [shape.height, shape.width].map(usize::from);
        ensure!(
            self.tower.input() == input && self.tower.channels() == usize::from(shape.channels),
            "expected a tower for what preprocessing gives, {input:?} (height, width) of {} channels, found one for {:?} of {}: \
             choose both by --input",
            shape.channels,
            self.tower.input(),
            self.tower.channels()
        );
        ensure!(
            self.preprocess.is_valid(),
            "expected preprocessing that can be run, found {:?}: sizes and scales are above 0",
            self.preprocess
        );
        let training = &self.training;
        sequences(self)?;
        miner_for_loss(training)?;
        sampler_for_loss(training)?;
        distance_for_loss(self)?;
        distance_for_miner(self)
    }
}

/// What is done to pictures is not done to sequences.
fn sequences(config: &RunConfig) -> Result<()> {
    let training = &config.training;
    ensure!(
        config.preprocess.picture().is_some() || training.augment == Augment::NONE,
        "expected no random changes of pictures with pen sequences, found some: choose --augment none"
    );
    Ok(())
}

/// Whether the device compares directions only, so that angles are all that counts.
fn compares_directions(config: &RunConfig) -> bool {
    let euclidean = [Distance::Euclidean, Distance::SquaredEuclidean];
    config.distance == Distance::Cosine
        || config.tower.normalized() && euclidean.contains(&config.distance)
}

fn distance_for_loss(config: &RunConfig) -> Result<()> {
    let loss = config.training.loss;
    let of_directions = loss.is_classifier() || matches!(loss, LossConfig::MultiSimilarity { .. });
    ensure!(
        !of_directions || compares_directions(config),
        "loss {} teaches angles: expected distance cosine, or euclidean between embeddings of unit length, \
         found {} between {} embeddings: choose --distance cosine, or the triplet loss",
        loss.name(),
        config.distance,
        if config.tower.normalized() {
            "unit"
        } else {
            "free"
        }
    );
    if loss == LossConfig::WeightedL1 {
        ensure!(
            config.distance == Distance::Manhattan && !config.tower.normalized(),
            "loss weighted-l1 learns how much each component of the Manhattan distance counts, and scales the \
             components by it: expected distance manhattan between free embeddings, found {}{}: \
             choose --distance manhattan --normalized false",
            config.distance,
            if config.tower.normalized() {
                ", normalized"
            } else {
                ""
            }
        );
    }
    Ok(())
}

fn distance_for_miner(config: &RunConfig) -> Result<()> {
    ensure!(
        config.training.miner != Miner::DistanceWeighted
            || config.tower.normalized() && config.distance != Distance::Manhattan,
        "miner distance-weighted knows how distances are spread on a sphere: expected normalized embeddings and \
         no Manhattan distance, found {}{}: choose --normalized true, or another miner",
        config.distance,
        if config.tower.normalized() {
            ""
        } else {
            " between free embeddings"
        }
    );
    ensure!(
        config.training.miner != Miner::MultiSimilarity || compares_directions(config),
        "miner multi-similarity compares cosines: expected distance cosine, or euclidean between embeddings of unit \
         length, found {}: choose another miner",
        config.distance
    );
    Ok(())
}

fn miner_for_loss(training: &TrainingConfig) -> Result<()> {
    let (loss, miner) = (training.loss, training.miner);
    let mines = matches!(
        loss,
        LossConfig::Contrastive { .. }
            | LossConfig::Triplet { .. }
            | LossConfig::NtXent { .. }
            | LossConfig::MultiSimilarity { .. }
    ) && !matches!(training.sampler, SamplerConfig::Pairs { .. });
    ensure!(
        mines || miner == Miner::All,
        "loss {} looks at what its sampler drew and mines nothing: expected miner all, found {miner:?}: choose --miner all, or --sampler p-by-k for a loss on pairs",
        loss.name()
    );
    Ok(())
}

fn sampler_for_loss(training: &TrainingConfig) -> Result<()> {
    let (loss, sampler) = (training.loss, training.sampler);
    let fits = match (loss, sampler) {
        (LossConfig::WeightedL1, SamplerConfig::Pairs { .. }) => true,
        (LossConfig::WeightedL1, _) => false,
        (LossConfig::Contrastive { .. }, SamplerConfig::Pairs { .. }) => true,
        (_, SamplerConfig::Pairs { .. }) => false,
        (LossConfig::Prototypical { .. }, SamplerConfig::Episodes { .. }) => true,
        (LossConfig::Prototypical { .. }, _) | (_, SamplerConfig::Episodes { .. }) => false,
        _ => true,
    };
    let instead = match loss {
        LossConfig::WeightedL1 => "pairs",
        LossConfig::Prototypical { .. } => "episodes",
        _ => "p-by-k or hard-classes",
    };
    ensure!(
        fits,
        "loss {} does not learn from the batches of sampler {sampler:?}: choose --sampler {instead}",
        loss.name()
    );
    ensure!(
        !(training.rotations && matches!(sampler, SamplerConfig::HardClasses { .. })),
        "sampler hard-classes puts classes together that look alike, and a class that looks the same when it is \
         turned is no other class: expected no quarter turns with it, found rotations: choose --rotations false, \
         or --sampler p-by-k"
    );
    let samples = match sampler {
        SamplerConfig::PByK { samples, .. } | SamplerConfig::HardClasses { samples, .. } => samples,
        _ => 2,
    };
    ensure!(
        samples >= 2 || loss.is_classifier(),
        "loss {} compares samples of one class: expected at least 2 of each class in a batch, found {samples}: \
         raise --batch-samples",
        loss.name()
    );
    Ok(())
}

fn ranges(training: &TrainingConfig) -> Result<()> {
    for (name, value) in [
        ("epochs", training.epochs),
        ("steps_per_epoch", training.steps_per_epoch),
    ] {
        ensure!(
            value >= 1,
            "expected training.{name} of at least 1, found 0: raise it"
        );
    }
    positive("learning_rate", training.learning_rate)?;
    positive("clip_norm", training.clip_norm)?;
    share("warm_up", training.warm_up)?;
    share("average", training.average)?;
    ensure!(
        training.average < 1.0,
        "expected training.average below 1, found 1, with which the mean never moves: choose 0.999, or 0 for none"
    );
    match training.optimizer {
        OptimizerConfig::AdamW { weight_decay } => {
            not_negative("optimizer.weight_decay", weight_decay)?;
        }
        OptimizerConfig::Sgd {
            momentum,
            weight_decay,
        } => {
            not_negative("optimizer.weight_decay", weight_decay)?;
            share("optimizer.momentum", momentum)?;
        }
    }
    ranges_of_augment(&training.augment)?;
    ranges_of_loss(training.loss)
}

fn ranges_of_augment(augment: &Augment) -> Result<()> {
    share("augment.share", augment.share)?;
    share("augment.scale", augment.scale)?;
    share("augment.shift", augment.shift)?;
    share("augment.cutout", augment.cutout)?;
    share("augment.brightness", augment.brightness)?;
    not_negative("augment.rotation", augment.rotation)?;
    not_negative("augment.shear", augment.shear)?;
    not_negative("augment.elastic", augment.elastic)?;
    not_negative("augment.noise", augment.noise)
}

fn ranges_of_loss(loss: LossConfig) -> Result<()> {
    match loss {
        LossConfig::Contrastive {
            margin,
            positive_margin,
        } => {
            positive("loss.margin", margin)?;
            not_negative("loss.positive_margin", positive_margin)?;
            ensure!(
                positive_margin < margin,
                "expected training.loss.positive_margin below the margin {margin}, found {positive_margin}: \
                 lower it, or raise the margin"
            );
            Ok(())
        }
        LossConfig::Triplet { margin } => positive("loss.margin", margin.unwrap_or(1.0)),
        LossConfig::NtXent { temperature } => positive("loss.temperature", temperature),
        LossConfig::MultiSimilarity { alpha, beta, base } => {
            positive("loss.alpha", alpha)?;
            positive("loss.beta", beta)?;
            ensure!(
                (-1.0..=1.0).contains(&base),
                "expected training.loss.base from -1 to 1, found {base}: choose a cosine, such as 0.5"
            );
            Ok(())
        }
        LossConfig::NormFace { scale } | LossConfig::Prototypical { scale } => {
            positive("loss.scale", scale)
        }
        LossConfig::CosFace { scale, margin } | LossConfig::ArcFace { scale, margin } => {
            positive("loss.scale", scale)?;
            share("loss.margin", margin)
        }
        LossConfig::WeightedL1 => Ok(()),
    }
}

fn share(name: &str, value: f64) -> Result<()> {
    ensure!(
        (0.0..=1.0).contains(&value),
        "expected training.{name} from 0 to 1, found {value}: choose one in that range"
    );
    Ok(())
}

fn positive(name: &str, value: f64) -> Result<()> {
    ensure!(
        value > 0.0 && value.is_finite(),
        "expected training.{name} above 0, found {value}: choose a positive number"
    );
    Ok(())
}

fn not_negative(name: &str, value: f64) -> Result<()> {
    ensure!(
        value >= 0.0 && value.is_finite(),
        "expected training.{name} of at least 0, found {value}: choose 0 or a positive number"
    );
    Ok(())
}
