//! The parts of the page, in order.

mod judgement;
mod model;

use anyhow::Result;

use super::page::{Fact, Page, Section, Tile, grouped, interval, percent};
use super::subject::Exported;
use super::summary::Summary;
use super::{Content, curves};

/// Puts the page together.
///
/// # Errors
/// When the artifact is damaged or a picture cannot be made.
pub fn page(content: &Content<'_>, summary: &Summary) -> Result<Page> {
    let mut sections = vec![meaning(content)];
    if let Some(Exported { card, .. }) = &content.subject.exported {
        sections.extend(model::recorded(card));
    }
    sections.push(training(content));
    sections.extend(judgement::sections(content)?);
    sections.push(model::costs(content.subject, summary)?);
    let about = match content.subject.exported {
        Some(_) => "A model for devices",
        None => "A training run",
    };
    Ok(Page {
        title: content.subject.name.clone(),
        subtitle: format!(
            "{about}, {}, judged on classes that had no part in it.",
            content.subject.config.made_on()
        ),
        tiles: tiles(content, summary),
        facts: model::facts(content.subject)
            .into_iter()
            .chain([Fact::new("Judged by", judged_by(content))])
            .collect(),
        sections,
    })
}

fn judged_by(content: &Content<'_>) -> String {
    let what = match content.precision {
        "int8" => "quantized network",
        _ => "real-numbered network",
    };
    format!("engine {}, {what}", content.engine)
}

fn tiles(content: &Content<'_>, summary: &Summary) -> Vec<Tile> {
    let mut tiles = vec![];
    if let Ok(judgement) = &content.judgement {
        let judged = &judgement.judged;
        tiles.push(Tile {
            label: "Equal error rate".into(),
            value: percent(judged.curves[0].eer),
            note: format!("against {}", judged.impostors.name()),
        });
        if let Some(point) = judgement::usual_point(judged) {
            tiles.push(Tile {
                label: format!(
                    "Genuine rejected, aiming at FAR {}",
                    percent(f64::from(point.stated.far_target))
                ),
                value: percent(point.frr.rate),
                note: format!("95\u{a0}%: {}", interval(point.frr.ci95)),
            });
        }
        let identification = &judgement.identification;
        tiles.push(Tile {
            label: format!("Identified among {} classes", judged.classes.len()),
            value: percent(identification.accuracy),
            note: format!("95\u{a0}%: {}", interval(identification.ci95)),
        });
    }
    let costs = &summary.costs;
    tiles.push(Tile {
        label: "Work of an embedding".into(),
        value: format!("{:.2} M", costs.macs as f64 / 1e6),
        note: "multiply-accumulates".into(),
    });
    if let (Some(artifact), Some(arena)) = (costs.artifact_bytes, costs.arena_bytes) {
        tiles.push(Tile {
            label: "Flash".into(),
            value: format!("{:.1} KB", artifact as f64 / 1e3),
            note: format!("{} bytes", grouped(artifact)),
        });
        tiles.push(Tile {
            label: "Activation memory".into(),
            value: format!("{:.1} KB", arena as f64 / 1e3),
            note: format!("{} bytes", grouped(arena)),
        });
    }
    tiles
}

/// What the figures mean, and what they do not.
fn meaning(content: &Content<'_>) -> Section {
    let dataset = content.dataset;
    let mut notes = vec![];
    match &content.judgement {
        Ok(judgement) => {
            let judged = &judgement.judged;
            notes.push(format!(
                "Judged on {} classes with {} samples of {}. {} of each class were enrolled; every \
                 other sample was compared. A false accept is an impostor who is nearer than the \
                 threshold, a false reject a genuine sample that is farther. Impostors are {}.",
                grouped(judged.classes.len() as u64),
                grouped(content.test.tensors.len() as u64),
                dataset.name,
                count_samples(judged.shots),
                judged.impostors.name(),
            ));
            notes.push(
                "Intervals are of 95 %, over classes drawn anew: comparisons of one class depend \
                 on each other. Where no error was seen in n comparisons, the rate is only known \
                 to be below about 3 / n; nothing stricter is claimed."
                    .into(),
            );
        }
        Err(why) => notes.push(format!(
            "The test part of {} cannot be judged, so there are no error rates on this page: {why}.",
            dataset.name
        )),
    }
    notes.push(
        "The figures hold for data like these. Other people, pens, cameras or paper are other data: \
         measure there before you rely on a threshold."
            .into(),
    );
    if dataset.name == "synthetic-signatures" {
        notes.push(
            "The data are generated. Rates on them compare models with each other; they do not say \
             how a model will do on real signatures."
                .into(),
        );
    }
    let split = dataset.split.hash(&dataset.classes);
    if content.subject.config.dataset == dataset.name
        && content.subject.config.split_sha256 != split
    {
        notes.push(format!(
            "Warning: the model was trained with another split of {} ({}) than the one here \
             ({split}). Classes that are judged here may have been seen in training.",
            dataset.name, content.subject.config.split_sha256
        ));
    }
    Section {
        id: "meaning".into(),
        title: "What the figures mean".into(),
        notes,
        ..Section::default()
    }
}

fn count_samples(shots: usize) -> String {
    match shots {
        1 => "One sample".into(),
        _ => format!("{shots} samples"),
    }
}

fn training(content: &Content<'_>) -> Section {
    let mut section = Section {
        id: "training".into(),
        title: "Training".into(),
        ..Section::default()
    };
    section.notes.push(model::training_words(content.subject));
    let Some(history) = content.history else {
        if content.subject.config.imported().is_some() {
            return section;
        }
        let words = match content.subject.exported {
            Some(_) => {
                "The curves are in the report of the run that this model was made from: give it \
                 by --run, or report on the run itself."
            }
            None => "The run wrote no events down, so there are no curves.",
        };
        section.notes.push(words.into());
        return section;
    };
    section.figures = curves::figures(history);
    if section.figures.is_empty() {
        let words = "The run's events tell of no step yet, so there are no curves.";
        section.notes.push(words.into());
    }
    if history.unreadable > 0 {
        section.notes.push(format!(
            "{} of the lines of events could not be read and were left out; the last one is cut \
             off where a training was interrupted.",
            history.unreadable
        ));
    }
    let warnings = history.warnings.iter();
    section
        .notes
        .extend(warnings.map(|warning| format!("Warning of the training: {warning}")));
    section
}
