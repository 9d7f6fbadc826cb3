//! Enrolment that resists mistakes: bad pictures and pictures of somebody else are refused
//! unless whoever enrols insists, and a subject that is close to another is told.
//!
//! Nothing is learnt from any other picture, whoever is accepted: templates change by
//! enrolment alone.

use core::fmt;

use shared::drift::Drift;
use shared::template::{SubjectId, Template};

use super::{Recognizer, RecognizerError, Sample};
use crate::engine::Engine;
use crate::store::TemplateStore;

/// A sample that is farther from the subject's other samples than one of the same subject
/// should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unlike {
    /// Which sample, from 0.
    pub shot: usize,
    /// How far it is, in units of the model's distance.
    pub distance: f32,
    /// How far it may be.
    pub threshold: f32,
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected to be at most {:.4} from the other samples, found {:.4}: is it of the same subject? Take it again",
            self.threshold, self.distance
        )
    }
}

/// An enrolled subject that is hard to tell from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Close<'a> {
    /// Who.
    pub subject: &'a SubjectId,
    /// How far the other's samples are on average, in units of the model's distance.
    pub distance: f32,
    /// At which distance they would be accepted as this subject.
    pub threshold: f32,
}

impl<E, S, const SHOTS: usize, const DIM: usize> Recognizer<'_, E, S, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
{
    /// An empty template to add samples to. `enrolled_at` is in seconds since 1970, 0
    /// without a clock.
    ///
    /// # Errors
    /// [`RecognizerError::Template`].
    pub fn begin(
        &self,
        subject: SubjectId,
        enrolled_at: u64,
    ) -> Result<Template<SHOTS, DIM>, RecognizerError<S::Error>> {
        let model = self.engine.model_id();
        Ok(Template::new(model, subject, enrolled_at, self.dim())?)
    }

    /// Adds a picture that is good enough to a template.
    ///
    /// # Errors
    /// As [`embed_to_enroll`](Self::embed_to_enroll); [`RecognizerError::Template`] when the
    /// template is full.
    pub fn add<'s>(
        &mut self,
        template: &mut Template<SHOTS, DIM>,
        picture: impl Into<Sample<'s>>,
    ) -> Result<(), RecognizerError<S::Error>> {
        let embedding = self.embed_to_enroll(picture)?;
        Ok(template.push(embedding.get(..self.dim()).unwrap_or_default())?)
    }

    /// Adds a picture to a template, good or bad: somebody insists.
    ///
    /// # Errors
    /// As [`embed`](Self::embed); [`RecognizerError::Template`] when the template is full.
    pub fn add_anyway<'s>(
        &mut self,
        template: &mut Template<SHOTS, DIM>,
        picture: impl Into<Sample<'s>>,
    ) -> Result<(), RecognizerError<S::Error>> {
        let embedding = self.embed(picture)?;
        Ok(template.push(embedding.get(..self.dim()).unwrap_or_default())?)
    }

    /// For each sample of a template, its distance to the subject as the other samples
    /// show it, in order; nothing for a single sample.
    pub fn self_distances(&self, template: &Template<SHOTS, DIM>) -> impl Iterator<Item = f32> {
        let count = template.shots().count();
        (0..count)
            .filter(move |_| count > 1)
            .map(|shot| self.distance_to_others(template, shot))
    }

    /// The distance of a sample to the subject as its other samples show it.
    fn distance_to_others(&self, template: &Template<SHOTS, DIM>, shot: usize) -> f32 {
        let all = template.shots().enumerate();
        let others = all.filter(|(other, _)| *other != shot);
        let own = template.shots().nth(shot).unwrap_or_default();
        self.measure()
            .probe(own)
            .distance_to(others.map(|(_, shot)| shot))
    }

    /// The largest distance of a sample to `others` of the same subject: the threshold of
    /// the most lenient operating point. Whoever verifies strictly still wants samples that
    /// differ as the subject does.
    pub fn self_threshold(&self, others: usize) -> f32 {
        let point = self.operating_points.choose(1.0, others.max(1));
        point.map_or(f32::INFINITY, |point| point.threshold)
    }

    /// Whether the samples of a template are of one subject, as far as distances tell.
    ///
    /// # Errors
    /// The sample that is farthest from the others, where that is too far.
    pub fn check_consistency(&self, template: &Template<SHOTS, DIM>) -> Result<(), Unlike> {
        let distances = self.self_distances(template).enumerate();
        let farthest = distances.max_by(|a, b| a.1.total_cmp(&b.1));
        self.check_shot(template, farthest.map_or(0, |(shot, _)| shot))
    }

    /// Whether one sample of a template is of the same subject as the others.
    ///
    /// # Errors
    /// When it is too far from them.
    pub fn check_shot(&self, template: &Template<SHOTS, DIM>, shot: usize) -> Result<(), Unlike> {
        let others = template.shots().count().saturating_sub(1);
        if others == 0 {
            return Ok(());
        }
        let threshold = self.self_threshold(others);
        let distance = self.distance_to_others(template, shot);
        match distance <= threshold {
            true => Ok(()),
            false => Err(Unlike {
                shot,
                distance,
                threshold,
            }),
        }
    }

    /// The nearest other subject, where the samples of `template` would be accepted as that
    /// one on average: those two are hard to tell apart, or one person.
    pub fn close_to(&self, template: &Template<SHOTS, DIM>) -> Option<Close<'_>> {
        let measure = self.measure();
        let count = template.shots().count().max(1) as f32;
        let others = self.store.templates();
        let others = others.filter(|other| other.subject_id() != template.subject_id());
        let close = others.map(|other| {
            let shots = template.shots();
            let distances = shots.map(|shot| measure.probe(shot).distance_to(other.shots()));
            Close {
                subject: other.subject_id(),
                distance: distances.sum::<f32>() / count,
                threshold: self.policy(other.shot_count()).threshold,
            }
        });
        close
            .filter(|close| close.distance <= close.threshold)
            .min_by(|a, b| a.distance.total_cmp(&b.distance))
    }

    /// Keeps a template of consistent samples, in place of the subject's earlier one. When
    /// this returns without error, the store holds it.
    ///
    /// # Errors
    /// [`RecognizerError::Unlike`]; as [`enroll_anyway`](Self::enroll_anyway).
    pub fn enroll(
        &mut self,
        template: Template<SHOTS, DIM>,
    ) -> Result<(), RecognizerError<S::Error>> {
        self.check_consistency(&template)
            .map_err(RecognizerError::Unlike)?;
        self.enroll_anyway(template)
    }

    /// Keeps a template, consistent or not: somebody insists, or has checked.
    ///
    /// # Errors
    /// [`RecognizerError::NoSample`] for an empty template, [`RecognizerError::Store`].
    pub fn enroll_anyway(
        &mut self,
        template: Template<SHOTS, DIM>,
    ) -> Result<(), RecognizerError<S::Error>> {
        if template.shot_count() == 0 {
            return Err(RecognizerError::NoSample);
        }
        let others = template.shots().count().saturating_sub(1).max(1);
        let threshold = self.policy(others).threshold;
        let drift = Drift::new(self.self_distances(&template), threshold);
        let subject = template.subject_id().clone();
        self.store.put(template).map_err(RecognizerError::Store)?;
        // What cannot be kept begins anew with the first verification.
        let _ = self.store.keep_drift(subject.as_str(), drift);
        Ok(())
    }
}
