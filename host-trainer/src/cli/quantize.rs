//! `host-trainer quantize`.

mod print;
pub(in crate::cli) mod segmentation;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use shared::cohort::{MAX_COHORT, MIN_COHORT};
use shared::support_set::Fusion;

use super::fusion::FusionName;
use super::normalization::NormalizationName;
use super::picture::named;
use super::{DataArgs, count, tell};
use crate::checkpoint::Run;
use crate::config::CONFIG;
#[cfg(feature = "libtorch")]
use crate::config::RunConfig;
use crate::dataset::DatasetName;
use crate::export::CARD;
use crate::export::card::ModelCard;
use crate::export::model::{Options, Source, export};
use crate::quantize::calibrate::Method;
use crate::segmentation::config::{SegmentationConfig, segments};

/// Quantize a run to int8 and export it: model.bin, model.onnx, model.int8.onnx, model.toml
#[derive(Debug, Args)]
pub struct QuantizeArgs {
    /// The training run; or a model folder, whose real-numbered network is quantized anew
    run: PathBuf,
    /// The model folder to write
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    export: ExportArgs,
}

/// How a network is quantized and what is said of it.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// How ranges are taken from training samples
    #[arg(long, value_enum, default_value = "auto")]
    calibration: Calibration,
    /// How several enrolled samples become one distance [default: what tells skilled forgeries
    /// apart best among validation samples; prototype where there are none]
    #[arg(long, value_enum)]
    fusion: Option<FusionName>,
    /// Put one sample of each of so many training classes, as embeddings, into the artifact:
    /// distances to them say how near is near, and thresholds are of normalized distances
    #[arg(long, value_parser = count(MIN_COHORT, MAX_COHORT))]
    cohort: Option<usize>,
    /// Whose distances to the cohort count
    #[arg(long, value_enum, default_value = "s", requires = "cohort")]
    normalization: NormalizationName,
    /// The least mean cosine between int8 and float embeddings of training samples that
    /// were left out of the calibration; below it nothing is exported
    #[arg(long, default_value_t = Options::USUAL_TOLERANCE, value_parser = cosine)]
    tolerance: f64,
    /// Run the first layers, whose maps are the largest, patch by patch on the device: less
    /// memory for at most 1.85 times the work; the same embeddings
    #[arg(long)]
    low_memory: bool,
    /// Print the card as one JSON object
    #[arg(long)]
    pub json: bool,
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

impl ExportArgs {
    /// What is asked for, and the commands that do the same.
    pub fn options(&self, rebuild: Vec<String>) -> Options {
        Options {
            calibration: self.calibration.method(),
            fusion: self.fusion.map(Fusion::from),
            cohort: (self.cohort).map(|size| (size, self.normalization.into())),
            tolerance: self.tolerance,
            low_memory: self.low_memory,
            rebuild,
        }
    }

    /// The flags that are not as usual, for the command in the card.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        if self.calibration != Calibration::Auto {
            flags += &named("calibration", Some(self.calibration));
        }
        flags += &named("fusion", self.fusion);
        if let Some(size) = self.cohort {
            flags += &format!(" --cohort {size}");
            flags += &named("normalization", Some(self.normalization));
        }
        if self.tolerance != Options::USUAL_TOLERANCE {
            flags += &format!(" --tolerance {}", self.tolerance);
        }
        if self.low_memory {
            flags += " --low-memory";
        }
        flags
    }
}

/// Runs the command.
///
/// # Errors
/// When the run or its data set cannot be read, or the folder not written.
pub fn run(args: &QuantizeArgs, out: &mut impl Write) -> Result<()> {
    if segments(&args.run) && args.run.join(CONFIG).is_file() {
        return segmentation::run(args, &SegmentationConfig::load(&args.run)?, out);
    }
    let is_model = !args.run.join(CONFIG).is_file() && args.run.join(CARD).is_file();
    let (source, mut rebuild, from) = match is_model {
        true => {
            let (rebuild, from) = before_quantization(&args.run)?;
            (Source::of_model(&args.run)?, rebuild, from)
        }
        false => {
            let source = Source::of_run(Run::load(&args.run)?)?;
            let mut rebuild = super::finetune::history(&args.run)?;
            if rebuild.is_empty() {
                rebuild.push(train(&args.out.join(CARD), &args.run));
            }
            (source, rebuild, relative(&args.run))
        }
    };
    let name = DatasetName::parse(&source.config.dataset)?;
    let mut dataset = name.load(args.data.data.as_deref())?;
    source.config.keep_training_classes(&mut dataset)?;
    let (to, flags) = (relative(&args.out), args.export.flags());
    rebuild.push(format!("{PROGRAM} quantize {from} --out {to}{flags}"));
    let options = args.export.options(rebuild);
    let card = export(&source, &dataset, &args.out, &options, &mut |what| {
        tell(what)
    })?;
    print(&args.out, &card, args.export.json, out)
}

/// The commands that made a model before it was quantized, and what was quantized then. Of
/// an imported model, which is made in one, all commands and the model itself.
fn before_quantization(model: &Path) -> Result<(Vec<String>, String)> {
    let mut commands = ModelCard::load(model)?.rebuild;
    let quantized = commands.last().and_then(|command| {
        let mut words = command.split_whitespace();
        words.find(|&word| word == "quantize")?;
        words.next().map(str::to_owned)
    });
    match quantized {
        Some(run) => {
            commands.pop();
            Ok((commands, run))
        }
        None => Ok((commands, relative(model))),
    }
}

/// Tells what was exported.
pub(super) fn print(
    folder: &Path,
    card: &ModelCard,
    json: bool,
    out: &mut impl Write,
) -> Result<()> {
    match json {
        true => Ok(writeln!(out, "{}", serde_json::to_string(card)?)?),
        false => print::card(folder, card, out),
    }
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

/// The commands that make a run anew whose configuration no card holds: with every setting in
/// them.
///
/// # Errors
/// When the run goes on from another one, and how cannot be read.
#[cfg(feature = "libtorch")]
pub(super) fn made_by(config: &RunConfig, run: &Path) -> Result<Vec<String>> {
    let commands = super::finetune::history(run)?;
    if !commands.is_empty() {
        return Ok(commands);
    }
    let settings = config.settings()?.join(" ");
    Ok(vec![format!(
        "{PROGRAM} train --dataset {} {settings} --out {}",
        config.dataset,
        relative(run)
    )])
}

/// The last two parts of a path: cards name no folders of the machine they were made on.
pub(super) fn relative(path: &Path) -> String {
    let parts: Vec<_> = path.components().collect();
    let last: PathBuf = parts[parts.len().saturating_sub(2)..].iter().collect();
    last.display().to_string()
}
