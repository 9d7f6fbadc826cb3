//! `--protocol verification`: reference sets, or published pairs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::Args;
use shared::artifact::operating_point::USUAL_FAR_TARGET;
use shared::cohort::MIN_COHORT;
use shared::support_set::Fusion;

use super::trained::Trained;
use super::{EvaluateArgs, operating_point};
use crate::checkpoint::write_whole;
use crate::cli::count;
use crate::cli::fusion::FusionName;
use crate::cli::normalization::NormalizationName;
use crate::dataset::Dataset;
use crate::engine::Embedder;
use crate::evaluate::metrics::ErrorRates;
use crate::evaluate::{Details, Report, pair_lists, verification};

/// What only a verification is told.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// How several enrolled samples become one distance [default: as the model has it]
    #[arg(long, value_enum)]
    fusion: Option<FusionName>,
    /// Normalize distances by those to so many training classes [default: as the model has it];
    /// thresholds are of validation classes then, and published pairs beside stay as they are
    #[arg(long, value_parser = count(MIN_COHORT, 100_000))]
    cohort: Option<usize>,
    /// Whose distances to the cohort count
    #[arg(long, value_enum, default_value = "s", requires = "cohort")]
    normalization: NormalizationName,
    /// Write the points of the DET curves to this file, comma-separated
    #[arg(long, value_name = "FILE")]
    pub(super) det: Option<PathBuf>,
}

/// Verifies with reference sets where their size is said or usual for the data set, with
/// the published pairs beside; else with the published pairs.
pub(super) fn run(
    args: &EvaluateArgs,
    embedder: &mut dyn Embedder,
    trained: &Trained,
) -> Result<Report> {
    let far_target = args.far.unwrap_or(USUAL_FAR_TARGET);
    ensure!(
        (0.0..=1.0).contains(&far_target),
        "expected --far between 0 and 1, found {far_target}"
    );
    let name = trained.choose(args.dataset)?;
    let shots = args.shots.or(name.usual_references());
    let point = operating_point(args, embedder, shots.unwrap_or(1))?;
    let data = args.data.data.as_deref();
    let dataset = trained.load_for_verification(args.dataset, data, point.is_some())?;
    let Some(shots) = shots else {
        return of_pairs(args, embedder, trained, &dataset);
    };
    let options = verification::Options {
        shots,
        far_target,
        operating_point: point,
        fusion: args.verify.fusion.map(Fusion::from),
        cohort: args
            .verify
            .cohort
            .map(|size| (size, args.verify.normalization.into())),
    };
    let mut report = verification::evaluate(embedder, &dataset, &options)?;
    if let (Details::Verification(details), false) = (&mut report.details, dataset.pairs.is_empty())
        && let Details::PairLists(pairs) = of_pairs(args, embedder, trained, &dataset)?.details
    {
        details.pairs = Some(pairs);
    }
    Ok(report)
}

fn of_pairs(
    args: &EvaluateArgs,
    embedder: &mut dyn Embedder,
    trained: &Trained,
    dataset: &Dataset,
) -> Result<Report> {
    let point = operating_point(args, embedder, 1)?;
    let options = pair_lists::Options {
        is_own: trained.is_own(dataset),
        threshold: point.map(|point| point.threshold),
    };
    pair_lists::evaluate(embedder, dataset, &options)
}

/// Writes the DET curves of a verification, `impostors,threshold,far,frr`.
///
/// # Errors
/// When the report has none or the file cannot be written.
pub(super) fn write_curves(file: &Path, report: &Report) -> Result<()> {
    let of_pairs;
    let curves: &[(&str, Vec<ErrorRates>)] = match &report.details {
        Details::Verification(details) => &details.curves,
        Details::PairLists(details) => {
            of_pairs = [("published pairs", details.curve.clone())];
            &of_pairs
        }
        _ => bail!(
            "expected --protocol verification with --det, found {}",
            report.protocol
        ),
    };
    let mut text = String::from("impostors,threshold,far,frr\n");
    for (impostors, curve) in curves {
        // The first point accepts nothing: its threshold is no number.
        for ErrorRates {
            threshold,
            far,
            frr,
        } in curve.iter().skip(1)
        {
            writeln!(text, "{impostors},{threshold},{far},{frr}")?;
        }
    }
    write_whole(file, text.as_bytes())
}
