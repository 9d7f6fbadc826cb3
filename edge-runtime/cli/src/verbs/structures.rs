//! Verbs on structures, for models that mark such on pictures.

use std::io::Write;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use edge_runtime::engine::{Engine, SegmentationEngine};
use edge_runtime::loader::Model;
use edge_runtime::segmenter::{Reference, SegmenterError};
use edge_runtime::store::TemplateStore;
use edge_runtime::store::file::STRUCTURE_SHOTS;
use serde_json::json;
use shared::artifact::golden::{fill_input, fill_mask};
use shared::embedding::MAX_DIM;
use shared::segmentation::{RecordShape, References};
use shared::template::{SubjectId, Template};

use super::bench::{line, stage};
use crate::Outcome;
use crate::arguments::{Bench, Enroll, List, Remove};
use crate::model::{FileSegmenter, Memory, engine, structures};
use crate::pictures;

/// Enrols a structure from pictures with masks.
pub(super) fn enroll(arguments: &Enroll, model: &Model, out: &mut impl Write) -> Result<Outcome> {
    let (recognizer, masks) = (&arguments.recognizer, &arguments.masks);
    ensure!(
        !arguments.samples.has_faces(),
        "expected no list of --faces with --mask, whose structures are on the whole picture, found one: leave it out"
    );
    let references = masks.with(arguments.samples.files()?)?;
    let mut memory = Memory::new(&model.artifact()?);
    let (store, keys) = (recognizer.store()?, &recognizer.keys);
    let mut segmenter = memory.segmenter(model, recognizer.model.engine, store, keys)?;
    let structure = SubjectId::new(&arguments.subject)?;
    let mut template = begin(&segmenter, structure, masks.add)?;
    for (picture, mask) in &references {
        let files = || format!("{} with {}", picture.display(), mask.display());
        add(
            &mut segmenter,
            &mut template,
            picture,
            mask,
            masks.mask_value,
        )
        .with_context(files)?;
    }
    let count = segmenter.keep(template)?;
    if arguments.json {
        let enrolled = json!({
            "subject": arguments.subject,
            "references": count,
            "model_id": segmenter.model_id().to_string(),
            "engine": recognizer.model.engine.name(),
        });
        writeln!(out, "{enrolled}")?;
    } else {
        writeln!(
            out,
            "{}: enrolled with {} in {}",
            arguments.subject,
            in_words(count),
            store.display()
        )?;
    }
    Ok(Outcome::Yes)
}

/// An empty template, or the structure's, if there is one and its references are to stay.
fn begin(
    segmenter: &FileSegmenter<'_, '_>,
    structure: SubjectId,
    is_added: bool,
) -> Result<Template<STRUCTURE_SHOTS, MAX_DIM>> {
    match segmenter.resume(structure.as_str()) {
        Ok(template) if is_added => Ok(template),
        Err(error @ SegmenterError::Record) if is_added => Err(error.into()),
        _ => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            Ok(segmenter.begin(structure, now.map_or(0, |now| now.as_secs()))?)
        }
    }
}

fn add(
    segmenter: &mut FileSegmenter<'_, '_>,
    template: &mut Template<STRUCTURE_SHOTS, MAX_DIM>,
    picture: &Path,
    mask: &Path,
    value: Option<u16>,
) -> Result<()> {
    let picture = pictures::read_stretched(picture)?;
    let mask = pictures::read_mask(mask, value)?;
    let reference = Reference {
        image: picture.image()?,
        mask_size: mask.size(),
        mask: mask.pixels(),
    };
    Ok(segmenter.add(template, &reference)?)
}

/// Lists structures.
pub(super) fn list(arguments: &List, model: &Model, out: &mut impl Write) -> Result<Outcome> {
    let artifact = model.artifact()?;
    let store = structures(
        &artifact,
        arguments.recognizer.store()?,
        &arguments.recognizer.keys,
    )?;
    let shape = RecordShape::new(artifact.plan().reference_len());
    let count = |template: &Template<_, _>| template.shot_count() / shape.shots;
    if arguments.json {
        let subject = |template: &Template<STRUCTURE_SHOTS, MAX_DIM>| {
            json!({
                "subject": template.subject(),
                "references": count(template),
                "enrolled_at": template.enrolled_at(),
            })
        };
        let list = json!({
            "model_id": artifact.model_id().to_string(),
            "subjects": store.templates().map(subject).collect::<Vec<_>>(),
        });
        writeln!(out, "{list}")?;
        return Ok(Outcome::Yes);
    }
    for template in store.templates() {
        writeln!(out, "{}  {}", template.subject(), in_words(count(template)))?;
    }
    Ok(Outcome::Yes)
}

/// Removes a structure.
pub(super) fn remove(arguments: &Remove, model: &Model, out: &mut impl Write) -> Result<Outcome> {
    let (store, keys) = (arguments.recognizer.store()?, &arguments.recognizer.keys);
    let gone = structures(&model.artifact()?, store, keys)?.remove(&arguments.subject)?;
    super::remove::removed(arguments, gone, out)
}

/// Measures how long it takes to learn from a reference, and to mark by it.
pub(super) fn bench(arguments: &Bench, model: &Model, out: &mut impl Write) -> Result<Outcome> {
    let artifact = model.artifact()?;
    let (plan, shape) = (artifact.plan(), artifact.contract().preprocess.shape());
    let mut engine = engine(model, arguments.model.engine)?;
    let mut mask = vec![0; plan.output().len()];
    let mut output = mask.clone();
    let mut record = vec![0; plan.reference_len()];
    let (mut reference, mut segment) = (vec![], vec![]);
    // The first runs warm caches and are not counted.
    for run in 0..arguments.runs + 2 {
        let input = engine.memory().input;
        fill_input(2, shape.row_len(), input);
        fill_mask(input, shape.channels.into(), &mut mask);
        let started = Instant::now();
        engine.reference_in_place(&mask, &mut record)?;
        let learnt = started.elapsed();
        fill_input(4, shape.row_len(), engine.memory().input);
        let started = Instant::now();
        engine.segment_in_place(References::new(&record, record.len()), &mut output)?;
        if run >= 2 {
            reference.push(learnt);
            segment.push(started.elapsed());
        }
    }
    let name = arguments.model.engine.name();
    if arguments.json {
        let result = json!({
            "model_id": artifact.model_id().to_string(),
            "engine": name,
            "clock": "wall, one thread",
            "runs": arguments.runs,
            "reference": stage(&reference),
            "segment": stage(&segment),
            "macs": plan.macs(),
            "arena_bytes": plan.arena_len(),
        });
        writeln!(out, "{result}")?;
        return Ok(Outcome::Yes);
    }
    writeln!(
        out,
        "engine {name}, {} runs, wall clock, one thread",
        arguments.runs
    )?;
    writeln!(out, "{}", line("learn from a reference", &reference))?;
    writeln!(out, "{}", line("mark by one reference", &segment))?;
    Ok(Outcome::Yes)
}

pub(super) fn in_words(references: usize) -> String {
    match references {
        1 => "1 reference".to_owned(),
        count => format!("{count} references"),
    }
}
