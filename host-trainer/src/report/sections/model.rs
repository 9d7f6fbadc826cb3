//! What the card and the artifact say.

use anyhow::Result;
use shared::Preprocess;

use crate::config::RunConfig;
use crate::export::card::ModelCard;
use crate::report::costs as plan;
use crate::report::page::{Cell, Column, Fact, Section, Table, grouped, interval, percent};
use crate::report::subject::{Exported, Subject};
use crate::report::summary::Summary;

/// The head's facts.
pub(super) fn facts(subject: &Subject) -> Vec<Fact> {
    let preprocess = &subject.config.preprocess;
    let mut facts = vec![
        match subject.config.imported() {
            Some(_) => Fact::new("Calibrated on", subject.config.dataset.as_str()),
            None => Fact::new("Trained on", subject.config.dataset.as_str()),
        },
        Fact::new("Terms", subject.config.terms.as_str()),
        Fact::new("Tower", tower(&subject.config)),
        Fact::new(
            "Input",
            match preprocess {
                Preprocess::Picture(picture) => format!(
                    "{} \u{d7} {} pixels; {}",
                    picture.width,
                    picture.height,
                    words(&(picture.colour, picture.tone, picture.crop, picture.fit))
                ),
                Preprocess::Pen(pen) => format!(
                    "at most {} steps of what a pen did; {}",
                    pen.steps,
                    words(&(pen.sampling, pen.scale))
                ),
            },
        ),
        Fact::new("Distance", subject.config.distance.to_string()),
    ];
    if let Some(Exported { card, .. }) = &subject.exported {
        facts.push(Fact::new("Model id", card.model_id.clone()));
    }
    facts
}

/// The architecture; of an imported network, whose layers stand in the card, its file.
fn tower(config: &RunConfig) -> String {
    match config.imported() {
        Some(imported) => format!("{}, {} layers", imported.source, imported.layers.len()),
        None => words(&config.tower),
    }
}

/// How it was trained, in one paragraph.
pub(super) fn training_words(subject: &Subject) -> String {
    if let Some(imported) = subject.config.imported() {
        return format!(
            "The weights are those of {}, SHA-256 {}.",
            imported.source, imported.source_sha256
        );
    }
    format!(
        "How the weights were found: {}; seed {}.",
        words(&subject.config.training),
        subject.config.seed
    )
}

/// A configuration in words, whatever fields it has: `width 64, embedding 64`.
fn words(value: &impl serde::Serialize) -> String {
    fn write(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Object(fields) => {
                let is_name = |field: &&String| ["name", "architecture"].contains(&field.as_str());
                let field = |(name, value): (&String, &serde_json::Value)| {
                    format!("{} {}", name.replace('_', " "), write(value))
                };
                let others = fields.iter().filter(|(field, _)| !is_name(field));
                let others = others.map(field).collect::<Vec<_>>().join(", ");
                match fields.keys().find(is_name) {
                    Some(name) if others.is_empty() => write(&fields[name]),
                    Some(name) => format!("{} ({others})", write(&fields[name])),
                    None => others,
                }
            }
            serde_json::Value::Array(items) => {
                let is_size = items.len() == 2 && items.iter().all(|item| item.is_number());
                let items = items.iter().map(write).collect::<Vec<_>>();
                items.join(if is_size { " \u{d7} " } else { ", " })
            }
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Bool(true) => "yes".into(),
            serde_json::Value::Bool(false) => "no".into(),
            serde_json::Value::Null => "none".into(),
            serde_json::Value::Number(number) => number.to_string(),
        }
    }
    // By way of text, which keeps single-precision numbers short.
    let text = serde_json::to_string(value).unwrap_or_default();
    write(&serde_json::from_str(&text).unwrap_or_default())
}

/// The figures that `evaluate --record` put into the card.
pub(super) fn recorded(card: &ModelCard) -> Option<Section> {
    if card.figures.is_empty() {
        return None;
    }
    Some(Section {
        id: "recorded".into(),
        title: "Recorded figures".into(),
        notes: vec![
            "What the card says: measured by host-trainer evaluate --record, with 95 % \
             intervals where the protocol has them."
                .into(),
        ],
        tables: vec![Table {
            columns: vec![
                Column::text("protocol"),
                Column::text("engine"),
                Column::number("accuracy"),
                Column::number("EER"),
                Column::number("FAR"),
                Column::number("FRR"),
                Column::number("comparisons"),
            ],
            rows: card.figures.iter().map(recorded_row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    })
}

fn recorded_row(figures: &toml::Table) -> Vec<Cell> {
    let text = |key: &str| figures.get(key).and_then(toml::Value::as_str).unwrap_or("");
    let whole = |key: &str| figures.get(key).and_then(toml::Value::as_integer);
    let number = |value: &toml::Value| match value {
        toml::Value::Float(value) => Some(*value),
        toml::Value::Integer(value) => Some(*value as f64),
        _ => None,
    };
    let rate = |key: &str, bounds: &str| {
        let Some(rate) = figures.get(key).and_then(number) else {
            return Cell::default();
        };
        let bounds = figures.get(bounds).and_then(toml::Value::as_array);
        let bounds: Vec<f64> = bounds.into_iter().flatten().filter_map(number).collect();
        let note = match bounds[..] {
            [low, high] => interval([low, high]),
            _ => String::new(),
        };
        Cell::noted(percent(rate), note)
    };
    let mut how = vec![text("dataset").to_owned()];
    for (key, name) in [("ways", "way"), ("shots", "shot")] {
        how.extend(whole(key).map(|count| format!("{count}-{name}")));
    }
    how.extend(whole("classes").map(|count| format!("{count} classes")));
    how.extend(
        figures
            .get("impostors")
            .and_then(|i| i.as_str())
            .map(str::to_owned),
    );
    let aim = figures.get("far_target").and_then(number);
    how.extend(aim.map(|rate| format!("aiming at FAR {}", percent(rate))));
    vec![
        Cell::noted(text("protocol"), how.join(", ")),
        Cell::noted(text("engine"), text("precision")),
        rate("accuracy", "ci95"),
        rate("eer", "eer_ci95"),
        rate("far", "far_ci95"),
        rate("frr", "frr_ci95"),
        whole("comparisons")
            .map_or(String::new(), |count| grouped(count.unsigned_abs()))
            .into(),
    ]
}

/// Sizes, layers, files, and the commands that make the model anew.
pub(super) fn costs(subject: &Subject, summary: &Summary) -> Result<Section> {
    let costs = &summary.costs;
    let sizes = [
        ("multiply-accumulates of an embedding", Some(costs.macs)),
        ("numbers that were learnt", Some(costs.parameters)),
        ("bytes of the artifact, in flash", costs.artifact_bytes),
        ("bytes of activation memory, at the peak", costs.arena_bytes),
    ];
    let size = |(name, count): (&str, Option<u64>)| {
        let count = count?;
        Some(vec![name.into(), grouped(count).into()])
    };
    let mut section = Section {
        id: "costs".into(),
        title: "Sizes and costs".into(),
        tables: vec![Table {
            title: "At a glance".into(),
            columns: vec![Column::text("what"), Column::number("how much")],
            rows: sizes.into_iter().filter_map(size).collect(),
            ..Table::default()
        }],
        ..Section::default()
    };
    let (Some(Exported { card, .. }), Some(artifact)) = (&subject.exported, subject.artifact()?)
    else {
        let words = "A run has no plan for devices yet: host-trainer quantize makes one, with \
                     flash and memory.";
        section.notes.push(words.into());
        return Ok(section);
    };
    section.notes.push(format!(
        "Quantized to int8 with {} calibration samples; the cosine between int8 and float \
         embeddings of validation samples is {:.5} on average and {:.5} at least.",
        card.quantization.calibration_samples,
        card.quantization.mean_cosine,
        card.quantization.least_cosine
    ));
    section.tables.push(plan::layers(&artifact));
    let files = card.files.iter();
    section.tables.push(Table {
        title: "Files".into(),
        words: "SHA-256 of each file beside the card.".into(),
        columns: vec![Column::text("file"), Column::code("SHA-256")],
        rows: files
            .map(|(file, sum)| vec![file.as_str().into(), sum.as_str().into()])
            .collect(),
    });
    section.commands.clone_from(&card.rebuild);
    Ok(section)
}
