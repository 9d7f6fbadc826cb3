//! What carries out requests, apart from the frames they come in.

use shared::artifact::Golden;
use shared::artifact::signature::PublicKey;
use shared::decision::{Identification, Unknown, Verification};
use shared::lockout::{Claim, Lockout};
use shared::support_set::is_enrolled;
use shared::template::{SubjectId, TemplateError};
use shared::wire::{self, Refusal, Request, Response, Scores, Verdict};

use super::attempt::{self, Attempt};
use super::enrolment::{check_place, close_to, enroll};
use super::upload::{Upload, announce, capture};
use super::{Board, Change, ModelSlot, NoRandomness};
use crate::engine::{Engine, Memory};
use crate::link::Role;
use crate::recognizer::{Recognizer, RecognizerError, SampleShape};
use crate::store::{State, StateStore, TemplateStore};

/// A device that a host talks to, with a model or without.
///
/// `P` is a buffer for uploaded samples, borrowed or owned; its length is the largest
/// one, in bytes. Where it is empty, samples lie in the engine's idle memory, and each
/// is looked at once. `C` is the board, `M` where another model goes.
#[derive(Debug)]
pub struct Device<'a, E, S, P, C, M, const SHOTS: usize, const DIM: usize> {
    running: Running<'a, E, S, SHOTS, DIM>,
    lockout: Lockout,
    capacity: u16,
    upload: Upload<P>,
    board: C,
    model: M,
    /// Who was identified last.
    named: Option<SubjectId>,
    /// The last embedding that was asked for.
    embedding: [u8; DIM],
    /// Whether the last request, if it asked, was answered by somebody being accepted.
    verdict: Option<bool>,
}

/// What of a device runs.
#[derive(Debug)]
pub enum Running<'a, E, S, const SHOTS: usize, const DIM: usize> {
    /// A model.
    Model {
        /// What recognises with it.
        recognizer: Recognizer<'a, E, S, SHOTS, DIM>,
        /// What it must answer to made-up inputs.
        golden: Golden<'a>,
    },
    /// The store alone.
    Store {
        /// What is kept.
        store: S,
        /// Why no model does.
        why: Refusal,
    },
    /// Nothing, for this reason.
    Nothing(Refusal),
}

impl<'a, E, S, const SHOTS: usize, const DIM: usize> Running<'a, E, S, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
{
    fn model(&mut self) -> Result<(&mut Recognizer<'a, E, S, SHOTS, DIM>, &Golden<'a>), Refusal> {
        match self {
            Self::Model { recognizer, golden } => Ok((recognizer, golden)),
            Self::Store { why, .. } | Self::Nothing(why) => Err(*why),
        }
    }

    pub(super) fn store(&mut self) -> Result<&mut S, Refusal> {
        match self {
            Self::Model { recognizer, .. } => Ok(recognizer.store_mut()),
            Self::Store { store, .. } => Ok(store),
            Self::Nothing(refusal) => Err(*refusal),
        }
    }
}

/// What carries out requests: a [`Device`], whatever it runs on.
pub trait Respond {
    /// Carries out a request of whom may ask for it. How close a probe came is for paired hosts
    /// alone.
    fn carry_out(&mut self, request: &Request<'_>, role: Role) -> Outcome<'_>;

    /// Forgets the sample that was uploaded or taken: another host asks from now on.
    fn forget(&mut self);

    /// Fills `bytes` with random numbers that nobody can guess.
    ///
    /// # Errors
    /// [`NoRandomness`] where nothing makes them.
    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness>;

    /// Keeps a state, for good when this returns.
    ///
    /// # Errors
    /// [`Refusal::Store`]; why there is no store.
    fn keep(&mut self, state: State, bytes: &[u8]) -> Result<(), Refusal>;

    /// Whether somebody was accepted, if the last request was to verify or to identify.
    fn verdict(&self) -> Option<bool>;
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// This is the answer.
    Answer(Response<'a>),
    /// This is for whoever holds what the device borrows.
    Change(Change),
}

impl<E, S, P, C, M, const SHOTS: usize, const DIM: usize> Respond
    for Device<'_, E, S, P, C, M, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM> + StateStore,
    P: AsRef<[u8]> + AsMut<[u8]>,
    C: Board,
    M: ModelSlot,
{
    fn carry_out(&mut self, request: &Request<'_>, role: Role) -> Outcome<'_> {
        self.verdict = None;
        let change = match request {
            Request::ModelCommit => Some(self.model.received().map(Change::Model)),
            Request::Trust { key } => Some(self.to_trust(key).map(Change::Trust)),
            _ => None,
        };
        if let Some(change) = change {
            return match change {
                Ok(change) => Outcome::Change(change),
                Err(refusal) => Outcome::Answer(Response::Refused(refusal)),
            };
        }
        let answer = self.respond(request, role);
        Outcome::Answer(answer.unwrap_or_else(Response::Refused))
    }

    fn forget(&mut self) {
        self.upload.clear();
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.board.fill_random(bytes)
    }

    fn keep(&mut self, state: State, bytes: &[u8]) -> Result<(), Refusal> {
        let set = self.running.store()?.set_state(state, bytes);
        set.map_err(|_| Refusal::Store)
    }

    fn verdict(&self) -> Option<bool> {
        self.verdict
    }
}

impl<'a, E, S, P, C, M, const SHOTS: usize, const DIM: usize> Device<'a, E, S, P, C, M, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM> + StateStore,
    P: AsRef<[u8]> + AsMut<[u8]>,
    C: Board,
    M: ModelSlot,
{
    /// A device that does what `running` lets it. `capacity` are the places for subjects in its store.
    pub fn new(
        mut running: Running<'a, E, S, SHOTS, DIM>,
        capacity: u16,
        picture: P,
        mut board: C,
        model: M,
    ) -> Self {
        let lockout = attempt::kept(&mut running, &mut board);
        Self {
            running,
            lockout,
            capacity,
            upload: Upload::new(picture),
            board,
            model,
            named: None,
            embedding: [0; DIM],
            verdict: None,
        }
    }

    // Its memory is not needed while frames are waited for.
    #[inline(never)]
    fn respond(&mut self, request: &Request<'_>, role: Role) -> Result<Response<'_>, Refusal> {
        match *request {
            Request::Hello { version } => return self.hello(version),
            Request::ModelBegin { length } => {
                return self.model.begin(length).map(|()| Response::Done);
            }
            Request::ModelChunk { offset, bytes } => {
                return self.model.put(offset, bytes).map(|()| Response::Done);
            }
            _ => {}
        }
        let (recognizer, golden) = self.running.model()?;
        match *request {
            Request::ImageBegin {
                width,
                height,
                channels,
            } => {
                let shape = SampleShape::Picture {
                    width,
                    height,
                    channels,
                };
                announce(recognizer, &mut self.upload, shape)
            }
            Request::PenBegin { events } => {
                announce(recognizer, &mut self.upload, SampleShape::Pen { events })
            }
            Request::SampleChunk { offset, bytes } => {
                let Memory { idle, .. } = recognizer.memory();
                self.upload.put(offset, bytes, idle)?;
                Ok(Response::Done)
            }
            Request::Capture => {
                let Memory { idle, .. } = recognizer.memory();
                capture(&mut self.board, &mut self.upload, idle)
            }
            Request::Enroll {
                subject,
                anew,
                anyway,
            } => self.enroll(subject, anew, anyway),
            Request::Verify { subject } => self.verify(subject, role),
            Request::Identify => self.identify(role),
            Request::List { index } => self.list(index),
            Request::Remove { subject } => match recognizer.remove(subject) {
                Ok(true) => {
                    self.forgive(subject)?;
                    Ok(Response::Done)
                }
                Ok(false) => Err(Refusal::NotEnrolled),
                Err(error) => Err(refusal(error)),
            },
            Request::Embed => self.embed(),
            Request::SelfTest => {
                self.upload.clear_idle();
                let (passed, total) = recognizer.self_test(golden).map_err(refusal)?;
                Ok(Response::SelfTested { passed, total })
            }
            Request::Measure => {
                self.upload.clear_idle();
                measure(&mut self.board, recognizer)
            }
            Request::RemoveStale => {
                recognizer.remove_stale().map_err(refusal)?;
                Ok(Response::Done)
            }
            _ => Err(Refusal::Unsupported),
        }
    }

    // Each by itself: what one of them needs is no burden on the stack of the others.
    #[inline(never)]
    fn enroll(&mut self, subject: &str, anew: bool, anyway: bool) -> Result<Response<'_>, Refusal> {
        let (recognizer, _) = self.running.model()?;
        let subject = SubjectId::new(subject).map_err(|_| Refusal::Subject)?;
        check_place(recognizer.store(), &subject, self.capacity.into())?;
        let sample = self.upload.take()?;
        let embedding = match anyway {
            true => recognizer.embed(sample),
            false => recognizer.embed_to_enroll(sample),
        };
        let embedding = embedding.map_err(refusal)?;
        let shots = enroll(recognizer, &subject, (anew, anyway), &embedding)?;
        let close_to = close_to(recognizer, &subject);
        Ok(Response::Enrolled { shots, close_to })
    }

    #[inline(never)]
    fn verify(&mut self, subject: &str, role: Role) -> Result<Response<'_>, Refusal> {
        let (recognizer, _) = self.running.model()?;
        let sample = self.upload.take()?;
        let claim = match is_enrolled(recognizer.store().templates(), subject) {
            true => Claim::Subject(subject),
            false => Claim::Nobody,
        };
        let mut attempt = Attempt::new(&mut self.lockout, claim, role, &mut self.board);
        if let Some(locked) = attempt.begin(recognizer.store_mut())? {
            return Ok(locked);
        }
        let answer = match recognizer.verify(subject, sample) {
            Err(RecognizerError::NotEnrolled) => None,
            answer => Some(answer.map_err(refusal)?.0),
        };
        let is_accepted = answer.is_some_and(|answer| answer.accepted());
        attempt.end(recognizer.store_mut(), is_accepted)?;
        self.verdict = Some(is_accepted);
        Ok(verified(answer.as_ref(), role))
    }

    #[inline(never)]
    fn identify(&mut self, role: Role) -> Result<Response<'_>, Refusal> {
        let (recognizer, _) = self.running.model()?;
        let sample = self.upload.take()?;
        let claim = Claim::Nobody;
        let mut attempt = Attempt::new(&mut self.lockout, claim, role, &mut self.board);
        if let Some(locked) = attempt.begin(recognizer.store_mut())? {
            return Ok(locked);
        }
        let (answer, _) = recognizer.identify(sample).map_err(refusal)?;
        let (subject, distance) = named(&answer);
        // The answer borrows the store, to which the count is written.
        self.named = subject.cloned();
        let subject = self.named.as_ref().map(SubjectId::as_str);
        attempt.end(recognizer.store_mut(), subject.is_some())?;
        self.verdict = Some(subject.is_some());
        let distance = (role == Role::Paired).then_some(distance);
        Ok(Response::Identified { subject, distance })
    }

    /// Failures of who had a name before are nobody's.
    fn forgive(&mut self, subject: &str) -> Result<(), Refusal> {
        match self.lockout.forget(subject) {
            true => attempt::keep(&self.lockout, self.running.store()?),
            false => Ok(()),
        }
    }

    fn list(&mut self, index: u16) -> Result<Response<'_>, Refusal> {
        let (recognizer, _) = self.running.model()?;
        let store = recognizer.store();
        let entry = store.templates().nth(index.into()).map(|template| {
            let (subject, shots) = (template.subject(), template.shot_count());
            let drift = store.drift(subject).unwrap_or_default();
            (subject, u8::try_from(shots).unwrap_or(u8::MAX), drift)
        });
        Ok(Response::Subject { entry })
    }

    #[inline(never)]
    fn embed(&mut self) -> Result<Response<'_>, Refusal> {
        let (recognizer, _) = self.running.model()?;
        let sample = self.upload.take()?;
        let embedding = recognizer.embed(sample).map_err(refusal)?;
        let embedding = embedding.get(..recognizer.dim()).unwrap_or_default();
        let places = self.embedding.iter_mut().zip(embedding);
        places.for_each(|(byte, component)| *byte = component.cast_unsigned());
        let components = self.embedding.get(..embedding.len()).unwrap_or_default();
        Ok(Response::Embedding { components })
    }

    /// The key that a request names, where models can be sent at all.
    fn to_trust(&self, key: &[u8]) -> Result<PublicKey, Refusal> {
        match (self.model.room(), key.try_into()) {
            (0, _) => Err(Refusal::Unsupported),
            (_, Err(_)) => Err(Refusal::Malformed),
            (_, Ok(key)) => Ok(PublicKey(key)),
        }
    }

    fn hello(&mut self, version: u16) -> Result<Response<'_>, Refusal> {
        if version != wire::VERSION {
            return Err(Refusal::Version);
        }
        // A host that begins anew has no picture here.
        self.upload.clear();
        let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (model, [enrolled, stale, picture]) = match &mut self.running {
            Running::Nothing(_) => (None, [0; 3]),
            Running::Store { store, .. } => (None, [0, store.stale_count(), 0]),
            Running::Model { recognizer, .. } => {
                let picture = self.upload.capacity(recognizer.memory().idle);
                let store = recognizer.store();
                let counts = [store.templates().count(), store.stale_count(), picture];
                (Some(recognizer.model_id()), counts)
            }
        };
        Ok(Response::Hello {
            version: wire::VERSION,
            model,
            capacity: self.capacity,
            enrolled: count(enrolled),
            stale: count(stale),
            picture: bytes(picture),
            slot: bytes(self.model.room()),
            board: self.board.name(),
        })
    }
}

/// What running the model once costs.
fn measure<E, S, C, const SHOTS: usize, const DIM: usize>(
    board: &mut C,
    recognizer: &mut Recognizer<'_, E, S, SHOTS, DIM>,
) -> Result<Response<'static>, Refusal>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
    C: Board,
{
    let before = board.ticks().ok_or(Refusal::Unsupported)?;
    recognizer.run_again().map_err(refusal)?;
    let after = board.ticks().ok_or(Refusal::Unsupported)?;
    Ok(Response::Measured {
        ticks: after.wrapping_sub(before),
        per_second: board.ticks_per_second(),
        stack: board.stack(),
    })
}

/// The verdict, and for a paired host what it rests on.
fn verified(answer: Option<&Verification>, role: Role) -> Response<'static> {
    let scores = answer.map(|answer| Scores {
        distance: answer.distance,
        threshold: answer.threshold,
    });
    Response::Verified {
        verdict: match answer.map(Verification::accepted) {
            None => Verdict::Unknown,
            Some(true) => Verdict::Accept,
            Some(false) => Verdict::Reject,
        },
        scores: scores.filter(|_| role == Role::Paired),
    }
}

/// Who it is, and how far from the nearest.
fn named<'a>(answer: &Identification<'a>) -> (Option<&'a SubjectId>, f32) {
    match *answer {
        Identification::Match {
            subject, distance, ..
        } => (Some(subject), distance),
        Identification::Unknown(Unknown::NobodyEnrolled) => (None, f32::INFINITY),
        Identification::Unknown(
            Unknown::TooFar { distance, .. } | Unknown::Ambiguous { distance, .. },
        ) => (None, distance),
    }
}

pub(super) fn refusal<S>(error: RecognizerError<S>) -> Refusal {
    match error {
        RecognizerError::Picture(_) | RecognizerError::Pen(_) => Refusal::Image,
        RecognizerError::ReadsPictures | RecognizerError::ReadsPens => Refusal::Kind,
        RecognizerError::Engine(_)
        | RecognizerError::FarTarget { .. }
        | RecognizerError::Segments => Refusal::Engine,
        RecognizerError::Template(TemplateError::Shots { .. }) => Refusal::Full,
        RecognizerError::Template(TemplateError::Closed) => Refusal::Learned,
        RecognizerError::Template(_) => Refusal::Subject,
        RecognizerError::Quality(flaw) => Refusal::Quality(flaw),
        RecognizerError::Unlike(_) => Refusal::Unlike,
        RecognizerError::NoSample => Refusal::NoSample,
        RecognizerError::NotEnrolled => Refusal::NotEnrolled,
        RecognizerError::Store(_) => Refusal::Store,
    }
}
