//! `host-trainer train-segmentation`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use rayon::prelude::*;

use super::quantize::segmentation::{self, commands};
use super::{DataArgs, finetune, tell};
use crate::checkpoint::{WEIGHTS, read_tensors};
use crate::config::CONFIG;
use crate::dataset::Part;
use crate::export::costs::costs_of;
use crate::segmentation::config::{Kind, SegmentationConfig};
use crate::segmentation::dataset::split::part_of;
use crate::segmentation::dataset::{self, Task, synthetic};
use crate::segmentation::samples::{Samples, preprocessing};
use crate::segmentation::train::{Data, train};
use crate::tower::Parameters;
use crate::train::device::Choice;
use crate::train::progress::Progress;

/// Pictures of a made-up task.
const CASES: usize = 8;

/// Made-up tasks that are not learnt from, where no real ones are.
const VALIDATION_TASKS: u64 = 40;

/// Train a network that finds a structure in pictures after a few marked ones
#[derive(Debug, Args)]
pub struct TrainSegmentationArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Learn nothing from this task, to judge the network by it later; several times for
    /// several
    #[arg(long, value_name = "TASK")]
    leave_out: Vec<String>,
    /// Learn from this task alone, and from none that is made up: a supervised network, to
    /// compare with
    #[arg(long, value_name = "TASK", conflicts_with_all = ["leave_out", "synthetic_only"])]
    supervised: Option<String>,
    /// Learn from made-up tasks alone; needs no files
    #[arg(long)]
    synthetic_only: bool,
    /// Begin with the weights of this run on other tasks, and with its network
    #[arg(long, value_name = "RUN")]
    pretrained: Option<PathBuf>,
    /// The folder of the run [default: runs/segmentation]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where to train
    #[arg(long, value_enum, default_value = "auto")]
    device: Choice,
    /// Batches in all
    #[arg(long)]
    steps: Option<usize>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Change any other entry of run.toml, such as training.real=0.5 or network.cells=0
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When data cannot be read, settings contradict each other, or the folder holds a run.
pub fn run(args: &TrainSegmentationArgs) -> Result<()> {
    let usual = || PathBuf::from("runs/segmentation");
    let out = args.out.clone().unwrap_or_else(usual);
    ensure!(
        !out.join(CONFIG).is_file(),
        "{}: expected no run there, found one: choose another --out",
        out.display()
    );
    let tasks = match args.synthetic_only {
        true => vec![],
        false => dataset::load(args.data.data.as_deref())?,
    };
    let base = args.pretrained.as_deref().map(Base::load).transpose()?;
    let config = config(args, &tasks, base.as_ref())?;
    config.check()?;
    let data = data(&config, &tasks)?;
    let device = args.device.open()?;
    let costs = costs_of(&config.network.graph()?)?;
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be made", out.display()))?;
    let (mut history, mut parameters) = (vec![], None);
    if let Some(base) = base {
        history = commands(&base.config, &base.run)?;
        history.push(segmentation::train(&config, Some(&base.run), &out)?);
        parameters = Some(base.parameters);
    }
    finetune::record(&out, history)?;
    let mut progress = Progress::new(&out)?;
    train(
        &config,
        &data,
        parameters.as_ref(),
        device,
        &out,
        costs,
        &mut |event| progress.show(event),
    )?;
    tell(format_args!(
        "the run is in {0}; next: host-trainer quantize {0} --out models/NAME",
        out.display()
    ));
    Ok(())
}

/// What a training begins with.
struct Base {
    run: PathBuf,
    config: SegmentationConfig,
    parameters: Parameters,
}

impl Base {
    fn load(run: &Path) -> Result<Self> {
        Ok(Self {
            config: SegmentationConfig::load(run)?,
            parameters: read_tensors(&run.join(WEIGHTS))?.0,
            run: run.to_owned(),
        })
    }
}

fn config(
    args: &TrainSegmentationArgs,
    tasks: &[Task],
    base: Option<&Base>,
) -> Result<SegmentationConfig> {
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    for asked in args.leave_out.iter().chain(&args.supervised) {
        ensure!(
            names.contains(&asked.as_str()),
            "expected a task among {}, found {asked:?}",
            names.join(", ")
        );
    }
    let is_learnt_from = |name: &&&str| match &args.supervised {
        Some(only) => **name == only.as_str(),
        None => !args.leave_out.iter().any(|left| **name == left.as_str()),
    };
    let (learnt, left): (Vec<&&str>, Vec<&&str>) =
        names.iter().partition(|name| is_learnt_from(name));
    let owned = |names: Vec<&&str>| names.into_iter().map(|&name| name.to_owned()).collect();
    let mut config = SegmentationConfig {
        kind: Kind::Segmentation,
        tasks: owned(learnt),
        left_out: owned(left),
        seed: args.seed,
        training: Default::default(),
        network: base.map_or_else(Default::default, |base| base.config.network.clone()),
    };
    if let Some(base) = base {
        let unknown = |name: &&String| !config.tasks.contains(name);
        ensure!(
            !base.config.tasks.iter().any(|name| unknown(&name)),
            "{}: expected a run that has seen none but the tasks to learn from ({}), found one that learnt from {}: begin with a run of --synthetic-only",
            base.run.display(),
            config.tasks.join(", "),
            base.config.tasks.join(", ")
        );
    }
    if args.supervised.is_some() {
        config.training.real = 1.0;
        config.training.synthetic_tasks = 0;
    }
    if config.tasks.is_empty() {
        config.training.real = 0.0;
    }
    if let Some(steps) = args.steps {
        config.training.steps = steps;
    }
    config.with(&args.set)
}

fn data(config: &SegmentationConfig, tasks: &[Task]) -> Result<Data> {
    let preprocess = preprocessing(config.network.side);
    let of = |wanted: Part| -> Result<Vec<Samples>> {
        let tasks = tasks
            .iter()
            .filter(|task| config.tasks.contains(&task.name));
        let samples = tasks.map(|task| {
            Samples::new(task, &preprocess, |case| {
                part_of(&task.name, &case.subject) == wanted
            })
        });
        samples.collect()
    };
    tell("making up tasks");
    let made_up = |first: u64, count: u64| -> Result<Vec<Samples>> {
        let tasks = (first..first + count).into_par_iter();
        tasks
            .map(|index| {
                Samples::new(
                    &synthetic::task(config.seed, index, CASES),
                    &preprocess,
                    |_| true,
                )
            })
            .collect()
    };
    let count = config.training.synthetic_tasks as u64;
    let mut validation = of(Part::Validation)?;
    if config.tasks.is_empty() {
        validation = made_up(count, VALIDATION_TASKS)?;
    }
    Ok(Data {
        real: of(Part::Train)?,
        synthetic: made_up(0, count)?,
        validation,
    })
}
