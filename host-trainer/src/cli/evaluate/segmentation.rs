//! `host-trainer evaluate --protocol segmentation`.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use shared::Preprocess;
use shared::artifact::MAX_LEN;
use shared::preprocess::PicturePreprocess;

use super::{EvaluateArgs, figures};
use crate::cli::{count, tell};
use crate::config::CONFIG;
use crate::dataset::{DatasetName, Part};
use crate::engine::{EngineName, Precision};
use crate::export::{ARTIFACT, CARD, FLOAT_ONNX};
use crate::import;
use crate::segmentation::config::SegmentationConfig;
use crate::segmentation::dataset::{self, Task, split::part_of};
use crate::segmentation::engine::{FloatSegmenter, Int8Network, Segmenter};
use crate::segmentation::evaluate::{Options, Report, StructureReport, evaluate};
use crate::segmentation::export::{RECORD_ONNX, SegmentationCard, fused};
use crate::segmentation::float::Files;
use crate::segmentation::samples::{Samples, preprocessing};

/// What only segmentation asks.
#[derive(Debug, Args)]
pub(super) struct SegmentationArgs {
    /// The task whose structures are to be found, in segmentation [default: all that there are]
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Pictures that are segmented after each draw of references, in segmentation
    #[arg(long, default_value_t = 16, value_parser = count(1, 10_000))]
    pictures: usize,
}

/// Figures of these are figures of the same thing.
const SAME: [&str; 4] = ["protocol", "engine", "task", "shots"];

/// References of a structure where nothing is said.
const USUAL_SHOTS: usize = 5;

/// A network, and what it learnt from.
struct Network<'a> {
    segmenter: Box<dyn Segmenter + 'a>,
    engine: &'static str,
    tasks: Vec<String>,
    preprocess: PicturePreprocess,
}

pub(super) fn run(args: &EvaluateArgs, out: &mut impl Write) -> Result<()> {
    ensure!(
        args.dataset.is_none_or(|name| name == DatasetName::Medseg),
        "expected --dataset medseg with --protocol segmentation, found another"
    );
    let mut artifact = vec![];
    let mut network = open(args, &mut artifact)?;
    let tasks = dataset::load(args.data.data.as_deref())?;
    let tasks = chosen(&tasks, args.segmentation.task.as_deref())?;
    let options = Options {
        shots: args.shots.unwrap_or(USUAL_SHOTS),
        draws: args.draws,
        queries: args.segmentation.pictures,
        seed: args.seed,
    };
    for task in tasks {
        // Of a task that it learnt from only subjects that it did not learn from judge.
        let is_learnt = network.tasks.contains(&task.name);
        let samples = Samples::new(task, &network.preprocess, |case| {
            !is_learnt || part_of(&task.name, &case.subject) == Part::Test
        })?;
        let segmenter = network.segmenter.as_mut();
        let report = evaluate(segmenter, network.engine, &samples, &options, &mut |name| {
            tell(format_args!("{}: {name}", task.name));
        })?;
        if args.record {
            record(&args.model, &report)?;
        }
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            print(&report, is_learnt, out)?;
        }
    }
    Ok(())
}

/// The task that was asked for, or all.
fn chosen<'a>(tasks: &'a [Task], asked: Option<&str>) -> Result<Vec<&'a Task>> {
    let Some(asked) = asked else {
        return Ok(tasks.iter().collect());
    };
    let found: Vec<&Task> = tasks.iter().filter(|task| task.name == asked).collect();
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    ensure!(
        !found.is_empty(),
        "expected a task among {}, found {asked:?}",
        names.join(", ")
    );
    Ok(found)
}

/// A run's network in real numbers, or a model's in either; `artifact` keeps the bytes of one in
/// int8.
fn open<'a>(args: &EvaluateArgs, artifact: &'a mut Vec<u8>) -> Result<Network<'a>> {
    let folder = args.model.as_path();
    if folder.join(CONFIG).is_file() {
        let config = SegmentationConfig::load(folder)?;
        let preprocess = preprocessing(config.network.side);
        let files = Files::new(&fused(folder, &config)?, &preprocess.into(), &[]);
        return Ok(Network {
            segmenter: Box::new(FloatSegmenter::new(files)),
            engine: "tract-float",
            tasks: config.tasks,
            preprocess,
        });
    }
    let card = SegmentationCard::load(folder)?;
    let Preprocess::Picture(preprocess) = card.preprocess else {
        bail!("expected a network over pictures, found one over sequences");
    };
    let side = card.network.side;
    let (segmenter, engine): (Box<dyn Segmenter + 'a>, _) = match (args.engine, args.precision) {
        (EngineName::Int8, None | Some(Precision::Int8)) => {
            *artifact = read(folder, ARTIFACT, MAX_LEN.into())?;
            (Box::new(Int8Network::new(artifact)?), "int8")
        }
        (EngineName::Tract, None | Some(Precision::Float)) => {
            let files = Files {
                record: read(folder, RECORD_ONNX, import::MAX_LEN as u64)?,
                query: read(folder, FLOAT_ONNX, import::MAX_LEN as u64)?,
                size: [side; 2],
                record_len: card.network.graph()?.reference_len(),
            };
            (Box::new(FloatSegmenter::new(files)), "tract-float")
        }
        _ => bail!(
            "expected --engine int8, or --engine tract --precision float, to segment with, found another"
        ),
    };
    Ok(Network {
        segmenter,
        engine,
        tasks: card.tasks,
        preprocess,
    })
}

fn read(folder: &Path, file: &str, most: u64) -> Result<Vec<u8>> {
    let path = folder.join(file);
    edge_runtime::file::read(&path, most).with_context(|| path.display().to_string())
}

fn record(folder: &Path, report: &Report) -> Result<()> {
    ensure!(
        folder.join(CARD).is_file(),
        "{}: expected a model folder with a card for --record, found none",
        folder.display()
    );
    let mut card = SegmentationCard::load(folder)?;
    let fresh = figures(report)?;
    card.figures
        .retain(|old| SAME.iter().any(|&key| old.get(key) != fresh.get(key)));
    card.figures.push(fresh);
    card.save(folder)
}

fn print(report: &Report, is_learnt: bool, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{}, {} references, {} draws, {} pictures, {}{}",
        report.task,
        report.shots,
        report.draws,
        report.queries,
        report.engine,
        if is_learnt {
            ", learnt from other subjects"
        } else {
            ""
        }
    )?;
    writeln!(
        out,
        "{:<26}{:>7}{:>18}{:>7}   all fg  nearest  otsu    fitted",
        "", "Dice", "95 %", "IoU"
    )?;
    let all = StructureReport {
        dice: report.dice,
        iou: report.iou,
        ci95: report.ci95,
        baselines: report.baselines,
    };
    let rows = report.per_structure.iter();
    for (name, row) in rows
        .map(|(name, row)| (name.as_str(), row))
        .chain([("mean", &all)])
    {
        let [fg, nearest, otsu, fitted] = row.baselines.each();
        writeln!(
            out,
            "{name:<26}{:>7.3}{:>18}{:>7.3}   {fg:.3}   {nearest:.3}    {otsu:.3}   {fitted:.3}",
            row.dice,
            format!("{:.3} to {:.3}", row.ci95[0], row.ci95[1]),
            row.iou,
        )?;
    }
    Ok(())
}
