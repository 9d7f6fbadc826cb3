//! `host-trainer quantize` of a network that segments.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, ensure};

use super::{PROGRAM, QuantizeArgs, relative};
use crate::cli::{finetune, tell};
use crate::dataset::Part;
use crate::segmentation::config::SegmentationConfig;
use crate::segmentation::dataset::{self, Task, split::part_of, synthetic};
use crate::segmentation::export::{SegmentationCard, export};
use crate::segmentation::samples::{Samples, preprocessing};

/// Made-up tasks that ranges are taken from, where the network learnt from no others.
const TASKS: u64 = 60;

/// Pictures of each.
const CASES: usize = 8;

pub(super) fn run(
    args: &QuantizeArgs,
    config: &SegmentationConfig,
    out: &mut impl Write,
) -> Result<()> {
    ensure!(
        args.export.cohort.is_none(),
        "{}: expected no --cohort for a network that segments, which compares with nobody, found one: leave it out",
        args.run.display()
    );
    let preprocess = preprocessing(config.network.side);
    let samples = |task: &Task| {
        Samples::new(task, &preprocess, |case| {
            config.tasks.is_empty() || part_of(&task.name, &case.subject) == Part::Train
        })
    };
    let tasks: Vec<Task> = match config.tasks.is_empty() {
        // Of those that it learnt from.
        true => (0..TASKS)
            .map(|index| synthetic::task(config.seed, index, CASES))
            .collect(),
        false => dataset::load(args.data.data.as_deref())?,
    };
    let learnt = tasks
        .iter()
        .filter(|task| config.tasks.is_empty() || config.tasks.contains(&task.name));
    let samples: Vec<Samples> = learnt.map(samples).collect::<Result<_>>()?;
    let (from, to) = (relative(&args.run), relative(&args.out));
    let mut rebuild = commands(config, &args.run)?;
    rebuild.push(format!("{PROGRAM} quantize {from} --out {to}"));
    let card = export(
        &args.run,
        config,
        &samples,
        &args.out,
        rebuild,
        &mut |what| tell(what),
    )?;
    match args.export.json {
        true => Ok(writeln!(out, "{}", serde_json::to_string(&card)?)?),
        false => print(&card, out),
    }
}

/// The commands that train a run anew.
///
/// # Errors
/// When it goes on from another run, and how cannot be read.
pub(in crate::cli) fn commands(config: &SegmentationConfig, run: &Path) -> Result<Vec<String>> {
    let mut commands = finetune::history(run)?;
    if commands.is_empty() {
        commands.push(train(config, None, run)?);
    }
    Ok(commands)
}

/// The command that trains a run, from the weights of another one where there is one.
///
/// # Errors
/// Never: a configuration is a table.
pub(in crate::cli) fn train(
    config: &SegmentationConfig,
    pretrained: Option<&Path>,
    run: &Path,
) -> Result<String> {
    let mut flags = match config.tasks.is_empty() {
        true => " --synthetic-only".to_owned(),
        false => config
            .left_out
            .iter()
            .map(|task| format!(" --leave-out {task}"))
            .collect(),
    };
    let settings = toml::Table::try_from(config)?;
    for key in ["training", "network"] {
        if let Some(value) = settings.get(key) {
            flags += &format!(" --set '{key}={value}'");
        }
    }
    if let Some(pretrained) = pretrained {
        flags += &format!(" --pretrained {}", relative(pretrained));
    }
    Ok(format!(
        "{PROGRAM} train-segmentation{flags} --seed {} --out {}",
        config.seed,
        relative(run)
    ))
}

fn print(card: &SegmentationCard, out: &mut impl Write) -> Result<()> {
    let costs = &card.costs;
    let million = |macs: u64| macs as f64 / 1e6;
    writeln!(out, "model {}", card.model_id)?;
    writeln!(
        out,
        "reference: {:.1} million multiply-accumulates, {} bytes kept of each",
        million(costs.reference_macs),
        costs.record_bytes
    )?;
    writeln!(
        out,
        "query: {:.1} million multiply-accumulates and {:.1} for each reference",
        million(costs.query_macs),
        million(costs.comparison_macs)
    )?;
    writeln!(
        out,
        "{:.1} KB flash, {:.1} KB memory for activations",
        costs.artifact_bytes as f64 / 1024.0,
        costs.arena_bytes as f64 / 1024.0
    )?;
    writeln!(
        out,
        "int8 masks and float ones: mean Dice {:.4} ({})",
        card.quantization.agreement,
        card.quantization.calibration.name()
    )?;
    Ok(())
}
