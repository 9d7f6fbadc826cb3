//! `host-trainer train`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use shared::Distance;

use crate::checkpoint::{Augment, LossConfig, RunConfig, TrainingConfig};
use crate::dataset::{Dataset, omniglot};
use crate::tower::TowerSpec;
use crate::tower::conv4::Conv4;
use crate::train::device::Choice;
use crate::train::progress::Progress;
use crate::train::{Trainer, resume};

/// Trains a tower.
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[arg(long)]
    data: PathBuf,
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value = "auto")]
    device: Choice,
    #[arg(long, default_value_t = 50)]
    epochs: usize,
    #[arg(long, default_value_t = 100)]
    steps: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long)]
    resume: bool,
    #[arg(long, default_value_t = 32)]
    batch_classes: usize,
    #[arg(long, default_value_t = 4)]
    batch_samples: usize,
    #[arg(long)]
    margin: Option<f64>,
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    #[arg(long, default_value = "affine")]
    augment: AugmentChoice,
    #[arg(long)]
    no_rotations: bool,
    #[arg(long, default_value = "euclidean")]
    distance: DistanceChoice,
    #[arg(long)]
    unnormalized: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AugmentChoice {
    None,
    Affine,
}
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DistanceChoice {
    Euclidean,
    SquaredEuclidean,
    Cosine,
    Manhattan,
}

/// Runs the command.
pub fn run(args: TrainArgs) -> Result<()> {
    let dataset: Dataset = omniglot::load(&args.data)?;
    let config = RunConfig {
        dataset: dataset.name.clone(),
        terms: dataset.terms.clone(),
        split_sha256: dataset.split.hash(&dataset.classes),
        seed: args.seed,
        distance: match args.distance {
            DistanceChoice::Euclidean => Distance::Euclidean,
            DistanceChoice::SquaredEuclidean => Distance::SquaredEuclidean,
            DistanceChoice::Cosine => Distance::Cosine,
            DistanceChoice::Manhattan => Distance::Manhattan,
        },
        training: TrainingConfig {
            loss: LossConfig::Triplet {
                margin: args.margin,
            },
            epochs: args.epochs,
            steps_per_epoch: args.steps,
            batch_classes: args.batch_classes,
            batch_samples: args.batch_samples,
            learning_rate: args.learning_rate,
            weight_decay: 1e-4,
            clip_norm: 10.0,
            augment: match args.augment {
                AugmentChoice::None => Augment::None,
                AugmentChoice::Affine => Augment::Affine,
            },
            rotations: !args.no_rotations,
        },
        preprocess: dataset.preprocess,
        tower: TowerSpec::Conv4(Conv4 {
            input: [28, 28],
            width: 64,
            embedding: 64,
            normalized: !args.unnormalized,
        }),
    };
    let device = args.device.open()?;
    let mut trainer = Trainer::new(config, &dataset, device)?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    if args.resume {
        resume::restore(&mut trainer, &args.out)?;
    }
    let mut progress = Progress::new(&args.out.join("events.jsonl"))?;
    trainer.run(&args.out, &mut |event| progress.show(event))?;
    Ok(())
}
