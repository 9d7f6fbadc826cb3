//! `host-trainer train`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::settings::Settings;
use super::{DataArgs, tell};
use crate::config::{CONFIG, RunConfig};
use crate::dataset::DatasetName;
use crate::evaluate::operating_points;
use crate::train::device::Choice;
use crate::train::progress::Progress;
use crate::train::{Trainer, resume};

/// Train a tower on a data set. What is not said is as usual for the data set
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The data set
    #[arg(long, value_enum, required_unless_present = "config")]
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
    let base = args.config.as_deref().map(RunConfig::read).transpose()?;
    let name = match (args.dataset, &base) {
        (Some(name), _) => name,
        (None, Some(base)) => DatasetName::parse(&base.dataset)?,
        (None, None) => unreachable!("one of both is required"),
    };
    let dataset = name.load(args.data.data.as_deref())?;
    let usual = || PathBuf::from("runs").join(&dataset.name);
    let out = args.out.clone().unwrap_or_else(usual);
    let is_there = out.join(CONFIG).is_file();
    ensure!(
        args.resume || !is_there,
        "{}: expected no run there, found one: go on with it by --resume, or choose another --out",
        out.display()
    );
    if is_there && !args.settings.is_empty() {
        tell(format_args!(
            "warning: {} is gone on with by its own settings; those of the command line are not used",
            out.display()
        ));
    }
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
    // Better now than after the training.
    operating_points::check(&dataset)?;
    let device = args.device.open()?;
    let mut trainer = Trainer::new(config, &dataset, device)?;
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be made", out.display()))?;
    if args.resume && out.join(resume::RESUME).is_file() {
        resume::restore(&mut trainer, &out)?;
    }
    let mut progress = Progress::new(&out)?;
    trainer.run(&out, &mut |event| progress.show(event))?;
    tell(format_args!(
        "the run is in {0}; next: host-trainer quantize {0} --out models/NAME",
        out.display()
    ));
    Ok(())
}
