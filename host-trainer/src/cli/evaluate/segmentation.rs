//! `host-trainer evaluate --protocol segmentation`.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;

use super::{EvaluateArgs, figures};
use crate::cli::{count, tell};
use crate::dataset::DatasetName;
use crate::export::CARD;
use crate::segmentation::baselines::Baselines;
use crate::segmentation::dataset::{self, chosen};
use crate::segmentation::engine::open;
use crate::segmentation::evaluate::{Options, Report, Seen, StructureReport, evaluate};
use crate::segmentation::export::SegmentationCard;

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
const SAME: [&str; 5] = ["protocol", "engine", "precision", "task", "shots"];

/// References of a structure where nothing is said.
const USUAL_SHOTS: usize = 5;

pub(super) fn run(args: &EvaluateArgs, out: &mut impl Write) -> Result<()> {
    ensure!(
        args.dataset.is_none_or(|name| name == DatasetName::Medseg),
        "expected --dataset medseg with --protocol segmentation, found another"
    );
    let mut artifact = vec![];
    let mut network = open(&args.model, args.engine, args.precision, &mut artifact)?;
    let tasks = dataset::load(args.data.data.as_deref())?;
    let tasks = chosen(&tasks, args.segmentation.task.as_deref())?;
    let options = Options {
        shots: args.shots.unwrap_or(USUAL_SHOTS),
        draws: args.draws,
        queries: args.segmentation.pictures,
        seed: args.seed,
    };
    for task in tasks {
        let samples = network.judging(task)?;
        let report = evaluate(&mut network, &samples, &options, &mut |seen| {
            if let Seen::Structure(name) = seen {
                tell(format_args!("{}: {name}", task.name));
            }
        })?;
        if args.record {
            record(&args.model, &report)?;
        }
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            print(&report, network.has_learnt(task), out)?;
        }
    }
    Ok(())
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
        "{}, {} references, {} draws, {} pictures, engine {} ({}){}",
        report.task,
        report.shots,
        report.draws,
        report.queries,
        report.engine,
        report.precision,
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
        shown: None,
    };
    let rows = report.per_structure.iter();
    for (name, row) in rows
        .map(|(name, row)| (name.as_str(), row))
        .chain([("mean", &all)])
    {
        line(out, name, row.dice, row.ci95, Some(row.iou), &row.baselines)?;
        if let Some(shown) = row.shown.filter(|shown| shown.share < 1.0) {
            let name = format!("  {:.0} % that show it", 100.0 * shown.share);
            line(out, &name, shown.dice, shown.ci95, None, &shown.baselines)?;
        }
    }
    Ok(())
}

fn line(
    out: &mut impl Write,
    name: &str,
    dice: f64,
    [low, high]: [f64; 2],
    iou: Option<f64>,
    baselines: &Baselines,
) -> Result<()> {
    let [fg, nearest, otsu, fitted] = baselines.each();
    let interval = format!("{low:.3} to {high:.3}");
    let iou = iou.map_or(String::new(), |iou| format!("{iou:.3}"));
    writeln!(
        out,
        "{name:<26}{dice:>7.3}{interval:>18}{iou:>7}   {fg:.3}   {nearest:.3}    {otsu:.3}   {fitted:.3}",
    )?;
    Ok(())
}
