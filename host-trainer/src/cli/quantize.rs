//! `host-trainer quantize`.

mod print;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{DataArgs, tell};
use crate::checkpoint::Run;
#[cfg(feature = "libtorch")]
use crate::config::RunConfig;
use crate::dataset::DatasetName;
use crate::export::CARD;
use crate::export::model::{Options, export};
use crate::quantize::calibrate::Method;

/// Quantize a run to int8 and export it: model.bin, model.onnx, model.int8.onnx, model.toml
#[derive(Debug, Args)]
pub struct QuantizeArgs {
    /// The training run
    run: PathBuf,
    /// The model folder to write
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// How ranges are taken from training samples
    #[arg(long, value_enum, default_value = "auto")]
    calibration: Calibration,
    /// The least mean cosine between int8 and float embeddings of training samples that
    /// were left out of the calibration; below it nothing is exported
    #[arg(long, default_value_t = Options::USUAL_TOLERANCE, value_parser = cosine)]
    tolerance: f64,
    /// Print the card as one JSON object
    #[arg(long)]
    json: bool,
}

/// How ranges are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Calibration {
    /// As keeps the embeddings of left-out training samples best, with equalized channels
    /// and corrected biases where they help
    Auto,
    /// From the smallest number that occurred to the largest
    MinMax,
    /// Without the outermost ten-thousandth at each end
    Percentile,
    /// With the least expected squared error
    Mse,
}

impl Calibration {
    fn method(self) -> Option<Method> {
        match self {
            Self::Auto => None,
            Self::MinMax => Some(Method::MinMax),
            Self::Percentile => Some(Method::Percentile),
            Self::Mse => Some(Method::Mse),
        }
    }
}

fn cosine(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(cosine) if (-1.0..=1.0).contains(&cosine) => Ok(cosine),
        _ => Err("expected a number from -1 to 1, such as 0.9".into()),
    }
}

/// The flags that are not as usual, for the command in the card.
fn flags(args: &QuantizeArgs) -> String {
    let mut flags = String::new();
    if let Some(value) = args.calibration.to_possible_value()
        && args.calibration != Calibration::Auto
    {
        flags += &format!(" --calibration {}", value.get_name());
    }
    if args.tolerance != Options::USUAL_TOLERANCE {
        flags += &format!(" --tolerance {}", args.tolerance);
    }
    flags
}

/// Runs the command.
///
/// # Errors
/// When the run or its data set cannot be read, or the folder not written.
pub fn run(args: &QuantizeArgs, out: &mut impl Write) -> Result<()> {
    let run = Run::load(&args.run)?;
    let dataset = DatasetName::parse(&run.config.dataset)?.load(args.data.data.as_deref())?;
    let mut rebuild = super::finetune::history(&args.run)?;
    if rebuild.is_empty() {
        rebuild.push(train(&args.out.join(CARD), &args.run));
    }
    let (from, to) = (relative(&args.run), relative(&args.out));
    rebuild.push(format!(
        "{PROGRAM} quantize {from} --out {to}{}",
        flags(args)
    ));
    let options = Options {
        calibration: args.calibration.method(),
        tolerance: args.tolerance,
        rebuild,
    };
    let card = export(&run, &dataset, &args.out, &options, &mut |what| tell(what))?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&card)?)?;
        return Ok(());
    }
    print::card(&args.out, &card, out)
}

/// How cards call this program.
pub(super) const PROGRAM: &str = "cargo run -p host-trainer --";

/// The command that trains a run anew with the settings in a file, wherever the data are.
pub(super) fn train(config: &Path, run: &Path) -> String {
    let file = config.file_name().unwrap_or_default().to_string_lossy();
    let folder = config.parent().map(relative).unwrap_or_default();
    format!(
        "{PROGRAM} train --config {folder}/{file} --out {}",
        relative(run)
    )
}

/// The command that trains a run anew whose configuration no card holds: with every
/// setting in it.
#[cfg(feature = "libtorch")]
pub(super) fn train_anew(config: &RunConfig, run: &Path) -> Result<String> {
    let settings = config.settings()?.join(" ");
    Ok(format!(
        "{PROGRAM} train --dataset {} {settings} --out {}",
        config.dataset,
        relative(run)
    ))
}

/// The last two parts of a path: cards name no folders of the machine they were made on.
pub(super) fn relative(path: &Path) -> String {
    let parts: Vec<_> = path.components().collect();
    let last: PathBuf = parts[parts.len().saturating_sub(2)..].iter().collect();
    last.display().to_string()
}
