//! `host-trainer evaluate`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use shared::artifact::operating_point::USUAL_FAR_TARGET;
use shared::artifact::{Artifact, MAX_LEN, OperatingPoint};

use super::{DataArgs, count, tell};
use crate::checkpoint::{self, RunConfig};
use crate::dataset::{Dataset, DatasetName, omniglot};
use crate::engine::{self, Embedder, EngineName, Precision};
use crate::evaluate::{Details, Report, few_shot, omniglot_runs, verification};
use crate::export::card::ModelCard;
use crate::export::{ARTIFACT, CARD};

/// Measure how good a run or model is, on classes that training never saw
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A training run or a model folder
    model: PathBuf,
    /// The data set to judge with
    #[arg(long, value_enum)]
    dataset: DatasetName,
    #[command(flatten)]
    data: DataArgs,
    /// What is asked of the model
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// Classes in a few-shot episode
    #[arg(long, default_value_t = 20, value_parser = count(2, 10_000))]
    ways: usize,
    /// Enrolled samples per class [default: 5 in verification, 1 in few-shot]
    #[arg(long, value_parser = count(1, 255))]
    shots: Option<usize>,
    /// Probes per class in a few-shot episode
    #[arg(long, default_value_t = 5, value_parser = count(1, 10_000))]
    queries: usize,
    /// Few-shot episodes
    #[arg(long, default_value_t = 1000, value_parser = count(2, 1_000_000))]
    episodes: usize,
    /// Seed of the episodes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// False-accept rate that the threshold aims at, in verification [default: the
    /// model's usual one, 0.03 where it is measured]
    #[arg(long)]
    far: Option<f32>,
    /// What runs the model
    #[arg(long, value_enum, default_value = "int8")]
    engine: EngineName,
    /// Which network of a model folder [default: int8]
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Put the figures into the model's card
    #[arg(long)]
    record: bool,
}

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Is this the claimed class?
    Verification,
    /// Which of N classes is this, from K samples of each?
    FewShot,
    /// Omniglot's official one-shot test
    OmniglotRuns,
}

/// Figures of these are figures of the same thing.
const SAME: [&str; 8] = [
    "protocol",
    "engine",
    "precision",
    "dataset",
    "ways",
    "shots",
    "queries",
    "far_target",
];

/// Runs the command.
///
/// # Errors
/// When model or data cannot be read, or the engine fails.
pub fn run(args: &EvaluateArgs, out: &mut impl Write) -> Result<()> {
    let data = args.data.data.as_deref();
    let mut embedder = engine::open(&args.model, args.engine, args.precision)?;
    let embedder = embedder.as_mut();
    let report = match args.protocol {
        Protocol::OmniglotRuns => {
            ensure!(
                args.dataset == DatasetName::Omniglot,
                "expected --dataset omniglot with --protocol omniglot-runs, found another"
            );
            let runs = omniglot::all_runs(data.unwrap_or(Path::new(".")))?;
            omniglot_runs::evaluate(embedder, &runs)?
        }
        Protocol::FewShot => {
            let dataset = load(args)?;
            let options = few_shot::Options {
                ways: args.ways,
                shots: args.shots.unwrap_or(1),
                queries: args.queries,
                episodes: args.episodes,
                seed: args.seed,
            };
            few_shot::evaluate(embedder, &dataset, &options)?
        }
        Protocol::Verification => {
            let far = args.far.unwrap_or(USUAL_FAR_TARGET);
            ensure!(
                (0.0..=1.0).contains(&far),
                "expected --far between 0 and 1, found {far}"
            );
            let dataset = load(args)?;
            let shots = args.shots.unwrap_or(5);
            let options = verification::Options {
                shots,
                far_target: far,
                operating_point: operating_point(args, embedder, shots)?,
            };
            verification::evaluate(embedder, &dataset, &options)?
        }
    };
    if args.record {
        record(&args.model, &report)?;
    }
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report, out)?;
    }
    Ok(())
}

/// The data set, with a warning when its split is not the one of the training.
fn load(args: &EvaluateArgs) -> Result<Dataset> {
    let dataset = args.dataset.load(args.data.data.as_deref())?;
    let trained = match args.model.join(checkpoint::CONFIG).is_file() {
        true => RunConfig::load(&args.model).map(|run| (run.dataset, run.split_sha256))?,
        false => ModelCard::load(&args.model).map(|card| (card.dataset, card.split_sha256))?,
    };
    let split = dataset.split.hash(&dataset.classes);
    if trained.0 == dataset.name && trained.1 != split {
        tell(format_args!(
            "warning: expected the split that the model was trained with ({}), found {split}: \
             classes that are judged here may have been seen in training",
            trained.1
        ));
    }
    Ok(dataset)
}

/// The operating point that a device would use; a float network has none.
fn operating_point(
    args: &EvaluateArgs,
    embedder: &dyn Embedder,
    shots: usize,
) -> Result<Option<OperatingPoint>> {
    let path = args.model.join(ARTIFACT);
    if embedder.facts().model_id.is_none() || args.precision == Some(Precision::Float) {
        return Ok(None);
    }
    let bytes = edge_runtime::file::read(&path, MAX_LEN.into())
        .with_context(|| path.display().to_string())?;
    let artifact = Artifact::parse(&bytes).with_context(|| path.display().to_string())?;
    let points = artifact.operating_points();
    let far = args.far.unwrap_or(points.usual_target());
    let point = points.choose(far, shots).with_context(|| {
        format!(
            "expected --far of at least {}, the strictest that this model has a measured threshold for, found {far}",
            points.strictest_target()
        )
    })?;
    Ok(Some(point))
}

fn record(model: &Path, report: &Report) -> Result<()> {
    ensure!(
        model.join(CARD).is_file(),
        "{}: expected a model folder with a card for --record, found none",
        model.display()
    );
    let mut card = ModelCard::load(model)?;
    // By way of text, which keeps single-precision numbers short.
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(report)?)?;
    let fields = json.as_object().into_iter().flatten();
    // The card is of one model and says which.
    let fields = fields.filter(|(key, value)| !value.is_null() && key.as_str() != "model_id");
    let figures = fields
        .map(|(key, value)| Ok((key.clone(), toml::Value::try_from(value)?)))
        .collect::<Result<toml::Table>>()?;
    card.record(figures, &SAME);
    card.save(model)
}

fn print(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let percent = |rate: f64| format!("{:.2} %", 100.0 * rate);
    writeln!(
        out,
        "{} on {}, engine {} ({}), {} comparisons",
        report.protocol, report.dataset, report.engine, report.precision, report.comparisons
    )?;
    writeln!(
        out,
        "accuracy  {} (95 %: {} to {})",
        percent(report.accuracy),
        percent(report.ci95[0]),
        percent(report.ci95[1])
    )?;
    match &report.details {
        Details::Verification(details) => {
            let rate = |rate: Option<f64>| percent(rate.unwrap_or(f64::NAN));
            writeln!(out, "EER       {}", rate(report.eer))?;
            writeln!(
                out,
                "FAR       {} (95 %: {} to {})",
                rate(report.far),
                percent(details.far_ci95[0]),
                percent(details.far_ci95[1])
            )?;
            writeln!(
                out,
                "FRR       {} (95 %: {} to {})",
                rate(report.frr),
                percent(details.frr_ci95[0]),
                percent(details.frr_ci95[1])
            )?;
            writeln!(
                out,
                "at threshold {:.4} (from {}, aiming at FAR {}); {} shots, {} classes",
                details.threshold,
                details.threshold_from,
                percent(f64::from(details.far_target)),
                details.shots,
                details.classes
            )?;
            writeln!(out, "impostors: {}", details.impostors)?;
            writeln!(
                out,
                "with samples of other classes instead: EER {}, FAR {}",
                percent(details.random_impostors.eer),
                percent(details.random_impostors.far)
            )?;
        }
        Details::FewShot(options) => writeln!(
            out,
            "{}-way {}-shot, {} probes per class, {} episodes",
            options.ways, options.shots, options.queries, options.episodes
        )?,
        Details::OmniglotRuns(details) => {
            let runs: Vec<String> = details.runs.iter().map(|&run| percent(run)).collect();
            writeln!(out, "runs: {}", runs.join(", "))?;
        }
    }
    Ok(())
}
