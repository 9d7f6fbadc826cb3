//! Reports for people.

use std::io::{self, Write};

use crate::cli::fusion;
use crate::cli::{percent, with_interval};
use crate::evaluate::scores::TrueAccepts;
use crate::evaluate::{
    Details, Report, enrolment, few_shot, koch_verification, open_set, pair_lists, verification,
};

/// Prints a report.
pub(super) fn report(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{} on {}, engine {} ({}), {} comparisons",
        report.protocol, report.dataset, report.engine, report.precision, report.comparisons
    )?;
    writeln!(
        out,
        "accuracy  {}",
        with_interval(report.accuracy, report.ci95)
    )?;
    match &report.details {
        Details::Verification(details) => verification(report, details, out),
        Details::PairLists(details) => {
            writeln!(
                out,
                "EER       {}",
                with_interval(report.eer.unwrap_or(f64::NAN), details.eer_ci95)
            )?;
            pair_lists(details, out)
        }
        Details::FewShot(details) => few_shot(details, out),
        Details::OmniglotRuns(details) => {
            let runs: Vec<String> = details.runs.iter().map(|&run| percent(run)).collect();
            writeln!(out, "runs: {}", runs.join(", "))
        }
        Details::KochVerification(details) => koch_verification(report, details, out),
        Details::OpenSet(details) => open_set(report, details, out),
        Details::Enrolment(details) => enrolment(details, out),
    }
}

fn verification(
    report: &Report,
    details: &verification::Details,
    out: &mut impl Write,
) -> io::Result<()> {
    let rate = |name: &str, rate: Option<f64>, ci95| {
        format!(
            "{name:<9} {}",
            with_interval(rate.unwrap_or(f64::NAN), ci95)
        )
    };
    writeln!(out, "{}", rate("EER", report.eer, details.eer_ci95))?;
    writeln!(out, "{}", rate("FAR", report.far, details.far_ci95))?;
    writeln!(out, "{}", rate("FRR", report.frr, details.frr_ci95))?;
    writeln!(
        out,
        "FAR and FRR at threshold {:.4} (from {}, aiming at FAR {}); {} shots, {} classes",
        details.threshold,
        details.threshold_from,
        percent(f64::from(details.far_target)),
        details.shots,
        details.classes
    )?;
    for point in &details.true_accepts {
        true_accepts(point, out)?;
    }
    writeln!(out, "impostors: {}", details.impostors)?;
    writeln!(
        out,
        "with samples of other classes instead: EER {}, FAR {}",
        with_interval(details.eer_random, details.eer_random_ci95),
        with_interval(
            details.random_impostors.far,
            details.random_impostors.far_ci95
        )
    )?;
    for point in &details.random_impostors.true_accepts {
        true_accepts(point, out)?;
    }
    writeln!(
        out,
        "accuracy where errors are equal {}; EER with thresholds of users' own {}",
        percent(details.accuracy_at_eer),
        percent(details.eer_user_thresholds)
    )?;
    for way in &details.fusions {
        writeln!(
            out,
            "{} of the shots: EER {}, with samples of other classes {}",
            fusion::name(way.fusion),
            percent(way.eer),
            percent(way.eer_random)
        )?;
    }
    if let Some(calibration) = &details.calibration {
        writeln!(
            out,
            "as a probability, 1 / (1 + exp({:.3} d {:+.3})): calibration error {}, Brier score {:.4}, Cllr {:.4} bits",
            calibration.platt.slope,
            calibration.platt.intercept,
            percent(calibration.ece),
            calibration.brier,
            calibration.cllr
        )?;
    }
    match &details.pairs {
        Some(pairs) => pair_lists(pairs, out),
        None => Ok(()),
    }
}

fn true_accepts(point: &TrueAccepts, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "true accepts {} at FAR {} on these classes",
        with_interval(point.tar, point.ci95),
        percent(point.far)
    )
}

fn pair_lists(details: &pair_lists::Details, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "published pairs: {} of one class, {} others; accuracy where errors are equal {}; thresholds from {}",
        details.genuine_comparisons,
        details.impostor_comparisons,
        percent(details.accuracy_at_eer),
        details.threshold_from
    )?;
    for list in &details.lists {
        writeln!(
            out,
            "{}: accuracy {} of {} pairs at threshold {:.4}",
            list.list,
            percent(list.accuracy),
            list.pairs,
            list.threshold
        )?;
    }
    if let Some(standard_error) = details.standard_error {
        writeln!(out, "standard error over lists {}", percent(standard_error))?;
    }
    for point in &details.true_accepts {
        true_accepts(point, out)?;
    }
    Ok(())
}

fn koch_verification(
    report: &Report,
    details: &koch_verification::Details,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "EER       {}",
        with_interval(report.eer.unwrap_or(f64::NAN), details.eer_ci95)
    )?;
    writeln!(
        out,
        "{} draws of {} pairs, half of one character, half of two of one alphabet; {} alphabets, {} characters; \
         threshold {:.4} from validation alphabets",
        details.options.draws,
        details.options.pairs,
        details.alphabets,
        details.classes,
        details.threshold
    )?;
    let draws: Vec<String> = details
        .accuracies
        .iter()
        .map(|&draw| percent(draw))
        .collect();
    writeln!(out, "draws: {}", draws.join(", "))?;
    writeln!(
        out,
        "with two characters of two alphabets instead: accuracy {}, EER {}",
        with_interval(
            details.across_alphabets.accuracy,
            details.across_alphabets.ci95
        ),
        percent(details.across_alphabets.eer)
    )
}

fn open_set(report: &Report, details: &open_set::Details, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{} classes enrolled with {} shots each, {} strange to them; {} draws: {} mated probes, {} of strangers",
        details.enrolled,
        details.shots,
        details.strangers,
        details.draws,
        details.mated_probes,
        details.stranger_probes
    )?;
    writeln!(
        out,
        "accuracy is the share of mated probes whose own class is nearest"
    )?;
    for point in &details.detection {
        writeln!(
            out,
            "detected and identified {} at FAR {}",
            with_interval(point.dir, point.ci95),
            percent(point.far)
        )?;
    }
    writeln!(
        out,
        "AUROC of mated probes against strangers {:.4} (95 %: {:.4} to {:.4})",
        details.auroc, details.auroc_ci95[0], details.auroc_ci95[1]
    )?;
    let Some(device) = &details.device else {
        return Ok(());
    };
    writeln!(
        out,
        "as the device decides, threshold {:.4}, margin {:.4} (aiming at FAR {}):",
        device.threshold,
        device.margin,
        percent(f64::from(device.far_target))
    )?;
    let named = with_interval(report.far.unwrap_or(f64::NAN), device.far_ci95);
    let not_named = with_interval(report.frr.unwrap_or(f64::NAN), device.frr_ci95);
    writeln!(out, "strangers named as somebody {named}")?;
    writeln!(out, "mated probes not named as themselves {not_named}")?;
    writeln!(
        out,
        "mated probes named as somebody else {}",
        with_interval(device.misnamed, device.misnamed_ci95)
    )
}

fn few_shot(details: &few_shot::Details, out: &mut impl Write) -> io::Result<()> {
    let options = details.options;
    writeln!(
        out,
        "{}-way {}-shot, {} probes per class, {} episodes, head {}",
        options.ways, options.shots, options.queries, options.episodes, details.head
    )?;
    for candidate in details.choice.iter().flat_map(|choice| &choice.candidates) {
        writeln!(
            out,
            "on validation classes: {}, head {}",
            percent(candidate.accuracy),
            candidate.head
        )?;
    }
    Ok(())
}

fn enrolment(details: &enrolment::Details, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{} of {} pictures refused, of {} classes; bounds from {}",
        details.refused.values().sum::<usize>(),
        details.pictures,
        details.classes,
        details.bounds_from
    )?;
    for (flaw, count) in &details.refused {
        writeln!(out, "  {flaw:<10} {count}")?;
    }
    writeln!(out, "refused of the same pictures, spoilt:")?;
    for spoilt in &details.spoilt {
        writeln!(out, "  {:<36} {}", spoilt.how, percent(spoilt.refused))?;
    }
    writeln!(
        out,
        "{} samples of one class: {} of enrolments refused ({} at the usual threshold); one of them of another class: {}, the right one named in {}",
        details.shots,
        percent(details.inconsistent),
        percent(details.inconsistent_strictly),
        percent(details.mixed),
        percent(details.mixed_named)
    )?;
    writeln!(
        out,
        "enrolled again under another name: {} called close; a stranger: {} with one other enrolled",
        percent(details.again_close),
        percent(details.stranger_close)
    )?;
    writeln!(
        out,
        "advised to enrol anew without drift: {} of {} classes with enough accepted samples",
        details.advised, details.watched
    )
}
