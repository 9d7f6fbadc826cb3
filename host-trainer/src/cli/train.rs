//! `host-trainer train`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use shared::embedding::MAX_DIM;
use shared::preprocess::{Crop, Fit, Tone};
use shared::{Distance, Preprocess};

use super::{DataArgs, count, tell};
use crate::checkpoint::{Augment, CONFIG, LossConfig, RunConfig, TrainingConfig};
use crate::dataset::{Dataset, DatasetName};
use crate::evaluate::operating_points;
use crate::tower::TowerSpec;
use crate::train::device::Choice;
use crate::train::progress::Progress;
use crate::train::recipe::{self, Loss};
use crate::train::{Trainer, resume};

/// Train a tower on a data set. What is not said is as usual for the data set
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The data set
    #[arg(long, value_enum)]
    dataset: DatasetName,
    #[command(flatten)]
    data: DataArgs,
    /// The folder of the run [default: runs/DATASET]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where to train
    #[arg(long, value_enum, default_value = "auto")]
    device: Choice,
    /// Go on with an interrupted run, with its own settings; begin it when there is none
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    settings: Settings,
}

/// What a run's configuration records.
#[derive(Debug, Args)]
struct Settings {
    /// What is minimised [default: triplet]
    #[arg(long, value_enum, help_heading = "Settings")]
    loss: Option<LossName>,
    /// The distance of the loss and of the device [default: euclidean]
    #[arg(long, value_enum, help_heading = "Settings")]
    distance: Option<DistanceName>,
    /// The loss's margin, in units of the distance; `soft` for a triplet loss without one
    #[arg(long, help_heading = "Settings")]
    margin: Option<Margin>,
    /// Passes; each ends with a validation
    #[arg(long, value_parser = count(1, 1_000_000), help_heading = "Settings")]
    epochs: Option<usize>,
    /// Batches per epoch
    #[arg(long, value_parser = count(1, 1_000_000), help_heading = "Settings")]
    steps: Option<usize>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, help_heading = "Settings")]
    seed: u64,
    /// Classes per batch
    #[arg(long, value_parser = count(2, 10_000), help_heading = "Settings")]
    batch_classes: Option<usize>,
    /// Samples per class in a batch
    #[arg(long, value_parser = count(2, 1000), help_heading = "Settings")]
    batch_samples: Option<usize>,
    /// Peak learning rate
    #[arg(long, value_parser = learning_rate, help_heading = "Settings")]
    learning_rate: Option<f64>,
    /// Random changes of training samples
    #[arg(long, value_enum, help_heading = "Settings")]
    augment: Option<AugmentName>,
    /// Whether quarter turns of a class count as further classes
    #[arg(long, help_heading = "Settings")]
    rotations: Option<bool>,
    /// Channels of every block of the tower
    #[arg(long, value_parser = count(1, 1024), help_heading = "Settings")]
    width: Option<usize>,
    /// Components of the embedding
    #[arg(long, value_parser = count(2, MAX_DIM), help_heading = "Settings")]
    embedding: Option<usize>,
    /// Whether embeddings are scaled to unit length
    #[arg(long, help_heading = "Settings")]
    normalized: Option<bool>,
    /// The tower's input, WIDTHxHEIGHT pixels
    #[arg(long, help_heading = "Settings")]
    input: Option<Size>,
    /// What is done to intensities: photographs keep, drawings invert, scanned ink ink
    #[arg(long, value_enum, help_heading = "Settings")]
    tone: Option<ToneName>,
    /// Which part of a picture is kept
    #[arg(long, value_enum, help_heading = "Settings")]
    crop: Option<CropName>,
    /// How the kept part is placed in the input
    #[arg(long, value_enum, help_heading = "Settings")]
    fit: Option<FitName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LossName {
    Contrastive,
    Triplet,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DistanceName {
    Euclidean,
    SquaredEuclidean,
    Cosine,
    Manhattan,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AugmentName {
    None,
    Affine,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ToneName {
    Keep,
    Invert,
    Ink,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CropName {
    Whole,
    CentreSquare,
    Ink,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FitName {
    Stretch,
    Contain,
}

#[derive(Clone, Copy, Debug)]
enum Margin {
    Soft,
    Hard(f64),
}

impl FromStr for Margin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "soft" {
            return Ok(Self::Soft);
        }
        match text.parse() {
            Ok(margin) if margin > 0.0 && f64::is_finite(margin) => Ok(Self::Hard(margin)),
            _ => Err("expected `soft` or a number above 0".into()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Size {
    width: u16,
    height: u16,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.split_once('x').and_then(|(width, height)| {
            Some(Self {
                width: width.parse().ok().filter(|&side| side > 0)?,
                height: height.parse().ok().filter(|&side| side > 0)?,
            })
        });
        size.ok_or_else(|| "expected WIDTHxHEIGHT, such as 64x32".into())
    }
}

fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("expected a number above 0, such as 0.003".into()),
    }
}

/// Runs the command.
///
/// # Errors
/// When data cannot be read, settings do not fit them, or the run's folder holds
/// another run.
pub fn run(args: &TrainArgs) -> Result<()> {
    let dataset = args.dataset.load(args.data.data.as_deref())?;
    let usual = || PathBuf::from("runs").join(&dataset.name);
    let out = args.out.clone().unwrap_or_else(usual);
    let is_there = out.join(CONFIG).is_file();
    ensure!(
        args.resume || !is_there,
        "{}: expected no run there, found one: go on with it by --resume, or choose another --out",
        out.display()
    );
    let config = match is_there {
        true => RunConfig::load(&out)?,
        false => config(&args.settings, args.dataset, &dataset)?,
    };
    ensure!(
        config.dataset == dataset.name
            && config.split_sha256 == dataset.split.hash(&dataset.classes),
        "{}: expected the data set that the run was begun with ({}), found another",
        out.display(),
        config.dataset
    );
    // Better now than after the training.
    operating_points::check(&dataset)?;
    let device = args.device.open()?;
    let mut trainer = Trainer::new(config, &dataset, device)?;
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be made", out.display()))?;
    if args.resume && out.join(resume::RESUME).is_file() {
        resume::restore(&mut trainer, &out)?;
    }
    let mut progress = Progress::new(&out.join("events.jsonl"))?;
    trainer.run(&out, &mut |event| progress.show(event))?;
    tell(format_args!(
        "the run is in {0}; next: host-trainer quantize {0} --out models/NAME",
        out.display()
    ));
    Ok(())
}

fn config(settings: &Settings, name: DatasetName, dataset: &Dataset) -> Result<RunConfig> {
    let distance = match settings.distance {
        None | Some(DistanceName::Euclidean) => Distance::Euclidean,
        Some(DistanceName::SquaredEuclidean) => Distance::SquaredEuclidean,
        Some(DistanceName::Cosine) => Distance::Cosine,
        Some(DistanceName::Manhattan) => Distance::Manhattan,
    };
    let preprocess = preprocess(settings, dataset.preprocess);
    let input = [preprocess.height, preprocess.width].map(usize::from);
    let TowerSpec::Conv4(mut tower) = recipe::tower(name, input);
    tower.width = settings.width.unwrap_or(tower.width);
    tower.embedding = settings.embedding.unwrap_or(tower.embedding);
    tower.normalized = settings.normalized.unwrap_or(tower.normalized);
    Ok(RunConfig {
        dataset: dataset.name.clone(),
        terms: dataset.terms.clone(),
        split_sha256: dataset.split.hash(&dataset.classes),
        seed: settings.seed,
        distance,
        training: training(settings, recipe::training(name, dataset), distance)?,
        preprocess,
        tower: TowerSpec::Conv4(tower),
    })
}

fn training(
    settings: &Settings,
    usual: TrainingConfig,
    distance: Distance,
) -> Result<TrainingConfig> {
    let loss = match settings.loss {
        None | Some(LossName::Triplet) => Loss::Triplet,
        Some(LossName::Contrastive) => Loss::Contrastive,
    };
    let is_usual = settings.loss.is_none() && settings.distance.is_none();
    let loss = match (settings.margin, loss) {
        (None, _) if is_usual => usual.loss,
        (None, loss) => recipe::loss(loss, distance, None),
        (Some(Margin::Hard(margin)), loss) => recipe::loss(loss, distance, Some(margin)),
        (Some(Margin::Soft), Loss::Triplet) => LossConfig::Triplet { margin: None },
        (Some(Margin::Soft), Loss::Contrastive) => {
            anyhow::bail!("expected a number as --margin of the contrastive loss, found `soft`")
        }
    };
    Ok(TrainingConfig {
        loss,
        epochs: settings.epochs.unwrap_or(usual.epochs),
        steps_per_epoch: settings.steps.unwrap_or(usual.steps_per_epoch),
        batch_classes: settings.batch_classes.unwrap_or(usual.batch_classes),
        batch_samples: settings.batch_samples.unwrap_or(usual.batch_samples),
        learning_rate: settings.learning_rate.unwrap_or(usual.learning_rate),
        augment: match settings.augment {
            None => usual.augment,
            Some(AugmentName::None) => Augment::None,
            Some(AugmentName::Affine) => Augment::Affine,
        },
        rotations: settings.rotations.unwrap_or(usual.rotations),
        ..usual
    })
}

fn preprocess(settings: &Settings, usual: Preprocess) -> Preprocess {
    let size = settings.input.unwrap_or(Size {
        width: usual.width,
        height: usual.height,
    });
    Preprocess {
        width: size.width,
        height: size.height,
        tone: match settings.tone {
            None => usual.tone,
            Some(ToneName::Keep) => Tone::Keep,
            Some(ToneName::Invert) => Tone::Invert,
            Some(ToneName::Ink) => Tone::Ink,
        },
        crop: match settings.crop {
            None => usual.crop,
            Some(CropName::Whole) => Crop::Whole,
            Some(CropName::CentreSquare) => Crop::CentreSquare,
            Some(CropName::Ink) => Crop::Ink,
        },
        fit: match settings.fit {
            None => usual.fit,
            Some(FitName::Stretch) => Fit::Stretch,
            Some(FitName::Contain) => Fit::Contain,
        },
        quantization: usual.quantization,
    }
}
