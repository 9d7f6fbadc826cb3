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
//! Another model takes the place of the one in use when nothing borrows it any more: then
//! [`Server::answer`] gives [`Answer::Commit`], and whoever holds both answers by
//! [`Server::settle`].

use core::fmt;

use shared::wire::{self, MAX_ANSWER, Refusal, Request, Response};

use crate::sensor::{Captured, SensorError};

mod device;
mod model;
mod upload;

pub use device::{Device, Outcome, Respond, Running};
pub use model::{ModelSlot, Received};

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
#[derive(Debug)]
pub struct Server {
    /// The last request that was carried out: its number, and the checksum of its frame.
    last: Option<(u16, u32)>,
    reply: [u8; MAX_ANSWER],
    reply_len: usize,
    refusal: [u8; REFUSAL_LEN],
}

/// What to do after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Send this frame.
    Frame(&'a [u8]),
    /// Go over to the model that was received, and say by [`Server::settle`] whether that
    /// succeeded.
    Commit(Received),
}

/// What a frame that refuses takes at most: stuffing and end, number, variants, checksum.
const REFUSAL_LEN: usize = 16;

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server that answered nothing yet.
    pub const fn new() -> Self {
        Self {
            last: None,
            reply: [0; MAX_ANSWER],
            reply_len: 0,
            refusal: [0; REFUSAL_LEN],
        }
    }

    /// What answers `frame`, which is decoded in place, on `device`.
    pub fn answer(&mut self, frame: &mut [u8], device: &mut impl Respond) -> Answer<'_> {
        // Damaged: nobody knows whose it was. What was carried out last stays known.
        let Ok(opened) = wire::open(frame) else {
            return self.refuse(0);
        };
        let Ok(request) = opened.message::<Request<'_>>() else {
            return self.refuse(opened.id);
        };
        let this = Some((opened.id, opened.checksum));
        let is_first = matches!(request, Request::Hello { .. });
        if self.last == this && !is_first {
            return Answer::Frame(self.reply());
        }
        self.last = this;
        // Until it is settled, nothing is said to a request that comes again.
        self.reply_len = 0;
        match device.carry_out(&request) {
            Outcome::Answer(response) => self.keep(opened.id, &response),
            Outcome::Commit(received) => return Answer::Commit(received),
        }
        Answer::Frame(self.reply())
    }

    /// The frame that answers the request to go over to another model.
    pub fn settle(&mut self, committed: Result<(), Refusal>) -> &[u8] {
        let response = committed.map_or_else(Response::Refused, |()| Response::Done);
        let id = self.last.map_or(0, |(id, _)| id);
        self.keep(id, &response);
        self.reply()
    }

    /// Keeps a response, which may be asked for again. None is longer than there is room for.
    fn keep(&mut self, id: u16, response: &Response<'_>) {
        self.reply_len = wire::encode(id, response, &mut self.reply).unwrap_or(0);
    }

    fn reply(&self) -> &[u8] {
        self.reply.get(..self.reply_len).unwrap_or_default()
    }

    /// The answer to what cannot be read, beside the one that may be asked for again.
    fn refuse(&mut self, id: u16) -> Answer<'_> {
        let response = Response::Refused(Refusal::Malformed);
        let length = wire::encode(id, &response, &mut self.refusal).unwrap_or(0);
        Answer::Frame(self.refusal.get(..length).unwrap_or_default())
    }
}
