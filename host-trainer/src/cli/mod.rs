//! The command line: flags become checked arguments, arguments become calls.

#[cfg(feature = "libtorch")]
pub mod cross_validate;
pub mod evaluate;
pub mod finetune;
mod fusion;
pub mod import;
pub mod keygen;
mod normalization;
pub mod picture;
pub mod quantize;
pub mod report;
#[cfg(feature = "libtorch")]
pub mod settings;
pub mod sign;
pub mod synthesize;
#[cfg(feature = "libtorch")]
pub mod train;
#[cfg(feature = "libtorch")]
pub mod train_segmentation;

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser};

/// Train, quantize and evaluate Siamese networks.
#[derive(Debug, Parser)]
#[command(name = "host-trainer", version)]
pub enum Cli {
    /// Train a tower on a data set
    #[cfg(feature = "libtorch")]
    Train(train::TrainArgs),
    /// Train a network that finds a structure in pictures after a few marked ones
    #[cfg(feature = "libtorch")]
    TrainSegmentation(train_segmentation::TrainSegmentationArgs),
    /// Quantize a run to int8 and export it for devices
    Quantize(quantize::QuantizeArgs),
    /// Make a model of somebody's embedding network, an ONNX file
    Import(import::ImportArgs),
    /// Measure how good a run or model is
    Evaluate(evaluate::EvaluateArgs),
    /// Train and judge a network for each fold of the classes, beside pixels and eigenfaces
    #[cfg(feature = "libtorch")]
    CrossValidate(cross_validate::CrossValidateArgs),
    /// Write one HTML page that shows how a run or model was trained and how good it is
    Report(report::ReportArgs),
    /// Fit a trained model to new classes of a few samples each
    Finetune(finetune::FinetuneArgs),
    /// Make a key pair to sign models with
    Keygen(keygen::KeygenArgs),
    /// Sign a model, for devices that run only what a key they trust has signed
    Sign(sign::SignArgs),
    /// Generate signatures of people who do not exist
    Synthesize(synthesize::SynthesizeArgs),
}

/// Where a data set's files are.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// The folder that holds the data set's files, or one of them
    #[arg(
        long,
        env = "SEMBLANCE_DATA",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub data: Option<PathBuf>,
}

impl Cli {
    /// Does what was asked and writes the answer to `out`; what goes on meanwhile is
    /// told on standard error.
    ///
    /// # Errors
    /// Whatever went wrong, in words for whoever asked.
    pub fn run(&self, out: &mut impl Write) -> Result<()> {
        match self {
            #[cfg(feature = "libtorch")]
            Self::Train(args) => train::run(args),
            #[cfg(feature = "libtorch")]
            Self::TrainSegmentation(args) => train_segmentation::run(args),
            Self::Quantize(args) => quantize::run(args, out),
            Self::Import(args) => import::run(args, out),
            Self::Evaluate(args) => evaluate::run(args, out),
            #[cfg(feature = "libtorch")]
            Self::CrossValidate(args) => cross_validate::run(args, out),
            Self::Report(args) => report::run(args, out),
            Self::Finetune(args) => finetune::run(args, out),
            Self::Keygen(args) => keygen::run(args, out),
            Self::Sign(args) => sign::run(args, out),
            Self::Synthesize(args) => synthesize::run(args, out),
        }
    }
}

/// Reads a number from `least` to `most`.
fn count(
    least: usize,
    most: usize,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("expected a number from {least} to {most}")),
    }
}

/// Reads a learning rate.
#[cfg(feature = "libtorch")]
fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("expected a number above 0, such as 0.003".into()),
    }
}

/// A rate for people.
fn percent(rate: f64) -> String {
    format!("{:.2} %", 100.0 * rate)
}

/// A rate with its 95 % interval for people.
fn with_interval(rate: f64, ci95: [f64; 2]) -> String {
    format!(
        "{} (95 %: {} to {})",
        percent(rate),
        percent(ci95[0]),
        percent(ci95[1])
    )
}

/// Tells people what goes on. A closed standard error stops nobody's training.
fn tell(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}
