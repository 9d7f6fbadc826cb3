use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use edge_runtime::recognizer::RecognizerError;
use edge_runtime::store::file::SHOTS;
use serde_json::{Value, json};
use shared::embedding::MAX_DIM;
use shared::template::{SubjectId, Template};

use super::{number, structures, warn, warn_of_close};
use crate::Outcome;
use crate::arguments::Enroll;
use crate::model::{FileRecognizer, marks, recognizer};
use crate::pictures::FileSample;

pub(super) fn run(arguments: &Enroll, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.recognizer.model.open()?;
    // Templates are bound to an identity, which had better be the content's.
    let artifact = model.identified_artifact()?;
    match (marks(&artifact), arguments.masks.are_given()) {
        (true, true) => return structures::enroll(arguments, &model, out),
        (true, false) => bail!(
            "expected a --mask MASK for each picture, which this model learns a structure from, found none: give masks, or another model"
        ),
        (false, true) => bail!(
            "expected a model that marks structures for --mask, found one that tells subjects apart: leave --mask out, or take another model"
        ),
        (false, false) => {}
    }
    let mut recognizer = recognizer(&model, &arguments.recognizer)?;
    let subject = SubjectId::new(&arguments.subject)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut template = recognizer.begin(subject, now.map_or(0, |now| now.as_secs()))?;
    let mut files = vec![];
    for file in arguments.samples.all()? {
        let read = file.read()?;
        let file = file.path;
        add(
            &mut recognizer,
            &mut template,
            &file,
            &read,
            arguments.force,
        )
        .with_context(|| file.display().to_string())?;
        files.push(file);
    }
    check(&recognizer, &template, &files, arguments.force)?;
    let shots = template.shot_count();
    let threshold = recognizer.self_threshold(shots.saturating_sub(1));
    let distances: Vec<f32> = recognizer.self_distances(&template).collect();
    let close = recognizer.close_to(&template);
    let close = close.map(|close| (close.subject.clone(), close.distance));
    recognizer.enroll_anyway(template)?;
    let close_to = close.map(|(other, distance)| {
        warn_of_close(&arguments.subject, other.as_str(), Some(distance));
        other.as_str().to_owned()
    });
    if arguments.json {
        let distances: Vec<Value> = distances.iter().copied().map(number).collect();
        let enrolled = json!({
            "subject": arguments.subject,
            "shots": shots,
            "model_id": model.artifact()?.model_id().to_string(),
            "engine": arguments.recognizer.model.engine.name(),
            "self_distances": distances,
            "threshold": number(threshold),
            "close_to": close_to,
        });
        writeln!(out, "{enrolled}")?;
    } else {
        writeln!(
            out,
            "{}: enrolled with {shots} {} in {}",
            arguments.subject,
            if shots == 1 { "sample" } else { "samples" },
            arguments.recognizer.store()?.display()
        )?;
    }
    Ok(Outcome::Yes)
}

/// Adds a sample; a bad one only by `force`, and not silently.
fn add(
    recognizer: &mut FileRecognizer<'_>,
    template: &mut Template<SHOTS, MAX_DIM>,
    file: &Path,
    read: &FileSample,
    force: bool,
) -> Result<()> {
    let sample = read.sample()?;
    match recognizer.add(template, sample) {
        Err(RecognizerError::Quality(flaw)) if force => {
            warn(format_args!("{}: {flaw}", file.display()));
            Ok(recognizer.add_anyway(template, sample)?)
        }
        added => Ok(added?),
    }
}

/// Whether the samples are of one subject; if they are not, `force` takes them all the same.
fn check(
    recognizer: &FileRecognizer<'_>,
    template: &Template<SHOTS, MAX_DIM>,
    files: &[PathBuf],
    force: bool,
) -> Result<()> {
    let Err(unlike) = recognizer.check_consistency(template) else {
        return Ok(());
    };
    let file = files
        .get(unlike.shot)
        .map_or_else(String::new, |file| file.display().to_string());
    if force {
        warn(format_args!("{file}: {unlike}"));
        return Ok(());
    }
    let refused: Result<(), RecognizerError<anyhow::Error>> = Err(RecognizerError::Unlike(unlike));
    refused.context(file)
}
