//! `host-trainer quantize`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::{DataArgs, tell};
use crate::checkpoint::Run;
#[cfg(feature = "libtorch")]
use crate::config::RunConfig;
use crate::dataset::DatasetName;
use crate::export::CARD;
use crate::export::model::export;

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
    /// Print the card as one JSON object
    #[arg(long)]
    json: bool,
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
    rebuild.push(format!("{PROGRAM} quantize {from} --out {to}"));
    let card = export(&run, &dataset, &args.out, rebuild, &mut |what| tell(what))?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&card)?)?;
        return Ok(());
    }
    writeln!(out, "{}: model {}", args.out.display(), card.model_id)?;
    writeln!(
        out,
        "{} bytes, {} bytes of activation memory, {} multiply-accumulates an embedding",
        card.costs.artifact_bytes, card.costs.arena_bytes, card.costs.macs
    )?;
    writeln!(
        out,
        "int8 against float embeddings: mean cosine {:.5}, least {:.5}",
        card.quantization.mean_cosine, card.quantization.least_cosine
    )?;
    writeln!(
        out,
        "operating points (validation classes; upper ends of 95 % intervals in brackets):"
    )?;
    writeln!(
        out,
        "  shots  FAR aimed at  threshold  FAR               FRR"
    )?;
    for point in &card.operating_points {
        writeln!(
            out,
            "  {:>5}  {:>10.2} %  {:>9.4}  {:>5.2} % (< {:>5.2} %)  {:>5.2} % (< {:>5.2} %)",
            point.shots,
            100.0 * point.far_target,
            point.threshold,
            100.0 * point.far,
            100.0 * point.far_upper,
            100.0 * point.frr,
            100.0 * point.frr_upper
        )?;
    }
    Ok(())
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
