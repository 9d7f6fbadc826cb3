//! `host-trainer finetune`.

#[cfg(feature = "libtorch")]
mod whole;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use edge_runtime::keys::file::device_keys;
use edge_runtime::store::file::FileStore;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{percent, tell};
#[cfg(feature = "libtorch")]
use crate::checkpoint::write_whole;
use crate::engine::{self, EngineName};
use crate::head::support::{Enrolment, Support};
use crate::head::{Head, HeadName, Tuning};

/// Fit a trained model to new classes of a few samples each
///
/// Writes a template store, a prototype per class, which `semblance` uses as any other:
/// the tower stays as it is, a cosine classifier on top of it is learnt. With --whole the
/// tower of a training run is trained on and a run is written, to be quantized as any.
#[derive(Debug, Args)]
pub struct FinetuneArgs {
    /// The model folder, or with --whole a training run
    model: PathBuf,
    /// The folder of the keys that the store is sealed with, which are the device's; made when
    /// it is not there [env: SEMBLANCE_KEYS] [default: `semblance` in the user's folder for
    /// data]
    #[arg(long, value_name = "FOLDER")]
    keys: Option<PathBuf>,
    /// Write the store in the clear, to be sealed on another device by `semblance rotate-key
    /// --unsealed`
    #[arg(long, conflicts_with = "keys")]
    unsealed: bool,
    /// The samples: a folder per class, named as the subject, pictures in it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The template store to write, or with --whole the folder of the run
    #[arg(long)]
    out: PathBuf,
    /// What makes a template of samples; auto takes the one that answers samples best
    /// that are left out
    #[arg(long, value_enum, default_value = "finetune")]
    head: HeadName,
    /// Unlabelled pictures to learn from too, such as the device will see
    #[arg(long, value_name = "DIR")]
    transductive: Option<PathBuf>,
    /// Weight of the entropy of the answers, 0 or more: to the unlabelled pictures, or
    /// to the samples where there are none [default: 1 or 0]
    #[arg(long, value_parser = weight)]
    entropy: Option<f64>,
    #[cfg(feature = "libtorch")]
    #[command(flatten)]
    whole: whole::WholeArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// In the folder of a run that goes on from another one: how it came about.
const HISTORY: &str = "finetune.toml";

/// See [`HISTORY`].
#[derive(Debug, Default, Serialize, Deserialize)]
struct History {
    /// The commands that made the run, first the training.
    commands: Vec<String>,
}

/// The commands that made a run from another one; none of one that was trained afresh.
///
/// # Errors
/// When there are some and they cannot be read.
pub(super) fn history(run: &Path) -> Result<Vec<String>> {
    let path = run.join(HISTORY);
    if !path.is_file() {
        return Ok(vec![]);
    }
    let context = || {
        format!(
            "{}: expected what `host-trainer finetune --whole` or `train --quantization-aware` wrote",
            path.display()
        )
    };
    let text = std::fs::read_to_string(&path).with_context(context)?;
    let history: History = toml::from_str(&text).with_context(context)?;
    Ok(history.commands)
}

/// Writes down the commands that made a run from another one; without any, forgets those of a run
/// that was not even begun.
///
/// # Errors
/// When the run's folder cannot be written.
#[cfg(feature = "libtorch")]
pub(super) fn record(run: &Path, commands: Vec<String>) -> Result<()> {
    let path = run.join(HISTORY);
    if commands.is_empty() {
        if path.is_file() {
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        return Ok(());
    }
    let history = toml::to_string(&History { commands })?;
    write_whole(&run.join(HISTORY), history.as_bytes())
}

fn weight(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(weight) if (0.0..=100.0).contains(&weight) => Ok(weight),
        _ => Err("expected a number from 0 to 100".into()),
    }
}

/// Runs the command.
///
/// # Errors
/// When model or pictures cannot be read, the head makes no sense with them, or there is
/// a store already.
pub fn run(args: &FinetuneArgs, out: &mut impl Write) -> Result<()> {
    #[cfg(feature = "libtorch")]
    if args.whole.whole {
        return whole::run(args, out);
    }
    ensure!(
        args.transductive.is_none()
            || !matches!(
                args.head,
                HeadName::Prototype | HeadName::Nearest | HeadName::Mean | HeadName::Relative
            ),
        "expected --head finetune or auto with --transductive, found another: only a fine-tuned head learns from unlabelled pictures"
    );
    let usual = match args.transductive {
        Some(_) => Tuning::TRANSDUCTIVE,
        None => Tuning::INDUCTIVE,
    };
    let tuning = Tuning {
        entropy: args.entropy.unwrap_or(usual.entropy),
        ..usual
    };
    let mut int8 = engine::open(&args.model, EngineName::Int8, None)?;
    let support = Support::new(int8.as_mut(), &args.data, args.transductive.as_deref())?;
    let enrolment = support.enroll(args.head, tuning)?;
    let (model, templates) = (support.model(), enrolment.templates.clone());
    match args.unsealed {
        true => FileStore::create_unsealed(&args.out, model, &templates)?,
        false => drop(FileStore::create(
            &args.out,
            model,
            device_keys(args.keys.as_deref())?,
            templates,
        )?),
    }
    if args.json {
        writeln!(out, "{}", as_json(args, &support, &enrolment))?;
        return Ok(());
    }
    for (name, share) in enrolment
        .choice
        .iter()
        .flat_map(|choice| &choice.candidates)
    {
        writeln!(
            out,
            "left-out samples answered rightly: {}, head {name}",
            percent(*share)
        )?;
    }
    writeln!(
        out,
        "{}: {} subjects, head {}",
        args.out.display(),
        enrolment.templates.len(),
        enrolment.head.name()
    )?;
    if let Head::Finetune(_) = enrolment.head {
        tell(
            "the model's error rates were measured with the means of samples, not with learnt prototypes",
        );
    }
    Ok(())
}

fn as_json(args: &FinetuneArgs, support: &Support, enrolment: &Enrolment) -> serde_json::Value {
    let subjects = enrolment
        .templates
        .iter()
        .map(|template| json!({"subject": template.subject(), "shots": template.shot_count()}));
    let scale = enrolment.templates.iter().find_map(|t| t.learned());
    json!({
        "store": args.out.display().to_string(),
        "model_id": support.model().to_string(),
        "head": enrolment.head.name(),
        "tuning": enrolment.head.tuning(),
        "scale": scale.map(|learned| learned.scale),
        "choice": enrolment.choice,
        "subjects": subjects.collect::<Vec<_>>(),
    })
}
