//! Answers the requests of a host: the device's end of [`shared::wire`].
//!
//! ```text
//! bytes -> wire::Frames -> Server::answer -> bytes
//!                             |
//!                         recognizer
//! ```
//!
//! Lines lose, flip and repeat bytes. Every frame that arrives whole is answered once: a
//! request that comes again, because its answer was lost, gets the same answer again and
//! is not carried out again. A frame that is damaged is answered by
//! [`Refusal::Malformed`] to request 0, so that the host resends at once.

use shared::artifact::Golden;
use shared::decision::{Identification, Unknown};
use shared::template::{SubjectId, TemplateError};
use shared::wire::{self, MAX_FRAME, Refusal, Request, Response};

use crate::engine::Engine;
use crate::recognizer::{Recognizer, RecognizerError};
use crate::store::TemplateStore;

mod upload;

use upload::Upload;

/// What a server tells of the board that it runs on.
pub trait Board {
    /// Its name.
    fn name(&self) -> &str;

    /// What its clock shows, in ticks from any moment on; `None` without one.
    fn ticks(&mut self) -> Option<u64>;

    /// Ticks of a second; 0 where ticks are instructions.
    fn ticks_per_second(&self) -> u32;

    /// The most bytes of stack that were ever in use, and all there are.
    fn stack(&self) -> (u32, u32);
}

/// A recognizer that a host talks to. `P` is a buffer for uploaded pictures, borrowed or
/// owned; its length is the largest picture, in bytes. Where it is empty, pictures lie in
/// the engine's idle memory, and each is looked at once. `C` is the board.
#[derive(Debug)]
pub struct Server<'a, E, S, B, P, C, const SHOTS: usize, const DIM: usize> {
    device: Device<'a, E, S, B, P, C, SHOTS, DIM>,
    /// The last request that was carried out: its number, and the checksum of its frame.
    last: Option<(u16, u32)>,
    reply: [u8; MAX_FRAME],
    reply_len: usize,
    refusal: [u8; REFUSAL_LEN],
}

impl<'a, E, S, B, P, C, const SHOTS: usize, const DIM: usize> Server<'a, E, S, B, P, C, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
    B: AsMut<[u8]>,
    P: AsRef<[u8]> + AsMut<[u8]>,
    C: Board,
{
    /// A server for `recognizer`. `golden` are the vectors of its model, `capacity` the
    /// places for subjects in its store.
    pub fn new(
        recognizer: Recognizer<'a, E, S, B, SHOTS, DIM>,
        golden: Golden<'a>,
        capacity: u16,
        picture: P,
        board: C,
    ) -> Self {
        Self {
            device: Device {
                recognizer,
                golden,
                capacity,
                upload: Upload::new(picture),
                board,
                embedding: [0; DIM],
                verdict: None,
            },
            last: None,
            reply: [0; MAX_FRAME],
            reply_len: 0,
            refusal: [0; REFUSAL_LEN],
        }
    }

    /// Whether somebody was accepted, if the last request was to verify or to identify.
    pub fn verdict(&self) -> Option<bool> {
        self.device.verdict
    }

    /// The frame that answers `frame`, which is decoded in place.
    pub fn answer(&mut self, frame: &mut [u8]) -> &[u8] {
        let (id, response) = match wire::open(frame) {
            // Damaged: nobody knows whose it was. What was carried out last stays known.
            Err(_) => (0, Response::Refused(Refusal::Malformed)),
            Ok(opened) => match opened.message::<Request<'_>>() {
                Err(_) => (opened.id, Response::Refused(Refusal::Malformed)),
                Ok(request) => {
                    let this = Some((opened.id, opened.checksum));
                    let is_first = matches!(request, Request::Hello { .. });
                    if self.last == this && !is_first {
                        return self.reply.get(..self.reply_len).unwrap_or_default();
                    }
                    let response = self.device.carry_out(&request);
                    self.last = this;
                    self.reply_len = encode(opened.id, &response, &mut self.reply);
                    return self.reply.get(..self.reply_len).unwrap_or_default();
                }
            },
        };
        // Beside the answer that may be asked for again.
        let length = encode(id, &response, &mut self.refusal);
        self.refusal.get(..length).unwrap_or_default()
    }
}

/// What a frame that refuses takes at most: stuffing and end, number, variants, checksum.
const REFUSAL_LEN: usize = 16;

/// The frame's length. Every response is shorter than a frame.
fn encode(id: u16, response: &Response<'_>, frame: &mut [u8]) -> usize {
    wire::encode(id, response, frame).unwrap_or(0)
}

/// What carries out requests, apart from the frames they come in.
#[derive(Debug)]
struct Device<'a, E, S, B, P, C, const SHOTS: usize, const DIM: usize> {
    recognizer: Recognizer<'a, E, S, B, SHOTS, DIM>,
    golden: Golden<'a>,
    capacity: u16,
    upload: Upload<P>,
    board: C,
    /// The last embedding that was asked for.
    embedding: [u8; DIM],
    /// Whether the last request, if it asked, was answered by somebody being accepted.
    verdict: Option<bool>,
}

impl<E, S, B, P, C, const SHOTS: usize, const DIM: usize> Device<'_, E, S, B, P, C, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
    B: AsMut<[u8]>,
    P: AsRef<[u8]> + AsMut<[u8]>,
    C: Board,
{
    fn carry_out(&mut self, request: &Request<'_>) -> Response<'_> {
        self.verdict = None;
        self.respond(request).unwrap_or_else(Response::Refused)
    }

    fn respond(&mut self, request: &Request<'_>) -> Result<Response<'_>, Refusal> {
        match *request {
            Request::Hello { version } => self.hello(version),
            Request::ImageBegin {
                width,
                height,
                channels,
            } => {
                let idle = self.recognizer.idle_memory();
                self.upload.begin((width, height, channels), idle)?;
                Ok(Response::Done)
            }
            Request::ImageChunk { offset, bytes } => {
                let idle = self.recognizer.idle_memory();
                self.upload.put(offset, bytes, idle)?;
                Ok(Response::Done)
            }
            Request::Enroll { subject, anew } => self.enroll(subject, anew),
            Request::Verify { subject } => {
                let sample = self.upload.take()?;
                let answer = self.recognizer.verify(subject, sample);
                let (answer, _) = answer.map_err(refusal)?;
                self.verdict = Some(answer.accepted());
                Ok(Response::Verified {
                    accepted: answer.accepted(),
                    distance: answer.distance,
                    threshold: answer.threshold,
                })
            }
            Request::Identify => {
                let sample = self.upload.take()?;
                let (answer, _) = self.recognizer.identify(sample).map_err(refusal)?;
                let (subject, distance) = match answer {
                    Identification::Match {
                        subject, distance, ..
                    } => (Some(subject.as_str()), distance),
                    Identification::Unknown(Unknown::NobodyEnrolled) => (None, f32::INFINITY),
                    Identification::Unknown(
                        Unknown::TooFar { distance, .. } | Unknown::Ambiguous { distance, .. },
                    ) => (None, distance),
                };
                self.verdict = Some(subject.is_some());
                Ok(Response::Identified { subject, distance })
            }
            Request::List { index } => {
                let mut templates = self.recognizer.store().templates();
                let entry = templates.nth(index.into()).map(|template| {
                    let shots = u8::try_from(template.shot_count()).unwrap_or(u8::MAX);
                    (template.subject(), shots)
                });
                Ok(Response::Subject { entry })
            }
            Request::Remove { subject } => match self.recognizer.remove(subject) {
                Ok(true) => Ok(Response::Done),
                Ok(false) => Err(Refusal::NotEnrolled),
                Err(error) => Err(refusal(error)),
            },
            Request::Embed => {
                let sample = self.upload.take()?;
                let embedding = self.recognizer.embed(sample).map_err(refusal)?;
                let embedding = embedding.get(..self.recognizer.dim()).unwrap_or_default();
                let places = self.embedding.iter_mut().zip(embedding);
                places.for_each(|(byte, component)| *byte = component.cast_unsigned());
                let components = self.embedding.get(..embedding.len()).unwrap_or_default();
                Ok(Response::Embedding { components })
            }
            Request::SelfTest => {
                self.upload.clear_idle();
                let tested = self.recognizer.self_test(&self.golden);
                let (passed, total) = tested.map_err(refusal)?;
                Ok(Response::SelfTested { passed, total })
            }
            Request::Measure => {
                self.upload.clear_idle();
                let before = self.board.ticks().ok_or(Refusal::Unsupported)?;
                self.recognizer.run_again().map_err(refusal)?;
                let after = self.board.ticks().ok_or(Refusal::Unsupported)?;
                Ok(Response::Measured {
                    ticks: after.wrapping_sub(before),
                    per_second: self.board.ticks_per_second(),
                    stack: self.board.stack(),
                })
            }
            Request::RemoveStale => {
                self.recognizer.remove_stale().map_err(refusal)?;
                Ok(Response::Done)
            }
        }
    }

    fn hello(&mut self, version: u16) -> Result<Response<'_>, Refusal> {
        if version != wire::VERSION {
            return Err(Refusal::Version);
        }
        // A host that begins anew has no picture here.
        self.upload.clear();
        let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let picture = self.upload.capacity(self.recognizer.idle_memory());
        Ok(Response::Hello {
            version: wire::VERSION,
            model: self.recognizer.model_id(),
            capacity: self.capacity,
            enrolled: count(self.enrolled()),
            stale: count(self.recognizer.store().stale_count()),
            picture: u32::try_from(picture).unwrap_or(u32::MAX),
            board: self.board.name(),
        })
    }

    fn enrolled(&self) -> usize {
        self.recognizer.store().templates().count()
    }

    /// Adds the picture to the subject's samples, or makes it the first and, when `anew`,
    /// the only one.
    fn enroll(&mut self, subject: &str, anew: bool) -> Result<Response<'_>, Refusal> {
        let subject = SubjectId::new(subject).map_err(|_| Refusal::Subject)?;
        let stale = self.recognizer.store().stale_count();
        let known = {
            let mut templates = self.recognizer.store().templates();
            templates
                .find(|template| *template.subject_id() == subject)
                .cloned()
        };
        let mut template = match known {
            Some(template) if !anew => template,
            Some(_) => self.recognizer.begin(subject, 0).map_err(refusal)?,
            None if self.enrolled() >= self.capacity.into() => return Err(Refusal::Full),
            None if self.enrolled() + stale >= self.capacity.into() => {
                return Err(Refusal::Stale);
            }
            // Boards have no clock.
            None => self.recognizer.begin(subject, 0).map_err(refusal)?,
        };
        let sample = self.upload.take()?;
        let added = self.recognizer.add(&mut template, sample);
        added.map_err(refusal)?;
        let shots = u8::try_from(template.shot_count()).unwrap_or(u8::MAX);
        self.recognizer.enroll(template).map_err(refusal)?;
        Ok(Response::Enrolled { shots })
    }
}

fn refusal<S>(error: RecognizerError<S>) -> Refusal {
    match error {
        RecognizerError::Picture(_) => Refusal::Image,
        RecognizerError::Engine(_) | RecognizerError::FarTarget { .. } => Refusal::Engine,
        RecognizerError::Template(TemplateError::Shots { .. }) => Refusal::Full,
        RecognizerError::Template(TemplateError::Closed) => Refusal::Learned,
        RecognizerError::Template(_) => Refusal::Subject,
        RecognizerError::NoSample => Refusal::NoImage,
        RecognizerError::NotEnrolled => Refusal::NotEnrolled,
        RecognizerError::Store(_) => Refusal::Store,
    }
}
