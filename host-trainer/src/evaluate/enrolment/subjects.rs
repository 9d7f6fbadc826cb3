//! Enrolments of several samples: of one class, of two, and twice.

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use shared::artifact::Artifact;
use shared::decision::Verification;
use shared::drift::{Drift, WINDOW};

use super::Details;
use crate::dataset::ClassSamples;
use crate::engine::Embeddings;
use crate::evaluate::Embedded;
use crate::evaluate::cohort::Measure;
use crate::evaluate::reference::Reference;

/// Classes with samples for enrolments of `shots` samples.
pub(super) struct Subjects<'a> {
    embeddings: &'a Embeddings,
    measure: Measure,
    classes: Vec<ClassSamples>,
    shots: usize,
    /// The largest distance of a sample to the others of an enrolment.
    lenient: f32,
    /// The same by the usual operating point.
    strict: f32,
    /// At which an enrolled subject is accepted.
    threshold: f32,
}

impl<'a> Subjects<'a> {
    /// # Errors
    /// When `shots` is below 2, or fewer than two classes have twice as many genuine samples.
    pub(super) fn new(
        embedded: &'a Embedded,
        measure: Measure,
        artifact: &Artifact<'_>,
        shots: usize,
    ) -> Result<Self> {
        ensure!(shots >= 2, "expected --shots of at least 2, found {shots}");
        let classes = embedded.tensors.by_class(2 * shots);
        ensure!(
            classes.len() >= 2,
            "expected at least 2 classes with {} genuine samples, found {}: lower --shots or add samples",
            2 * shots,
            classes.len()
        );
        let points = artifact.operating_points();
        let threshold = |far, shots| -> Result<f32> {
            let point = points.choose(far, shots).context("no operating point")?;
            Ok(point.threshold)
        };
        let usual = points.usual_target();
        Ok(Self {
            embeddings: &embedded.embeddings,
            measure,
            classes,
            shots,
            lenient: threshold(1.0, shots - 1)?,
            strict: threshold(usual, shots - 1)?,
            threshold: threshold(usual, shots)?,
        })
    }

    /// Fills in what is found.
    pub(super) fn judge(&self, details: &mut Details) {
        details.inconsistent =
            self.share(|class| self.farthest(self.first(class)).1 > self.lenient);
        details.inconsistent_strictly =
            self.share(|class| self.farthest(self.first(class)).1 > self.strict);
        let mixed = |class| self.farthest(&self.mixed(class));
        details.mixed = self.share(|class| mixed(class).1 > self.lenient);
        details.mixed_named =
            self.share(|class| mixed(class).0 == self.shots - 1 && mixed(class).1 > self.lenient);
        let second = |class: usize| &self.classes[class].genuine[self.shots..2 * self.shots];
        details.again_close = self.share(|class| self.are_close(second(class), self.first(class)));
        let other = |class: usize| self.first((class + 1) % self.classes.len());
        details.stranger_close =
            self.share(|class| self.are_close(other(class), self.first(class)));
        let drifts: Vec<Drift> = (0..self.classes.len())
            .map(|class| self.drift(class))
            .collect();
        let watched = drifts.iter().filter(|drift| drift.count() == WINDOW);
        details.watched = watched.count();
        details.advised = drifts
            .iter()
            .filter(|drift| drift.advice().is_some())
            .count();
    }

    /// The share of classes of which something is so.
    fn share(&self, is_so: impl Fn(usize) -> bool + Sync) -> f64 {
        let count = (0..self.classes.len())
            .into_par_iter()
            .filter(|&class| is_so(class));
        count.count() as f64 / self.classes.len() as f64
    }

    /// The samples that a class is enrolled with.
    fn first(&self, class: usize) -> &[usize] {
        &self.classes[class].genuine[..self.shots]
    }

    /// The same, but for the last, which is of the next class.
    fn mixed(&self, class: usize) -> Vec<usize> {
        let other = self.first((class + 1) % self.classes.len());
        let own = &self.first(class)[..self.shots - 1];
        own.iter().chain(&other[..1]).copied().collect()
    }

    fn distance(&self, probe: usize, enrolled: &[usize]) -> f32 {
        let reference = Reference::new(self.embeddings, enrolled, &self.measure);
        reference.distance(self.embeddings.get(probe))
    }

    /// Each sample's distance to the others.
    fn self_distances(&self, samples: &[usize]) -> Vec<f32> {
        let distance = |&sample: &usize| {
            let others: Vec<usize> = samples.iter().copied().filter(|&s| s != sample).collect();
            self.distance(sample, &others)
        };
        samples.iter().map(distance).collect()
    }

    /// Which sample is farthest from the others, and how far.
    fn farthest(&self, samples: &[usize]) -> (usize, f32) {
        let distances = self.self_distances(samples).into_iter().enumerate();
        distances.fold((0, f32::NEG_INFINITY), |farthest, found| {
            match found.1 >= farthest.1 {
                true => found,
                false => farthest,
            }
        })
    }

    /// Whether samples are accepted as an enrolled class on average.
    fn are_close(&self, samples: &[usize], enrolled: &[usize]) -> bool {
        let distances = samples
            .iter()
            .map(|&sample| self.distance(sample, enrolled));
        distances.sum::<f32>() / samples.len() as f32 <= self.threshold
    }

    /// What is noted of a class whose other samples are verified one after the other.
    fn drift(&self, class: usize) -> Drift {
        let enrolled = self.first(class);
        let selves = self.self_distances(enrolled).into_iter();
        let mut drift = Drift::new(selves, self.strict);
        for &probe in &self.classes[class].genuine[self.shots..] {
            drift.note(&Verification {
                distance: self.distance(probe, enrolled),
                threshold: self.threshold,
            });
        }
        drift
    }
}
