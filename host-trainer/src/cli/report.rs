//! `host-trainer report`.

mod segmentation;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::{DataArgs, count, tell};
use crate::checkpoint::{EVENTS, write_whole};
use crate::config::RunConfig;
use crate::dataset::DatasetName;
use crate::engine::{self, EngineName, Precision};
use crate::report::events::History;
use crate::report::subject::Subject;
use crate::report::summary::Summary;
use crate::report::{self, Options};

/// Write one HTML page that shows how a run or model was trained and how good it is
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A training run or a model folder
    model: PathBuf,
    /// The run that a model folder was made from, for its training curves
    #[arg(long)]
    run: Option<PathBuf>,
    /// The data set to judge with [default: the one that it was trained on]
    #[arg(long, value_enum)]
    dataset: Option<DatasetName>,
    #[command(flatten)]
    data: DataArgs,
    /// What runs the model [default: int8 for a model folder, tract for a run]
    #[arg(long, value_enum)]
    engine: Option<EngineName>,
    /// Which network of a model folder [default: int8]
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// Enrolled samples per class [default: the most of 5, 3 and 1 that the data allow]
    #[arg(long, value_parser = count(1, 255))]
    shots: Option<usize>,
    /// The task whose structures are to be found, of a network that segments [default: all that
    /// there are]
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Put pictures of samples into the page even of data that may be biometric
    #[arg(long)]
    thumbnails: bool,
    /// The file to write
    #[arg(long, default_value = "report.html")]
    out: PathBuf,
    /// Print the main figures as one JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    /// The file that was written.
    path: PathBuf,
    #[serde(flatten)]
    summary: Summary,
}

/// Runs the command.
///
/// # Errors
/// When model or data cannot be read, the engine fails, or the file cannot be written.
pub fn run(args: &ReportArgs, out: &mut impl Write) -> Result<()> {
    if let Some(subject) = segmentation::subject(args)? {
        return segmentation::run(args, &subject, out);
    }
    let subject = Subject::load(&args.model)?;
    let name = match args.dataset {
        Some(name) => name,
        None => DatasetName::parse(&subject.config.dataset)
            .with_context(|| format!("{}: trained on", args.model.display()))?,
    };
    let history = history(args, &subject)?;
    let dataset = name.load(args.data.data.as_deref())?;
    let usual = match subject.exported {
        Some(_) => EngineName::Int8,
        None => EngineName::Tract,
    };
    let engine = args.engine.unwrap_or(usual);
    let mut embedder = engine::open(&args.model, engine, args.precision)?;
    let options = Options {
        shots: args.shots,
        thumbnails: args.thumbnails || !name.may_be_biometric(),
    };
    tell("judging the test part");
    let content = report::content(
        &subject,
        history.as_ref(),
        &dataset,
        embedder.as_mut(),
        &options,
    )?;
    let (html, summary) = report::render(&content)?;
    write_whole(&args.out, html.as_bytes())?;
    if args.json {
        let path = args.out.clone();
        writeln!(out, "{}", serde_json::to_string(&Answer { path, summary })?)?;
        return Ok(());
    }
    writeln!(out, "{}: report of {}", args.out.display(), summary.name)?;
    if let Err(why) = &content.judgement {
        writeln!(out, "without error rates: {why}")?;
    }
    Ok(())
}

/// The training's events: of the run itself, or of the one named by `--run`. A run
/// without any is no error; one that the model was not made from is.
fn history(args: &ReportArgs, subject: &Subject) -> Result<Option<History>> {
    let Some(run) = &args.run else {
        let is_there = args.model.join(EVENTS).is_file();
        return match subject.exported {
            None if is_there => History::load(&args.model).map(Some),
            _ => Ok(None),
        };
    };
    ensure!(
        RunConfig::load(run)? == subject.config,
        "{}: expected the run that {} was made from, found one of another configuration: name that run, or leave --run out",
        run.display(),
        args.model.display()
    );
    History::load(run).map(Some)
}
