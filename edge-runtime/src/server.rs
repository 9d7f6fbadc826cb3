//! Answers the requests of a host: the device's end of [`shared::wire`].
//!
//! ```text
//! bytes -> wire::Frames -> Server::answer -> bytes
//!                             |
//!                          Device: recognizer, picture, slot for another model
//! ```
//!
//! Lines lose, flip and repeat bytes. Every frame that arrives whole is answered once: a
//! request that comes again, because its answer was lost, gets the same answer again and
//! is not carried out again. A frame that is damaged is answered by
//! [`Refusal::Malformed`] to request 0, so that the host resends at once.
//!
//! What a paired host asks comes sealed, in a session of [`crate::link`]; an unpaired one may ask
//! for less. While there is a session, nobody is answered outside it, so that no picture of one
//! host is taken for another's: [`Request::Hello`] ends it.
//!
//! Another model takes the place of the one in use when nothing borrows it any more: then
//! [`Server::answer`] gives [`Answer::Change`], and whoever holds both answers by
//! [`Server::settle`]. So it is with the key that models are to be signed by.

use core::fmt;

use shared::wire::{self, MAX_ANSWER, Opened, Refusal, Request, Response};

use crate::link::{Identity, Role};
use crate::sensor::{Captured, SensorError};

mod attempt;
mod device;
mod enrolment;
mod model;
mod session;
mod upload;

pub use device::{Device, Outcome, Respond, Running};
pub use model::{Change, ModelSlot, Received};

use session::{Sessions, Step, manage};

/// What a server tells of the board that it runs on.
pub trait Board {
    /// Its name.
    fn name(&self) -> &str;

    /// What its clock shows, in ticks from any moment on; `None` without one.
    fn ticks(&mut self) -> Option<u64>;

    /// Ticks of a second; 0 where ticks are instructions.
    fn ticks_per_second(&self) -> u32;

    /// Whole seconds since a moment before the device was started; `None` without a clock that
    /// counts them.
    fn seconds(&mut self) -> Option<u64> {
        let per_second = u64::from(self.ticks_per_second());
        self.ticks()?.checked_div(per_second)
    }

    /// The most bytes of stack that were ever in use, and all there are.
    fn stack(&self) -> (u32, u32);

    /// Takes a picture into the front of `pixels`, as [`Sensor::capture`] does.
    ///
    /// # Errors
    /// [`SensorError::Absent`] without a sensor; what it reports.
    ///
    /// [`Sensor::capture`]: crate::sensor::Sensor::capture
    fn capture(&mut self, _pixels: &mut [u8]) -> Result<Captured, SensorError> {
        Err(SensorError::Absent)
    }

    /// Fills `bytes` with random numbers that nobody can guess.
    ///
    /// # Errors
    /// [`NoRandomness`] where nothing makes them, or what does fails.
    fn fill_random(&mut self, _bytes: &mut [u8]) -> Result<(), NoRandomness> {
        Err(NoRandomness)
    }
}

/// There are no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a source of random numbers that works, found none")
    }
}

impl core::error::Error for NoRandomness {}

impl<B: Board> Board for &mut B {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn ticks(&mut self) -> Option<u64> {
        (**self).ticks()
    }

    fn ticks_per_second(&self) -> u32 {
        (**self).ticks_per_second()
    }

    fn seconds(&mut self) -> Option<u64> {
        (**self).seconds()
    }

    fn stack(&self) -> (u32, u32) {
        (**self).stack()
    }

    fn capture(&mut self, pixels: &mut [u8]) -> Result<Captured, SensorError> {
        (**self).capture(pixels)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        (**self).fill_random(bytes)
    }
}

/// From frames to frames. It outlives the models that a device runs.
///
/// `B` is a buffer for its answers, borrowed or owned, of
/// [`answer_len`](shared::wire::answer_len) bytes.
pub struct Server<B = [u8; MAX_ANSWER]> {
    sessions: Sessions,
    /// The last request that was carried out.
    last: Option<Last>,
    reply: Reply<B>,
    refusal: [u8; REFUSAL_LEN],
}

/// A request that was carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Last {
    id: u16,
    checksum: u32,
}

/// The frame that answers it, which may be asked for again.
struct Reply<B> {
    bytes: B,
    len: usize,
    /// Whether its message is, since the request was.
    is_sealed: bool,
}

/// What to do after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Send this frame.
    Frame(&'a [u8]),
    /// Make this change, and say by [`Server::settle`] whether that succeeded.
    Change(Change),
}

/// What a frame that refuses takes at most: stuffing and end, number, variants, checksum.
const REFUSAL_LEN: usize = 16;

impl<B: AsRef<[u8]>> Reply<B> {
    fn frame(&self) -> &[u8] {
        self.bytes.as_ref().get(..self.len).unwrap_or_default()
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> fmt::Debug for Server<B> {
    /// Without what its sessions keep secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// A server that answered nothing yet, with room for every answer there is.
    pub const fn new() -> Self {
        Self::with_reply([0; MAX_ANSWER])
    }
}

impl<B> Server<B> {
    /// A server that answered nothing yet, and answers in this buffer.
    pub const fn with_reply(bytes: B) -> Self {
        Self {
            sessions: Sessions::new(),
            last: None,
            reply: Reply {
                bytes,
                len: 0,
                is_sealed: false,
            },
            refusal: [0; REFUSAL_LEN],
        }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Server<B> {
    /// What answers `frame`, which is decoded in place, on `device`, which goes by `identity`.
    pub fn answer(
        &mut self,
        frame: &mut [u8],
        device: &mut impl Respond,
        identity: &mut Identity,
    ) -> Answer<'_> {
        // Damaged: nobody knows whose it was. What was carried out last stays known.
        let Ok(opened) = wire::open(frame) else {
            return self.refuse(0, Refusal::Malformed);
        };
        let Opened { id, checksum, .. } = opened;
        let Ok(request) = opened.message::<Request<'_>>() else {
            return self.refuse(id, Refusal::Malformed);
        };
        let this = Last { id, checksum };
        let is_first = matches!(request, Request::Hello { .. });
        if self.last == Some(this) && !is_first {
            return Answer::Frame(self.reply.frame());
        }
        match request {
            Request::Handshake { bytes } => self.greet(this, bytes, device, identity),
            Request::Sealed { bytes } => {
                let length = bytes.len();
                let sealed = opened.tail(length);
                let session = self.sessions.current();
                let Some((plain, host)) =
                    session.and_then(|session| Some((session.open(sealed).ok()?, *session.peer())))
                else {
                    return self.refuse(id, Refusal::Session);
                };
                let request = wire::message(plain).map_err(|_| Refusal::Malformed);
                self.begin(this, true);
                let role = identity.role(&host);
                self.respond(request, role, device, identity)
            }
            _ if self.sessions.current().is_some() && !is_first => {
                self.refuse(id, Refusal::Session)
            }
            _ => {
                if is_first {
                    self.sessions.end();
                    device.forget();
                }
                self.begin(this, false);
                self.respond(Ok(request), Role::Anyone, device, identity)
            }
        }
    }

    /// The frame that answers the request for a change.
    pub fn settle(&mut self, committed: Result<(), Refusal>) -> &[u8] {
        self.keep(&committed.map_or_else(Response::Refused, |()| Response::Done));
        self.reply.frame()
    }

    /// The answer to a message of a handshake.
    // Keys and hashes are not needed while a request is carried out.
    #[inline(never)]
    fn greet(
        &mut self,
        this: Last,
        message: &[u8],
        device: &mut impl Respond,
        identity: &mut Identity,
    ) -> Answer<'_> {
        match self.sessions.shake_hands(message, device, identity) {
            Err(refusal) => return self.refuse(this.id, refusal),
            Ok(Step::Second(bytes)) => {
                self.begin(this, false);
                self.keep(&Response::Handshake { bytes: &bytes });
            }
            Ok(Step::Begun(response)) => {
                self.begin(this, true);
                self.keep(&response);
            }
        }
        Answer::Frame(self.reply.frame())
    }

    /// A request is to be carried out. Until it was, nothing is said when it comes again.
    fn begin(&mut self, this: Last, is_sealed: bool) {
        self.last = Some(this);
        self.reply.len = 0;
        self.reply.is_sealed = is_sealed;
    }

    fn respond(
        &mut self,
        request: Result<Request<'_>, Refusal>,
        role: Role,
        device: &mut impl Respond,
        identity: &mut Identity,
    ) -> Answer<'_> {
        match request {
            Err(refusal) => self.keep(&Response::Refused(refusal)),
            Ok(request) => match manage(&request, role, device, identity) {
                Some(response) => self.keep(&response),
                None => match device.carry_out(&request, role) {
                    Outcome::Answer(response) => self.keep(&response),
                    Outcome::Change(change) => return Answer::Change(change),
                },
            },
        }
        Answer::Frame(self.reply.frame())
    }

    /// Keeps the response to the last request. None is longer than there is room for.
    fn keep(&mut self, response: &Response<'_>) {
        let id = self.last.map_or(0, |last| last.id);
        let reply = &mut self.reply;
        let written = match self.sessions.current() {
            Some(session) if reply.is_sealed => {
                let seal = |plain: &mut [u8]| session.seal(plain);
                wire::encode_sealed(id, response, reply.bytes.as_mut(), seal)
            }
            _ => wire::encode(id, response, reply.bytes.as_mut()),
        };
        reply.len = written.unwrap_or(0);
    }

    /// The answer to what is not carried out, beside the one that may be asked for again.
    fn refuse(&mut self, id: u16, refusal: Refusal) -> Answer<'_> {
        let response = Response::Refused(refusal);
        let length = wire::encode(id, &response, &mut self.refusal).unwrap_or(0);
        Answer::Frame(self.refusal.get(..length).unwrap_or_default())
    }
}
