//! The page of a network that segments: how well each structure is found after 1, 5 and 16
//! references, and what that looks like.
//!
//! ```text
//! tasks -> evaluate at each number of references -> Dice against N, table
//!                                         \-> best, median, worst query -> overlays
//! ```

mod judge;

use anyhow::Result;
use askama::Template;

use super::chart::{Axis, Chart};
use super::curves;
use super::events::History;
use super::page::{
    Cell, Column, Fact, Figure, Gallery, Key, Page, Section, Shown, ShownPair, Table, Tile, grouped,
};
use super::scale::Scale;
use crate::segmentation::config::SegmentationConfig;
use crate::segmentation::engine::Opened;
use crate::segmentation::evaluate::{Report, StructureReport};
use crate::segmentation::export::SegmentationCosts;

use judge::{DRAWS, SHOWN};

pub use judge::{Example, Judged, judge};

/// Classes of lines, one for each structure, again from the first where there are more.
const LINES: [&str; 4] = ["first", "second", "third", "fourth"];

/// The network, and what is known of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The folder's name.
    pub name: String,
    /// How it was trained.
    pub config: SegmentationConfig,
    /// Its identity and costs, where it was quantized.
    pub exported: Option<(String, SegmentationCosts)>,
    /// Its training, where its events are known.
    pub history: Option<History>,
}

/// The page.
///
/// # Errors
/// When the template fails.
pub fn render(subject: &Subject, network: &Opened<'_>, tasks: &[Judged]) -> Result<String> {
    let mut sections = vec![meaning()];
    sections.extend(tasks.iter().map(task));
    sections.push(training(subject));
    let about = match subject.exported {
        Some(_) => "A model for devices",
        None => "A training run",
    };
    let page = Page {
        title: subject.name.clone(),
        subtitle: format!("{about} that finds a structure after a few marked pictures."),
        tiles: tiles(subject, tasks),
        facts: facts(subject, network),
        sections,
    };
    Ok(page.render()?)
}

fn tiles(subject: &Subject, tasks: &[Judged]) -> Vec<Tile> {
    let of_task = |judged: &Judged| {
        let report = shown(judged)?;
        Some(Tile {
            label: format!("Dice, {}, {}", report.task, references(report.shots)),
            value: format!("{:.3}", report.dice),
            note: format!("95\u{a0}%: {}", interval(report.ci95)),
        })
    };
    let mut tiles: Vec<Tile> = tasks.iter().filter_map(of_task).collect();
    if let Some((_, costs)) = &subject.exported {
        tiles.push(Tile {
            label: "Work of a query".into(),
            value: format!("{:.1} M", costs.query_macs as f64 / 1e6),
            note: format!(
                "multiply-accumulates, and {:.1} M for each reference",
                costs.comparison_macs as f64 / 1e6
            ),
        });
        tiles.push(Tile {
            label: "Flash".into(),
            value: format!("{:.1} KB", costs.artifact_bytes as f64 / 1e3),
            note: format!("{} bytes", grouped(costs.artifact_bytes)),
        });
        tiles.push(Tile {
            label: "Activation memory".into(),
            value: format!("{:.1} KB", costs.arena_bytes as f64 / 1e3),
            note: format!("{} bytes", grouped(costs.arena_bytes)),
        });
    }
    tiles
}

fn facts(subject: &Subject, network: &Opened<'_>) -> Vec<Fact> {
    let config = &subject.config;
    let list = |names: &[String]| match names.is_empty() {
        true => "made-up tasks only".to_owned(),
        false => names.join(", "),
    };
    let shape = &config.network;
    let mut facts = vec![
        Fact::new("Learnt from", list(&config.tasks)),
        Fact::new(
            "Network",
            format!(
                "channels {:?}, compared at sizes {:?} by {} features, {} cells along each side",
                shape.widths, shape.compared, shape.features, shape.cells
            ),
        ),
        Fact::new("Input", format!("{0} \u{d7} {0} pixels, grey", shape.side)),
        Fact::new(
            "Judged by",
            format!("engine {}, {}", network.engine, network.precision),
        ),
    ];
    if let Some((model_id, costs)) = &subject.exported {
        facts.push(Fact::new(
            "A reference",
            format!(
                "{:.1} million multiply-accumulates, {} bytes kept",
                costs.reference_macs as f64 / 1e6,
                grouped(costs.record_bytes)
            ),
        ));
        facts.push(Fact::new("Model id", model_id.clone()));
    }
    facts
}

fn meaning() -> Section {
    let (draws, queries) = DRAWS;
    Section {
        id: "meaning".into(),
        title: "What the figures mean".into(),
        notes: vec![
            format!(
                "The Dice coefficient is twice what two masks share, by what both have: 1 where \
                 they are the same. {draws} times, references were drawn at random, and the \
                 structure was looked for in up to {queries} pictures of other subjects; \
                 intervals are of 95 %, over these draws."
            ),
            "Methods without a network stand beside it: everything marked; the mask of the \
             reference whose picture is nearest; Otsu's threshold; and the threshold \
             that fits the references best."
                .into(),
            "Not a medical device. The figures hold for pictures like these; of other structures, \
             scanners and stains they say nothing."
                .into(),
        ],
        ..Section::default()
    }
}

fn task(judged: &Judged) -> Section {
    let name = judged.reports.first().map_or("", |report| &report.task);
    let words = match judged.is_learnt {
        true => "Other subjects of this task were learnt from.",
        false => "Nothing of this task was learnt from.",
    };
    let mut notes = vec![words.to_owned()];
    if judged.examples.is_empty() {
        notes.push(
            "Pictures may be of somebody, so none are shown; --thumbnails shows some.".into(),
        );
    }
    Section {
        id: format!("task-{name}"),
        title: name.to_owned(),
        notes,
        figures: vec![against_references(judged)],
        galleries: judged
            .examples
            .iter()
            .map(|of| gallery(judged, of))
            .collect(),
        tables: vec![table(judged)],
        ..Section::default()
    }
}

/// Dice coefficients against the number of references.
fn against_references(judged: &Judged) -> Figure {
    let shots = judged.reports.iter().map(|report| report.shots as f64);
    let x = Axis::new(Scale::around(shots.chain([0.0])), "references");
    let y = Axis::new(Scale::Linear { domain: [0.0, 1.0] }, "Dice coefficient");
    let mut chart = Chart::new(x, y);
    let mut keys = vec![];
    let names = judged
        .reports
        .first()
        .into_iter()
        .flat_map(|report| report.per_structure.keys());
    for (name, class) in names.zip(LINES.into_iter().cycle()) {
        let points = || {
            let of = |report: &Report| report.per_structure.get(name).cloned();
            judged
                .reports
                .iter()
                .filter_map(move |r| Some((r.shots as f64, of(r)?)))
        };
        let best =
            |report: &StructureReport| report.baselines.each().into_iter().fold(0.0, f64::max);
        chart.curve(
            points().map(|(n, r)| [n, best(&r)]),
            &format!("line {class} dashed"),
        );
        chart.curve(points().map(|(n, r)| [n, r.dice]), &format!("line {class}"));
        for (n, report) in points() {
            chart.crossed([n, report.dice], [n; 2], report.ci95, "dot");
        }
        keys.push(Key::line(class, name.as_str()));
        keys.push(Key::line(
            &format!("{class} dashed"),
            format!("{name}, best without a network"),
        ));
    }
    Figure {
        title: "Dice against references".into(),
        picture: chart
            .finish("Dice coefficient of each structure against the number of references"),
        keys,
        words: String::new(),
    }
}

fn table(judged: &Judged) -> Table {
    let mut rows = vec![];
    for report in &judged.reports {
        for (name, of) in &report.per_structure {
            let mut row: Vec<Cell> = vec![
                name.as_str().into(),
                report.shots.to_string().into(),
                Cell::noted(format!("{:.3}", of.dice), interval(of.ci95)),
                of.shown.map_or(Cell::default(), |shown| {
                    let share = format!("{:.0} % of the queries", 100.0 * shown.share);
                    Cell::noted(format!("{:.3}", shown.dice), share)
                }),
                format!("{:.3}", of.iou).into(),
            ];
            row.extend(
                of.baselines
                    .each()
                    .map(|dice| Cell::from(format!("{dice:.3}"))),
            );
            rows.push(row);
        }
    }
    rows.sort_by(|a, b| a[0].text.cmp(&b[0].text));
    let mut columns = vec![Column::text("Structure")];
    columns.extend(
        [
            "References",
            "Dice",
            "Where it is shown",
            "IoU",
            "All marked",
            "Nearest mask",
            "Otsu",
            "Fitted threshold",
        ]
        .map(Column::number),
    );
    Table {
        title: "Each structure".into(),
        words: "Dice coefficients, of the network and without it.".into(),
        columns,
        rows,
    }
}

fn gallery(judged: &Judged, (structure, examples): &(String, Vec<Example>)) -> Gallery {
    let after = shown(judged).map_or(String::new(), |report| references(report.shots));
    let pair = |example: &Example| {
        let shown = |name: &str, picture: &String| Shown {
            name: name.to_owned(),
            picture: Some(picture.clone()),
        };
        ShownPair {
            left: shown(
                &format!("{}, subject {}", example.rank, example.subject),
                &example.wanted,
            ),
            right: shown("found", &example.found),
            distance: format!("Dice {:.3}", example.dice),
        }
    };
    Gallery {
        title: structure.clone(),
        words: format!(
            "After {after}: the query that was found best, the median, and the worst. The outline \
             is what is there, the shade what was found."
        ),
        pairs: examples.iter().map(pair).collect(),
    }
}

fn training(subject: &Subject) -> Section {
    let training = &subject.config.training;
    let share = match training.real {
        real if real <= 0.0 => "all of them made up".to_owned(),
        real => format!("{:.0} % of them real", 100.0 * real),
    };
    let mut section = Section {
        id: "training".into(),
        title: "Training".into(),
        notes: vec![format!(
            "{} batches of about {} pictures, {share}; seed {}.",
            grouped(training.steps as u64),
            training.pictures,
            subject.config.seed
        )],
        ..Section::default()
    };
    match &subject.history {
        Some(history) => section.figures = curves::figures(history),
        None => section.notes.push(
            "The curves are in the report of the run that this model was made from: give it by \
             --run, or report on the run itself."
                .into(),
        ),
    }
    section
}

/// The report whose masks are shown.
fn shown(judged: &Judged) -> Option<&Report> {
    judged.reports.iter().rfind(|report| report.shots <= SHOWN)
}

fn references(count: usize) -> String {
    match count {
        1 => "1 reference".into(),
        _ => format!("{count} references"),
    }
}

fn interval([low, high]: [f64; 2]) -> String {
    format!("{low:.3} to {high:.3}")
}
