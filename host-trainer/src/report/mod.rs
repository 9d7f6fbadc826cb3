//! One page that shows a run or a model: how it was trained, how good it is on classes
//! that training never saw, what that is worth, and what it costs.
//!
//! ```text
//! events.jsonl -> History ---------------> curves
//! embeddings --> Judged --> Identification > histogram, DET, ROC, confusion, errors by class
//!            \-> Hardest, tsne ----------> pairs, map
//! card, artifact ------------------------> recorded figures, thresholds, layers, files
//! ```
//!
//! The page is HTML with static SVG in it: it needs no script and no other file. The same
//! model, data and build give the same bytes: there is no time, place or machine in it.

pub mod chart;
pub mod confusion;
pub mod costs;
pub mod curves;
pub mod error_curves;
pub mod events;
pub mod histogram;
pub mod identification;
pub mod judged;
pub mod map;
pub mod overlay;
pub mod page;
pub mod pairs;
pub mod scale;
pub mod sections;
pub mod segmentation;
pub mod spread;
pub mod subject;
pub mod summary;
pub mod svg;
pub mod thumbnail;
pub mod tsne;

#[cfg(test)]
mod tests;

use anyhow::Result;
use askama::Template;
use shared::artifact::OperatingPoint;

use crate::dataset::{Dataset, Part};
use crate::engine::Embedder;
use crate::evaluate::cohort::Measure;
use crate::evaluate::{self, Embedded, operating_points};

use events::History;
use identification::Identification;
use judged::Judged;
use pairs::Hardest;
use subject::Subject;
use summary::Summary;

/// Numbers of enrolled samples to choose from, best first.
const SHOTS: [usize; 3] = [5, 3, 1];

/// What to make a report of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Enrolled samples per class; the most of 5, 3 and 1 that the test part allows when
    /// it is not said.
    pub shots: Option<usize>,
    /// Whether pictures of samples may be in the page.
    pub thumbnails: bool,
}

/// Everything that is on the page.
#[derive(Debug)]
pub struct Content<'a> {
    /// The model or run.
    pub subject: &'a Subject,
    /// Its training, where its events are known.
    pub history: Option<&'a History>,
    /// What it is judged on.
    pub dataset: &'a Dataset,
    /// `torch`, `ort`, `tract` or `int8`.
    pub engine: &'static str,
    /// `float` or `int8`.
    pub precision: &'static str,
    /// Whether pictures of samples may be in the page.
    pub thumbnails: bool,
    /// The test part, embedded.
    pub test: Embedded,
    /// What was found on it; why nothing was, where it has too few classes.
    pub judgement: Result<Judgement, String>,
    /// Where the thresholds come from.
    pub thresholds_from: String,
}

/// What was found on the test part.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Is this the claimed class?
    pub judged: Judged,
    /// Which class is this?
    pub identification: Identification,
    /// Which samples are hardest to tell?
    pub hardest: Hardest,
}

/// Judges the test part of `dataset` on `embedder`. A test part that cannot be judged is
/// no error; the page says so.
///
/// # Errors
/// When samples cannot be read or the engine fails.
pub fn content<'a>(
    subject: &'a Subject,
    history: Option<&'a History>,
    dataset: &'a Dataset,
    embedder: &mut dyn Embedder,
    options: &Options,
) -> Result<Content<'a>> {
    let measure = &Measure::of(embedder.facts());
    let test = Embedded::new(embedder, dataset, Part::Test)?;
    let precision = evaluate::precision(&test.embeddings);
    let (points, thresholds_from) = points(subject, dataset, embedder, precision)?;
    let shots = options.shots.unwrap_or_else(|| usual_shots(&test));
    let judgement = match Judged::new(&test, measure, shots, &points) {
        Ok(judged) => Ok(Judgement {
            identification: Identification::new(&test, measure, &judged),
            hardest: Hardest::new(&test, measure.comparison),
            judged,
        }),
        Err(error) => Err(format!("{error:#}")),
    };
    Ok(Content {
        subject,
        history,
        dataset,
        engine: embedder.engine(),
        precision,
        thumbnails: options.thumbnails,
        test,
        judgement,
        thresholds_from,
    })
}

/// The thresholds to judge, and where they are from: of a quantized model those that are
/// in it, else measured as they would be, on validation classes.
fn points(
    subject: &Subject,
    dataset: &Dataset,
    embedder: &mut dyn Embedder,
    precision: &str,
) -> Result<(Vec<OperatingPoint>, String)> {
    if precision == "int8"
        && let Some(artifact) = subject.artifact()?
    {
        let points = artifact.operating_points();
        let from = format!(
            "The thresholds are the model's own, measured on {}.",
            points.data()
        );
        return Ok((points.iter().collect(), from));
    }
    let validation = Embedded::new(embedder, dataset, Part::Validation)?;
    let measured = operating_points::measure(&validation, Measure::of(embedder.facts()));
    Ok(match measured {
        Ok((points, _)) => (
            points,
            "The thresholds were measured on the validation classes, as those of a quantized model are."
                .into(),
        ),
        Err(error) => (vec![], format!("There is no threshold: {error:#}.")),
    })
}

/// The most of [`SHOTS`] with which two classes can be judged.
fn usual_shots(test: &Embedded) -> usize {
    let fits = |shots: &usize| test.tensors.by_class(*shots + 1).len() >= 2;
    SHOTS.into_iter().find(fits).unwrap_or(1)
}

/// The page and its main figures.
///
/// # Errors
/// When the artifact is damaged or a picture cannot be made.
pub fn render(content: &Content<'_>) -> Result<(String, Summary)> {
    let summary = Summary::new(content)?;
    let page = sections::page(content, &summary)?;
    Ok((page.render()?, summary))
}
