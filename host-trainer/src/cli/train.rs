//! `host-trainer train`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::settings::{self, Settings};
use super::{DataArgs, finetune, quantize, tell};
use crate::checkpoint::Run;
use crate::config::{CONFIG, RunConfig};
use crate::dataset::DatasetName;
use crate::evaluate::operating_points;
use crate::train::device::Choice;
use crate::train::progress::Progress;
use crate::train::{Best, Trainer, aware, resume};

/// Train a tower on a data set. What is not said is as usual for the data set
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The data set
    #[arg(long, value_enum, required_unless_present_any = ["config", "quantization_aware"])]
    dataset: Option<DatasetName>,
    /// Begin with the settings of this file: a run.toml, or a model's model.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    /// The folder of the run [default: runs/DATASET]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where to train
    #[arg(long, value_enum, default_value = "auto")]
    device: Choice,
    /// Go on from this run, on its data set, with its layers rounded as int8 rounds them:
    /// a few passes at a small rate, for a tower that loses too much when it is quantized
    #[arg(long, value_name = "RUN", conflicts_with_all = ["dataset", "config", "resume"])]
    quantization_aware: Option<PathBuf>,
    /// Begin with the weights of this run on other data, and read pictures as it does
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "resume", "quantization_aware"])]
    pretrained: Option<PathBuf>,
    /// Go on with an interrupted run, with its own settings; begin it when there is none
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Runs the command.
///
/// # Errors
/// When data cannot be read, settings do not fit them, or the run's folder holds
/// another run.
pub fn run(args: &TrainArgs) -> Result<()> {
    if let Some(from) = &args.quantization_aware {
        return quantization_aware(args, from);
    }
    let pretrained = args.pretrained.as_deref().map(Run::load).transpose()?;
    let base = args.config.as_deref().map(RunConfig::read).transpose()?;
    let name = match (args.dataset, &base) {
        (Some(name), _) => name,
        (None, Some(base)) => DatasetName::parse(&base.dataset)?,
        (None, None) => unreachable!("one of both is required"),
    };
    let mut dataset = name.load(args.data.data.as_deref())?;
    let usual = || PathBuf::from("runs").join(&dataset.name);
    let out = args.out.clone().unwrap_or_else(usual);
    let is_there = out.join(CONFIG).is_file();
    ensure!(
        args.resume || !is_there,
        "{}: expected no run there, found one: go on with it by --resume, or choose another --out",
        out.display()
    );
    ensure!(
        !is_there || finetune::history(&out)?.is_empty(),
        "{}: expected a run that was begun with fresh weights, found one that goes on from another: make it anew in another --out",
        out.display()
    );
    if is_there && !args.settings.is_empty() {
        tell(format_args!(
            "warning: {} is gone on with by its own settings; those of the command line are not used",
            out.display()
        ));
    }
    let base = match &pretrained {
        Some(run) => Some(settings::like(name, &dataset, &run.config)),
        None => base,
    };
    let config = match is_there {
        true => RunConfig::load(&out)?,
        false => args.settings.config(name, &dataset, base)?,
    };
    ensure!(
        config.dataset == dataset.name
            && config.split_sha256 == dataset.split.hash(&dataset.classes),
        "{}: expected the data set that the run was begun with ({}), found another: give the same --dataset and --data",
        out.display(),
        config.dataset
    );
    config.keep_training_classes(&mut dataset)?;
    // Better now than after the training.
    operating_points::check(&dataset)?;
    let device = args.device.open()?;
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be made", out.display()))?;
    let mut trainer = match &pretrained {
        Some(run) => {
            finetune::record(&out, commands(args, run, &config, &out)?)?;
            Trainer::pretrained(config, run, &dataset, device)?
        }
        None => Trainer::new(config, &dataset, device)?,
    };
    if args.resume && out.join(resume::RESUME).is_file() {
        resume::restore(&mut trainer, &out)?;
    }
    finish(&mut trainer, &out)
}

/// The commands that make a pretrained run anew.
fn commands(args: &TrainArgs, run: &Run, config: &RunConfig, out: &Path) -> Result<Vec<String>> {
    let from = args.pretrained.as_deref().unwrap_or(Path::new("."));
    let mut commands = quantize::made_by(&run.config, from)?;
    commands.push(format!(
        "{} train --dataset {} --pretrained {} {} --out {}",
        quantize::PROGRAM,
        config.dataset,
        quantize::relative(from),
        config.settings()?.join(" "),
        quantize::relative(out)
    ));
    Ok(commands)
}

/// Goes on from the run in `from` with rounded layers.
fn quantization_aware(args: &TrainArgs, from: &Path) -> Result<()> {
    let out = match &args.out {
        Some(out) => out.clone(),
        None => {
            let name = from.file_name().unwrap_or_default().to_string_lossy();
            from.with_file_name(format!("{name}-int8"))
        }
    };
    ensure!(
        !out.join(CONFIG).is_file(),
        "{}: expected no run there, found one: choose another --out",
        out.display()
    );
    let base = Run::load(from)?;
    let name = DatasetName::parse(&base.config.dataset)?;
    let mut dataset = name.load(args.data.data.as_deref())?;
    let usual = aware::configuration(&base.config);
    let config = args.settings.config(name, &dataset, Some(usual))?;
    ensure!(
        config.split_sha256 == base.config.split_sha256,
        "{}: expected the data set that the run was trained on ({}), found another: give the same --data",
        from.display(),
        base.config.dataset
    );
    config.keep_training_classes(&mut dataset)?;
    tell("calibrating on training samples");
    let device = args.device.open()?;
    let mut trainer = Trainer::quantization_aware(config.clone(), &base, &dataset, device)?;
    let mut commands = quantize::made_by(&base.config, from)?;
    commands.push(format!(
        "{} train --quantization-aware {} {} --out {}",
        quantize::PROGRAM,
        quantize::relative(from),
        config.settings()?.join(" "),
        quantize::relative(&out)
    ));
    // The given weights are the best until others are better.
    let run = Run {
        config,
        parameters: base.parameters,
    };
    run.save(&out)?;
    finetune::record(&out, commands)?;
    if let Some(Best { validation, .. }) = trainer.best() {
        tell(format_args!(
            "before: {} {validation:.4}, as int8 computes it",
            trainer.figure()
        ));
    }
    finish(&mut trainer, &out)
}

fn finish(trainer: &mut Trainer, out: &Path) -> Result<()> {
    let mut progress = Progress::new(out)?;
    trainer.run(out, &mut |event| progress.show(event))?;
    tell(format_args!(
        "the run is in {0}; next: host-trainer quantize {0} --out models/NAME",
        out.display()
    ));
    Ok(())
}
