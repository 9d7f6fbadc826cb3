//! Enrolment at the request of a host.

use shared::template::{SubjectId, Template};
use shared::wire::Refusal;

use super::device::refusal;
use crate::engine::Engine;
use crate::recognizer::Recognizer;
use crate::store::TemplateStore;

/// Whether there is a place for the subject.
pub(super) fn check_place<S, const SHOTS: usize, const DIM: usize>(
    store: &S,
    subject: &SubjectId,
    capacity: usize,
) -> Result<(), Refusal>
where
    S: TemplateStore<SHOTS, DIM>,
{
    let enrolled = store.templates().count();
    let mut templates = store.templates();
    if templates.any(|template| template.subject_id() == subject) {
        return Ok(());
    }
    if enrolled >= capacity {
        return Err(Refusal::Full);
    }
    if enrolled + store.stale_count() >= capacity {
        return Err(Refusal::Stale);
    }
    Ok(())
}

/// Adds an embedding to the subject's samples, or makes it the first and, when `anew`, the
/// only one: how many there are then. One that is unlike the others is added when `anyway`.
// Templates are large, and not needed while the engine runs.
#[inline(never)]
pub(super) fn enroll<E, S, const SHOTS: usize, const DIM: usize>(
    recognizer: &mut Recognizer<'_, E, S, SHOTS, DIM>,
    subject: &SubjectId,
    (anew, anyway): (bool, bool),
    embedding: &[i8; DIM],
) -> Result<u8, Refusal>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
{
    let template = joined(recognizer, subject, (anew, anyway), embedding)?;
    let count = template.shot_count();
    recognizer.enroll_anyway(template).map_err(refusal)?;
    Ok(u8::try_from(count).unwrap_or(u8::MAX))
}

/// The subject's template with another embedding.
// What it is made of is not needed while it is written.
#[inline(never)]
fn joined<E, S, const SHOTS: usize, const DIM: usize>(
    recognizer: &Recognizer<'_, E, S, SHOTS, DIM>,
    subject: &SubjectId,
    (anew, anyway): (bool, bool),
    embedding: &[i8; DIM],
) -> Result<Template<SHOTS, DIM>, Refusal>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
{
    let known = {
        let mut templates = recognizer.store().templates();
        let known = templates.find(|template| !anew && template.subject_id() == subject);
        known.cloned()
    };
    let mut template = match known {
        Some(template) => template,
        // Boards have no clock.
        None => recognizer.begin(subject.clone(), 0).map_err(refusal)?,
    };
    let embedding = embedding.get(..recognizer.dim()).unwrap_or_default();
    let added = template.push(embedding);
    added.map_err(|error| refusal::<S::Error>(error.into()))?;
    let count = template.shot_count();
    if !anyway {
        // The others were taken already.
        let checked = recognizer.check_shot(&template, count.saturating_sub(1));
        checked.map_err(|_| Refusal::Unlike)?;
    }
    Ok(template)
}

/// Another subject that is hard to tell from an enrolled one.
pub(super) fn close_to<'r, E, S, const SHOTS: usize, const DIM: usize>(
    recognizer: &'r Recognizer<'_, E, S, SHOTS, DIM>,
    subject: &SubjectId,
) -> Option<&'r str>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
{
    let mut templates = recognizer.store().templates();
    let template = templates.find(|template| template.subject_id() == subject)?;
    let close = recognizer.close_to(template)?;
    Some(close.subject.as_str())
}
