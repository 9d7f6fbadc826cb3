//! `host-trainer evaluate`.

mod print;
mod segmentation;
mod trained;
mod verify;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use shared::artifact::{Artifact, MAX_LEN, OperatingPoint};

use super::{DataArgs, count};
use crate::dataset::{DatasetName, omniglot};
use crate::engine::{self, Embedder, EngineName, Precision};
use crate::evaluate::{Report, enrolment, few_shot, koch_verification, omniglot_runs, open_set};
use crate::export::card::ModelCard;
use crate::export::{ARTIFACT, CARD};
use crate::head::{Head, HeadName, Tuning};

use trained::Trained;

/// Measure how good a run or model is, on classes that training never saw
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A training run or a model folder
    model: PathBuf,
    /// The data set to judge with [default: the one that run or card records]
    ///
    /// Of a model that was trained on one of Omniglot's splits, `omniglot` means the
    /// split that run or card records.
    #[arg(long, value_enum)]
    dataset: Option<DatasetName>,
    #[command(flatten)]
    data: DataArgs,
    /// What is asked of the model
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// Classes in a few-shot episode
    #[arg(long, default_value_t = 20, value_parser = count(2, 10_000))]
    ways: usize,
    /// Enrolled samples per class [default: 1 in few-shot, 5 in open-set and enrolment; in
    /// verification as the data set's protocol has it: its published pairs, 10 for sigcomp2011,
    /// or else 5]
    #[arg(long, value_parser = count(1, 255))]
    shots: Option<usize>,
    /// Probes per class in a few-shot episode
    #[arg(long, default_value_t = 5, value_parser = count(1, 10_000))]
    queries: usize,
    /// Few-shot episodes
    #[arg(long, default_value_t = 1000, value_parser = count(2, 1_000_000))]
    episodes: usize,
    /// Random halves of the classes in open-set; draws of the pairs in koch-verification
    #[arg(long, default_value_t = 10, value_parser = count(1, 1000))]
    draws: usize,
    /// Pairs in a draw of koch-verification
    #[arg(long, default_value_t = 10_000, value_parser = count(2, 10_000_000))]
    pairs: usize,
    /// Seed of episodes and draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What turns the samples of an episode into references [default: the model's own]
    #[arg(long, value_enum)]
    head: Option<HeadName>,
    /// Let a fine-tuned head learn from the probes of an episode too, without their labels
    #[arg(long)]
    transductive: bool,
    /// False-accept rate that the threshold aims at, in verification and open-set
    /// [default: the model's usual one, 0.03 where it is measured]
    #[arg(long)]
    far: Option<f32>,
    #[command(flatten)]
    verify: verify::VerifyArgs,
    #[command(flatten)]
    segmentation: segmentation::SegmentationArgs,
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
    /// Who of the enrolled half of the classes is this, or nobody of them?
    OpenSet,
    /// Omniglot's official one-shot test
    OmniglotRuns,
    /// Are two Omniglot drawings of one character? As Koch et al., 2015, ask
    KochVerification,
    /// What of good and of spoilt pictures does enrolment refuse?
    Enrolment,
    /// Where is a structure, after a few references of it? Of networks that segment
    Segmentation,
}

/// Figures of these are figures of the same thing.
const SAME: [&str; 13] = [
    "protocol",
    "engine",
    "precision",
    "dataset",
    "ways",
    "shots",
    "queries",
    "pairs",
    "head",
    "tuning",
    "far_target",
    "fusion",
    "cohort",
];

/// Runs the command.
///
/// # Errors
/// When model or data cannot be read, or the engine fails.
pub fn run(args: &EvaluateArgs, out: &mut impl Write) -> Result<()> {
    if args.protocol == Protocol::Segmentation {
        return segmentation::run(args, out);
    }
    let data = args.data.data.as_deref();
    let mut embedder = engine::open(&args.model, args.engine, args.precision)?;
    let embedder = embedder.as_mut();
    let trained = Trained::of(&args.model)?;
    let report = match args.protocol {
        Protocol::OmniglotRuns => {
            trained.check_official(args.dataset, "omniglot-runs")?;
            let runs = omniglot::all_runs(data.unwrap_or(Path::new(".")))?;
            omniglot_runs::evaluate(embedder, &runs)?
        }
        Protocol::KochVerification => {
            trained.check_official(args.dataset, "koch-verification")?;
            let dataset = DatasetName::OmniglotKoch.load(data)?;
            let options = koch_verification::Options {
                pairs: args.pairs,
                draws: args.draws,
                seed: args.seed,
            };
            koch_verification::evaluate(embedder, &dataset, &options)?
        }
        Protocol::FewShot => {
            ensure!(
                !args.transductive
                    || matches!(args.head, Some(HeadName::Finetune | HeadName::Auto)),
                "expected --head finetune or auto with --transductive, found another: only a fine-tuned head learns from probes"
            );
            let dataset = trained.load(args.dataset, data)?;
            let tuning = match args.transductive {
                true => Tuning::TRANSDUCTIVE,
                false => Tuning::INDUCTIVE,
            };
            let own = Head::Fused(embedder.facts().comparison.fusion);
            let options = few_shot::Options {
                ways: args.ways,
                shots: args.shots.unwrap_or(1),
                queries: args.queries,
                episodes: args.episodes,
                seed: args.seed,
                head: args
                    .head
                    .map_or(Some(own), |name| Head::named(name, tuning)),
                tuning,
            };
            few_shot::evaluate(embedder, &dataset, &options)?
        }
        Protocol::Segmentation => unreachable!("done above"),
        Protocol::Verification => verify::run(args, embedder, &trained)?,
        Protocol::OpenSet => {
            let dataset = trained.load(args.dataset, data)?;
            let shots = args.shots.unwrap_or(5);
            let options = open_set::Options {
                shots,
                draws: args.draws,
                seed: args.seed,
                operating_point: operating_point(args, embedder, shots)?,
            };
            open_set::evaluate(embedder, &dataset, &options)?
        }
        Protocol::Enrolment => {
            let dataset = trained.load(args.dataset, data)?;
            let bytes = artifact(&args.model)?;
            let artifact = Artifact::parse(&bytes)?;
            let shots = args.shots.unwrap_or(5);
            enrolment::evaluate(embedder, &artifact, &dataset, shots)?
        }
    };
    if let Some(file) = &args.verify.det {
        verify::write_curves(file, &report)?;
    }
    if args.record {
        record(&args.model, &report)?;
    }
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        print::report(&report, out)?;
    }
    Ok(())
}

/// The operating point that a device would use; a float network has none.
fn operating_point(
    args: &EvaluateArgs,
    embedder: &dyn Embedder,
    shots: usize,
) -> Result<Option<OperatingPoint>> {
    if embedder.facts().model_id.is_none() || args.precision == Some(Precision::Float) {
        return Ok(None);
    }
    let bytes = artifact(&args.model)?;
    let artifact = Artifact::parse(&bytes)?;
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

/// The checked artifact of a model folder.
fn artifact(model: &Path) -> Result<Vec<u8>> {
    let path = model.join(ARTIFACT);
    let context = || path.display().to_string();
    let bytes = edge_runtime::file::read(&path, MAX_LEN.into()).with_context(context)?;
    Artifact::parse(&bytes).with_context(context)?;
    Ok(bytes)
}

fn record(model: &Path, report: &Report) -> Result<()> {
    ensure!(
        model.join(CARD).is_file(),
        "{}: expected a model folder with a card for --record, found none",
        model.display()
    );
    let mut card = ModelCard::load(model)?;
    card.record(figures(report)?, &SAME);
    card.save(model)
}

/// A report as an entry of a card.
fn figures(report: &impl Serialize) -> Result<toml::Table> {
    // By way of text, which keeps single-precision numbers short.
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(report)?)?;
    let fields = json.as_object().into_iter().flatten();
    // The card is of one model and says which.
    let fields = fields.filter(|(key, value)| !value.is_null() && key.as_str() != "model_id");
    fields
        .map(|(key, value)| Ok((key.clone(), toml::Value::try_from(value)?)))
        .collect()
}
