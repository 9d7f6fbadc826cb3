use std::io::Write;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use super::{FinetuneArgs, record};
use crate::checkpoint::Run;
use crate::cli::{count, learning_rate, percent, quantize, tell};
use crate::config::CONFIG;
use crate::dataset::{Dataset, folder};
use crate::evaluate::operating_points;
use crate::finetune::{Options, finetune};
use crate::train::device::Choice;

/// How the whole tower is trained on.
#[derive(Debug, Args)]
pub(super) struct WholeArgs {
    /// Train the whole tower of a run on, at a small rate; takes about 40 classes, of
    /// which a part is kept to choose the epoch and to measure thresholds
    #[arg(long, conflicts_with_all = ["head", "transductive", "entropy"])]
    pub(super) whole: bool,
    /// Passes over the samples
    #[arg(long, default_value_t = 10, value_parser = count(1, 100_000), requires = "whole")]
    epochs: usize,
    /// Learning rate
    #[arg(long, default_value_t = 1e-4, value_parser = learning_rate, requires = "whole")]
    learning_rate: f64,
    /// Samples in a batch
    #[arg(long, default_value_t = 64, value_parser = count(2, 100_000), requires = "whole")]
    batch: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, requires = "whole")]
    seed: u64,
    /// Where to train
    #[arg(long, value_enum, default_value = "auto", requires = "whole")]
    device: Choice,
}

/// Writes a run that quantizes as any other, on the given folder as its data set.
pub(super) fn run(args: &FinetuneArgs, out: &mut impl Write) -> Result<()> {
    ensure!(
        !args.out.join(CONFIG).is_file(),
        "{}: expected no run there, found one: choose another --out",
        args.out.display()
    );
    let base = Run::load(&args.model)?;
    let dataset = Dataset {
        preprocess: base.config.preprocess,
        ..folder::load(&args.data)?
    };
    // Better now than after the training.
    operating_points::check(&dataset)
        .context("the run could not be quantized; without --whole a few classes are enough")?;
    let WholeArgs {
        epochs,
        learning_rate,
        batch,
        seed,
        device,
        ..
    } = args.whole;
    let options = Options {
        epochs,
        learning_rate,
        batch,
        seed,
    };
    let mut best = f64::NEG_INFINITY;
    let run = finetune(&base, &dataset, &options, device.open()?, &mut |epoch| {
        best = best.max(epoch.validation);
        tell(format_args!(
            "epoch {}: loss {:.4}, {} {}",
            epoch.epoch,
            epoch.loss,
            epoch.figure,
            percent(epoch.validation)
        ));
    })?;
    run.save(&args.out)?;
    let mut commands = quantize::made_by(&base.config, &args.model)?;
    let (from, to) = (
        quantize::relative(&args.model),
        quantize::relative(&args.out),
    );
    commands.push(format!(
        "{} finetune {from} --whole --epochs {epochs} --learning-rate {learning_rate} --batch {batch} --seed {seed} --out {to}",
        quantize::PROGRAM
    ));
    record(&args.out, commands)?;
    if args.json {
        writeln!(
            out,
            "{}",
            json!({"run": args.out.display().to_string(), "validation": best})
        )?;
    }
    tell(format_args!(
        "the run is in {0}; next: host-trainer quantize {0} --data {1} --out models/NAME",
        args.out.display(),
        args.data.display()
    ));
    Ok(())
}
