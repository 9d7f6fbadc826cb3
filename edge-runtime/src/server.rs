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
use shared::preprocess::Image;
use shared::template::{SubjectId, TemplateError};
use shared::wire::{self, MAX_FRAME, Refusal, Request, Response};

use crate::engine::Engine;
use crate::recognizer::{Recognizer, RecognizerError};
use crate::store::TemplateStore;

/// A picture that arrives in chunks, in a buffer that is borrowed or owned.
#[derive(Debug)]
struct Upload<P> {
    buffer: P,
    /// Width, height, channels of the announced picture.
    size: Option<(u16, u16, u8)>,
    received: usize,
}

impl<P: AsRef<[u8]> + AsMut<[u8]>> Upload<P> {
    fn len(size: (u16, u16, u8)) -> usize {
        let (width, height, channels) = size;
        usize::from(width)
            .saturating_mul(usize::from(height))
            .saturating_mul(usize::from(channels))
    }

    fn begin(&mut self, size: (u16, u16, u8)) -> Result<(), Refusal> {
        self.size = None;
        self.received = 0;
        let (width, height, channels) = size;
        if width == 0 || height == 0 || !matches!(channels, 1 | 3) {
            return Err(Refusal::Image);
        }
        if Self::len(size) > self.buffer.as_ref().len() {
            return Err(Refusal::ImageTooLarge);
        }
        self.size = Some(size);
        Ok(())
    }

    /// Chunks come in order; one that came before may come again.
    fn put(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refusal> {
        let size = self.size.ok_or(Refusal::NoImage)?;
        let offset = offset as usize;
        let end = offset.checked_add(bytes.len()).ok_or(Refusal::Chunk)?;
        if offset > self.received || end > Self::len(size) {
            return Err(Refusal::Chunk);
        }
        let place = self.buffer.as_mut().get_mut(offset..end);
        place.ok_or(Refusal::Chunk)?.copy_from_slice(bytes);
        self.received = self.received.max(end);
        Ok(())
    }

    fn image(&self) -> Result<Image<'_>, Refusal> {
        let size = self.size.ok_or(Refusal::NoImage)?;
        let (width, height, channels) = size;
        let len = Self::len(size);
        if self.received < len {
            return Err(Refusal::NoImage);
        }
        let pixels = self.buffer.as_ref().get(..len).ok_or(Refusal::NoImage)?;
        Image::new(width.into(), height.into(), channels, pixels).map_err(|_| Refusal::Image)
    }
}

/// A recognizer that a host talks to. `P` is a buffer for uploaded pictures, borrowed or
/// owned; its length is the largest picture, in bytes.
#[derive(Debug)]
pub struct Server<'a, E, S, B, P, const SHOTS: usize, const DIM: usize> {
    device: Device<'a, E, S, B, P, SHOTS, DIM>,
    /// The last request that was carried out: its number, and the checksum of its frame.
    last: Option<(u16, u32)>,
    reply: [u8; MAX_FRAME],
    reply_len: usize,
    refusal: [u8; REFUSAL_LEN],
}

impl<'a, E, S, B, P, const SHOTS: usize, const DIM: usize> Server<'a, E, S, B, P, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
    B: AsMut<[u8]>,
    P: AsRef<[u8]> + AsMut<[u8]>,
{
    /// A server for `recognizer`. `golden` are the vectors of its model, `capacity` the
    /// places for subjects in its store.
    pub fn new(
        recognizer: Recognizer<'a, E, S, B, SHOTS, DIM>,
        golden: Golden<'a>,
        capacity: u16,
        picture: P,
    ) -> Self {
        Self {
            device: Device {
                recognizer,
                golden,
                capacity,
                upload: Upload {
                    buffer: picture,
                    size: None,
                    received: 0,
                },
                embedding: [0; DIM],
            },
            last: None,
            reply: [0; MAX_FRAME],
            reply_len: 0,
            refusal: [0; REFUSAL_LEN],
        }
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
struct Device<'a, E, S, B, P, const SHOTS: usize, const DIM: usize> {
    recognizer: Recognizer<'a, E, S, B, SHOTS, DIM>,
    golden: Golden<'a>,
    capacity: u16,
    upload: Upload<P>,
    /// The last embedding that was asked for.
    embedding: [u8; DIM],
}

impl<E, S, B, P, const SHOTS: usize, const DIM: usize> Device<'_, E, S, B, P, SHOTS, DIM>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
    B: AsMut<[u8]>,
    P: AsRef<[u8]> + AsMut<[u8]>,
{
    fn carry_out(&mut self, request: &Request<'_>) -> Response<'_> {
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
                self.upload.begin((width, height, channels))?;
                Ok(Response::Done)
            }
            Request::ImageChunk { offset, bytes } => {
                self.upload.put(offset, bytes)?;
                Ok(Response::Done)
            }
            Request::Enroll { subject } => self.enroll(subject),
            Request::Verify { subject } => {
                let image = self.upload.image()?;
                let (answer, _) = self.recognizer.verify(subject, &image).map_err(refusal)?;
                Ok(Response::Verified {
                    accepted: answer.accepted(),
                    distance: answer.distance,
                    threshold: answer.threshold,
                })
            }
            Request::Identify => {
                let image = self.upload.image()?;
                let (answer, _) = self.recognizer.identify(&image).map_err(refusal)?;
                let (subject, distance) = match answer {
                    Identification::Match {
                        subject, distance, ..
                    } => (Some(subject.as_str()), distance),
                    Identification::Unknown(Unknown::NobodyEnrolled) => (None, f32::INFINITY),
                    Identification::Unknown(
                        Unknown::TooFar { distance, .. } | Unknown::Ambiguous { distance, .. },
                    ) => (None, distance),
                };
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
                let image = self.upload.image()?;
                let embedding = self.recognizer.embed(&image).map_err(refusal)?;
                let embedding = embedding.get(..self.recognizer.dim()).unwrap_or_default();
                let places = self.embedding.iter_mut().zip(embedding);
                places.for_each(|(byte, component)| *byte = component.cast_unsigned());
                let components = self.embedding.get(..embedding.len()).unwrap_or_default();
                Ok(Response::Embedding { components })
            }
            Request::SelfTest => {
                let tested = self.recognizer.self_test(&self.golden);
                let (passed, total) = tested.map_err(refusal)?;
                Ok(Response::SelfTested { passed, total })
            }
        }
    }

    fn hello(&mut self, version: u16) -> Result<Response<'_>, Refusal> {
        if version != wire::VERSION {
            return Err(Refusal::Version);
        }
        // A host that begins anew has no picture here.
        self.upload.size = None;
        let enrolled = self.enrolled();
        Ok(Response::Hello {
            version: wire::VERSION,
            model: self.recognizer.model_id(),
            capacity: self.capacity,
            enrolled: u16::try_from(enrolled).unwrap_or(u16::MAX),
        })
    }

    fn enrolled(&self) -> usize {
        self.recognizer.store().templates().count()
    }

    /// Adds the picture to the subject's samples, or makes it the first one.
    fn enroll(&mut self, subject: &str) -> Result<Response<'_>, Refusal> {
        let image = self.upload.image()?;
        let subject = SubjectId::new(subject).map_err(|_| Refusal::Subject)?;
        let known = {
            let mut templates = self.recognizer.store().templates();
            templates
                .find(|template| *template.subject_id() == subject)
                .cloned()
        };
        let mut template = match known {
            Some(template) => template,
            None if self.enrolled() >= self.capacity.into() => return Err(Refusal::Full),
            // Boards have no clock.
            None => self.recognizer.begin(subject, 0).map_err(refusal)?,
        };
        let added = self.recognizer.add(&mut template, &image);
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
