//! Enrol, verify, identify: an engine, a store, and the model's own thresholds.
//!
//! Every template is compared; [`search`](crate::search) is for servers with very many.

mod enrolment;
mod error;

use shared::ModelId;
use shared::artifact::{Artifact, Golden, OperatingPoint, OperatingPoints};
use shared::cohort::{Cohort, Measure};
use shared::decision::{Identification, Policy, Verification, identify, probability};
use shared::preprocess::pen::{EVENT_LEN, PenEvents, PenPoint};
use shared::preprocess::{Image, Preprocess, PreprocessError};
use shared::quality::{Bounds, Gate};
use shared::support_set::{Comparison, claimed};
use shared::template::{SubjectId, Template};

use crate::engine::{Engine, EngineError, Memory, self_test};
use crate::store::TemplateStore;

pub use enrolment::{Close, Unlike};
pub use error::RecognizerError;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub enum Sample<'a> {
    /// A picture.
    Picture(Image<'a>),
    /// What a pen did.
    Pen(PenEvents<'a>),
    /// What lies at the front of the engine's idle memory ([`Recognizer::memory`]). Looking
    /// at it destroys it.
    Idle(SampleShape),
}

/// How the bytes of a sample are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleShape {
    /// Pixels, row by row.
    Picture {
        /// Pixels per row.
        width: u16,
        /// Rows.
        height: u16,
        /// 1 (grey) or 3 (RGB).
        channels: u8,
    },
    /// Pen events, each of [`EVENT_LEN`] bytes.
    Pen {
        /// How many.
        events: u16,
    },
}

impl SampleShape {
    /// Bytes of the sample; more than there can be, where the product does not fit.
    pub fn size(self) -> usize {
        match self {
            Self::Picture {
                width,
                height,
                channels,
            } => usize::from(width)
                .saturating_mul(height.into())
                .saturating_mul(channels.into()),
            Self::Pen { events } => usize::from(events).saturating_mul(EVENT_LEN),
        }
    }

    /// The sample at the front of `bytes`.
    ///
    /// # Errors
    /// When `bytes` are fewer, and as [`Image::new`].
    pub fn read(self, bytes: &[u8]) -> Result<Sample<'_>, PreprocessError> {
        let bytes = bytes.get(..self.size()).unwrap_or_default();
        match self {
            Self::Picture {
                width,
                height,
                channels,
            } => Image::new(width.into(), height.into(), channels, bytes).map(Sample::Picture),
            Self::Pen { .. } => Ok(Sample::Pen(bytes.as_chunks().0.into())),
        }
    }
}

impl<'a> From<&'a [PenPoint]> for Sample<'a> {
    fn from(points: &'a [PenPoint]) -> Self {
        Self::Pen(points.into())
    }
}

impl<'a> From<&Image<'a>> for Sample<'a> {
    fn from(image: &Image<'a>) -> Self {
        Self::Picture(*image)
    }
}

/// Recognises enrolled subjects. `SHOTS` samples per subject at most, embeddings of
/// `DIM` components at most; `B` is a buffer for one preprocessed sample, borrowed or
/// owned.
#[derive(Debug)]
pub struct Recognizer<'a, E, S, const SHOTS: usize, const DIM: usize> {
    engine: E,
    operating_points: OperatingPoints<'a>,
    far_target: f32,
    /// What pictures measure that the tower learnt from, where that is known.
    quality: Option<Bounds>,
    /// Who says how near is near, where somebody does.
    cohort: Option<Cohort<'a>>,
    store: S,
}

impl<'a, E, S, const SHOTS: usize, const DIM: usize> Recognizer<'a, E, S, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
{
    /// A recognizer that decides by the operating points of `artifact`, aiming at a
    /// false-accept rate of `far_target` (a fraction; see [`OperatingPoints::choose`]).
    ///
    /// # Errors
    /// [`RecognizerError::Engine`] when `engine` runs another model, or the model's
    /// embeddings have more than `DIM` components; [`RecognizerError::Segments`] for one that
    /// makes masks; [`RecognizerError::FarTarget`] when no operating point is as strict as asked.
    pub fn new(
        engine: E,
        artifact: &Artifact<'a>,
        far_target: f32,
        store: S,
    ) -> Result<Self, RecognizerError<S::Error>> {
        if engine.model_id() != artifact.model_id() {
            return Err(RecognizerError::Engine(EngineError::OtherModel {
                expected: artifact.model_id(),
                found: engine.model_id(),
            }));
        }
        if artifact.plan().reference_len() > 0 {
            return Err(RecognizerError::Segments);
        }
        let dim = usize::from(engine.contract().comparison.embedding.dim);
        if dim > DIM {
            return Err(RecognizerError::Engine(EngineError::Length {
                what: "room for embeddings",
                expected: dim,
                found: DIM,
            }));
        }
        let operating_points = *artifact.operating_points();
        let strictest = operating_points.strictest_target();
        let is_measured = strictest <= far_target;
        if !is_measured {
            return Err(RecognizerError::FarTarget {
                asked: far_target,
                strictest,
            });
        }
        Ok(Self {
            engine,
            operating_points,
            far_target,
            quality: artifact.quality(),
            cohort: artifact.cohort(),
            store,
        })
    }

    /// The identity of the model that it runs.
    pub fn model_id(&self) -> ModelId {
        self.engine.model_id()
    }

    /// Runs the golden vectors of the model: how many came out right, and how many there
    /// are.
    ///
    /// # Errors
    /// [`RecognizerError::Engine`].
    pub fn self_test(
        &mut self,
        golden: &Golden<'_>,
    ) -> Result<(u16, u16), RecognizerError<S::Error>> {
        let mut raw = [0u8; DIM];
        let raw = raw.get_mut(..self.dim()).unwrap_or_default();
        Ok(self_test(&mut self.engine, golden, raw)?)
    }

    /// Where templates are kept.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The same, to be changed.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Removes templates of other models, which the store may keep.
    ///
    /// # Errors
    /// [`RecognizerError::Store`].
    pub fn remove_stale(&mut self) -> Result<(), RecognizerError<S::Error>> {
        self.store.remove_stale().map_err(RecognizerError::Store)
    }

    /// What the model reads.
    pub fn preprocess(&self) -> &Preprocess {
        &self.engine.contract().preprocess
    }

    /// The engine's memory, whose idle part may hold a [`Sample::Idle`].
    pub fn memory(&mut self) -> Memory<'_> {
        self.engine.memory()
    }

    /// How embeddings are compared.
    pub fn comparison(&self) -> Comparison {
        self.engine.contract().comparison
    }

    /// How distances are measured, which thresholds are about.
    pub fn measure(&self) -> Measure<'a> {
        Measure {
            comparison: self.comparison(),
            cohort: self.cohort,
        }
    }

    /// Components of an embedding.
    pub fn dim(&self) -> usize {
        usize::from(self.comparison().embedding.dim)
    }

    /// The operating point for subjects enrolled with `shots` samples.
    pub fn operating_point(&self, shots: usize) -> Option<OperatingPoint> {
        self.operating_points.choose(self.far_target, shots)
    }

    /// The policy of that point; without one, nobody is accepted.
    fn policy(&self, shots: usize) -> Policy {
        let nobody = Policy {
            threshold: f32::NEG_INFINITY,
            margin: f32::INFINITY,
        };
        self.operating_point(shots)
            .map_or(nobody, |point| point.policy())
    }

    /// The embedding of a sample; its first [`dim`](Self::dim) components are meant.
    ///
    /// # Errors
    /// [`RecognizerError::Picture`], [`RecognizerError::Pen`],
    /// [`RecognizerError::ReadsPictures`], [`RecognizerError::ReadsPens`],
    /// [`RecognizerError::Engine`].
    pub fn embed<'s>(
        &mut self,
        picture: impl Into<Sample<'s>>,
    ) -> Result<[i8; DIM], RecognizerError<S::Error>> {
        self.prepare(picture.into(), Gate::Open)?;
        self.run()
    }

    /// The embedding of a sample that is good enough to enrol: not blank or short, and
    /// like what the tower learnt from, as far as the model knows that.
    ///
    /// # Errors
    /// [`RecognizerError::Quality`]; as [`embed`](Self::embed).
    pub fn embed_to_enroll<'s>(
        &mut self,
        picture: impl Into<Sample<'s>>,
    ) -> Result<[i8; DIM], RecognizerError<S::Error>> {
        self.prepare(picture.into(), Gate::Enrolment(self.quality))?;
        self.run()
    }

    /// Makes the tower's input of a sample that passes the gate.
    // What it needs is gone when the tower runs, which needs the most.
    #[inline(never)]
    fn prepare(&mut self, sample: Sample<'_>, gate: Gate) -> Result<(), RecognizerError<S::Error>> {
        let preprocess = self.engine.contract().preprocess;
        let Memory { input, idle } = self.engine.memory();
        let sample = match sample {
            Sample::Idle(shape) => shape.read(idle).map_err(RecognizerError::Picture)?,
            sample => sample,
        };
        match (&preprocess, sample) {
            (Preprocess::Picture(spec), Sample::Picture(image)) => {
                Ok(gate.prepare(&image, spec, input)?)
            }
            (Preprocess::Pen(spec), Sample::Pen(events)) => {
                Ok(gate.prepare_pen(events, spec, input)?)
            }
            (Preprocess::Picture(_), _) => Err(RecognizerError::ReadsPictures),
            (Preprocess::Pen(_), _) => Err(RecognizerError::ReadsPens),
        }
    }

    /// Runs the tower on its input.
    fn run(&mut self) -> Result<[i8; DIM], RecognizerError<S::Error>> {
        let format = self.comparison().embedding;
        let (mut raw, mut embedding) = ([0u8; DIM], [0i8; DIM]);
        let dim = usize::from(format.dim).min(DIM);
        let (raw, stored) = (
            raw.get_mut(..dim).unwrap_or_default(),
            embedding.get_mut(..dim).unwrap_or_default(),
        );
        self.engine.run_in_place(raw)?;
        format.finish(raw, stored);
        Ok(embedding)
    }

    /// Runs the tower on what an earlier run left in its memory, for whoever measures it.
    ///
    /// # Errors
    /// [`RecognizerError::Engine`].
    pub fn run_again(&mut self) -> Result<(), RecognizerError<S::Error>> {
        let dim = self.dim();
        let mut raw = [0u8; DIM];
        let raw = raw.get_mut(..dim).unwrap_or_default();
        Ok(self.engine.run_in_place(raw)?)
    }

    /// Is this the claimed subject? Also says with how many samples it is enrolled.
    ///
    /// Templates stay as they are. How near to the threshold a subject is accepted is noted in
    /// its [`Drift`], as far as the store can keep that.
    ///
    /// [`Drift`]: shared::drift::Drift
    ///
    /// # Errors
    /// [`RecognizerError::NotEnrolled`]; as [`embed`](Self::embed).
    pub fn verify<'s>(
        &mut self,
        subject: &str,
        picture: impl Into<Sample<'s>>,
    ) -> Result<(Verification, usize), RecognizerError<S::Error>> {
        let probe = self.embed(picture)?;
        let probe = probe.get(..self.dim()).unwrap_or_default();
        let probe = self.measure().probe(probe);
        let claimed = claimed(&probe, self.store.templates(), subject);
        let (distance, shots) = claimed.ok_or(RecognizerError::NotEnrolled)?;
        let verification = Verification {
            distance,
            threshold: self.policy(shots).threshold,
        };
        if verification.accepted() {
            self.note(subject, &verification);
        }
        Ok((verification, shots))
    }

    /// Notes how near to the threshold a subject was accepted.
    fn note(&mut self, subject: &str, accepted: &Verification) {
        let mut drift = self.store.drift(subject).unwrap_or_default();
        if drift.note(accepted) {
            // The verdict stands, whether this can be kept or not.
            let _ = self.store.keep_drift(subject, drift);
        }
    }

    /// Who is this? The answer borrows from the store. Where prototypes were learnt, a
    /// match has the [`probability`] of its subject among all who are enrolled, too.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn identify<'s>(
        &mut self,
        picture: impl Into<Sample<'s>>,
    ) -> Result<(Identification<'_>, Option<f32>), RecognizerError<S::Error>> {
        let probe = self.embed(picture)?;
        let probe = probe.get(..self.dim()).unwrap_or_default();
        let measured = self.measure().probe(probe);
        let templates = self.store.templates();
        let candidates = templates.map(|template| measured.candidate(template));
        let answer = identify(candidates, |shots| self.policy(shots));
        let probability = match answer {
            Identification::Match { subject, .. } => self.probability(probe, subject),
            Identification::Unknown(_) => None,
        };
        Ok((answer, probability))
    }

    /// The probability of `subject` among all who are enrolled, at the scale of the
    /// first learnt prototype; `None` without one.
    fn probability(&self, probe: &[i8], subject: &SubjectId) -> Option<f32> {
        let comparison = self.comparison();
        let mut templates = self.store.templates();
        let scale = templates.find_map(Template::learned)?.scale;
        let mut templates = self.store.templates();
        let own = templates.find(|template| template.subject_id() == subject)?;
        let own = comparison.cosine(probe, own);
        let templates = self.store.templates();
        let all = templates.map(|template| comparison.cosine(probe, template));
        Some(probability(own, all, scale))
    }

    /// An upper bound of the probability that somebody who is not enrolled is taken for
    /// somebody who is: the sum over all who are enrolled of the upper ends of their
    /// measured false-accept rates (Boole's inequality), at most 1.
    pub fn stranger_bound(&self) -> f32 {
        let templates = self.store.templates();
        let bounds = templates.map(|template| {
            let point = self.operating_point(template.shot_count());
            point.map_or(0.0, |point| point.far_upper)
        });
        bounds.sum::<f32>().min(1.0)
    }

    /// Removes a subject; whether it was enrolled.
    ///
    /// # Errors
    /// [`RecognizerError::Store`].
    pub fn remove(&mut self, subject: &str) -> Result<bool, RecognizerError<S::Error>> {
        self.store.remove(subject).map_err(RecognizerError::Store)
    }
}
