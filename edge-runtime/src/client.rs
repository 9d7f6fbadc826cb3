//! Asks a device: the host's end of [`shared::wire`], and of a session once it is paired.

pub mod emulator;
pub mod slot;
pub mod tcp;

mod error;
mod session;

use core::ops::Range;
use std::io;
use std::vec::Vec;

use shared::bytes::copy_front;
use shared::preprocess::Image;
use shared::preprocess::pen::PenPoint;
use shared::wire::{
    self, Frames, MAX_CHUNK, MAX_FRAME, MODEL_CHUNK_UNIT, Opened, Refusal, Request, Response,
    VERSION,
};

pub use error::ClientError;
pub use session::Paired;

use session::Sessions;

/// Where bytes go to a device and come from it: a serial port, a socket.
pub trait Line {
    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// When the line is broken.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The next byte; none when the device has been silent for as long as an answer may
    /// take.
    ///
    /// # Errors
    /// When the line is broken.
    fn receive(&mut self) -> io::Result<Option<u8>>;
}

impl<L: Line + ?Sized> Line for std::boxed::Box<L> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        (**self).send(bytes)
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        (**self).receive()
    }
}

/// How often a request is sent at most. On a line that damages every other frame, one in 2^64
/// is given up.
const ATTEMPTS: u32 = 64;

/// To how many requests not a byte may come back until the device counts as silent: waiting for
/// nothing takes long, while damage is known at once.
const SILENCES: u32 = 16;

/// Chunks become shorter on a line that loses them, down to this many bytes.
const LEAST_CHUNK: usize = 12;

/// A device at the end of a line.
#[derive(Debug)]
pub struct Client<L> {
    line: L,
    frames: Frames,
    id: u16,
    answer: [u8; MAX_FRAME],
    chunk: usize,
    sessions: Sessions,
}

/// What came back to a request.
enum Heard {
    /// An answer, whose message lies here.
    Answer(Range<usize>),
    /// Something else: it or the request was damaged, and may be sent again at once.
    Noise,
    /// Not a byte.
    Nothing,
}

impl<L: Line> Client<L> {
    /// A client of the device at the end of `line`. Nothing is sent yet.
    pub fn new(line: L) -> Self {
        Self {
            line,
            frames: Frames::new(),
            id: 0,
            answer: [0; MAX_FRAME],
            chunk: MAX_CHUNK,
            sessions: Sessions::default(),
        }
    }

    /// The line.
    pub fn line_mut(&mut self) -> &mut L {
        &mut self.line
    }

    /// The device's answer to `request`, which is sent again where it, or the answer, was
    /// lost. A [`Response::Refused`] is an answer. In a session, both are sealed, and nothing
    /// that is not counts as an answer.
    ///
    /// # Errors
    /// [`ClientError`]. After [`ClientError::Silent`] and [`ClientError::Session`] nobody knows
    /// whether the request was carried out; what is asked next begins another session with the
    /// same device, which has no picture then.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<Response<'_>, ClientError> {
        self.exchange(request, ATTEMPTS)
    }

    /// Whether the device speaks our version of the protocol: its answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn hello(&mut self) -> Result<Response<'_>, ClientError> {
        self.ask(&Request::Hello { version: VERSION })
    }

    /// Uploads a picture; `progress` is told the bytes that are there. A refusal, if there
    /// is one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn upload(
        &mut self,
        picture: &Image<'_>,
        progress: impl FnMut(usize),
    ) -> Result<Option<Refusal>, ClientError> {
        // Sides fit; a device refuses what it has no room for.
        let [width, height] = picture
            .size()
            .map(|side| u16::try_from(side).unwrap_or(u16::MAX));
        let begin = Request::ImageBegin {
            width,
            height,
            channels: picture.channels(),
        };
        let chunk = |offset, bytes| Request::SampleChunk { offset, bytes };
        self.send(&begin, picture.pixels(), 1, chunk, progress)
    }

    /// Uploads what a pen did; `progress` is told the bytes that are there. A refusal, if
    /// there is one.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Request`] for more events than are ever accepted.
    pub fn upload_pen(
        &mut self,
        events: &[PenPoint],
        progress: impl FnMut(usize),
    ) -> Result<Option<Refusal>, ClientError> {
        let count = u16::try_from(events.len()).map_err(|_| ClientError::Request)?;
        let begin = Request::PenBegin { events: count };
        let bytes: Vec<u8> = events.iter().flat_map(PenPoint::encode).collect();
        let chunk = |offset, bytes| Request::SampleChunk { offset, bytes };
        self.send(&begin, &bytes, 1, chunk, progress)
    }

    /// Sends the artifact of a model, its signature block behind it where it has one, and has
    /// the device go over to it; `progress` is told the
    /// bytes that are there. A refusal, if there is one: the model in use stays then.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn send_model(
        &mut self,
        artifact: &[u8],
        progress: impl FnMut(usize),
    ) -> Result<Option<Refusal>, ClientError> {
        let length = u32::try_from(artifact.len()).unwrap_or(u32::MAX);
        let begin = Request::ModelBegin { length };
        let chunk = |offset, bytes| Request::ModelChunk { offset, bytes };
        if let Some(refusal) = self.send(&begin, artifact, MODEL_CHUNK_UNIT, chunk, progress)? {
            return Ok(Some(refusal));
        }
        match self.ask(&Request::ModelCommit)? {
            Response::Refused(refusal) => Ok(Some(refusal)),
            _ => Ok(None),
        }
    }

    /// Announces bytes and sends them in chunks of whole units but for the last; from the
    /// beginning again, in shorter chunks and another session, where long ones are lost.
    fn send<'b>(
        &mut self,
        begin: &Request<'_>,
        bytes: &'b [u8],
        unit: usize,
        chunk: impl Fn(u32, &'b [u8]) -> Request<'b>,
        mut progress: impl FnMut(usize),
    ) -> Result<Option<Refusal>, ClientError> {
        let least = LEAST_CHUNK.next_multiple_of(unit);
        loop {
            if let Response::Refused(refusal) = self.ask(begin)? {
                return Ok(Some(refusal));
            }
            match self.send_chunks(bytes, unit, &chunk, &mut progress) {
                Err(ClientError::Silent) if self.chunk > least => {
                    self.chunk = (self.chunk / 2).max(least);
                }
                sent => return sent,
            }
        }
    }

    fn send_chunks<'b>(
        &mut self,
        bytes: &'b [u8],
        unit: usize,
        chunk: impl Fn(u32, &'b [u8]) -> Request<'b>,
        mut progress: impl FnMut(usize),
    ) -> Result<Option<Refusal>, ClientError> {
        let least = LEAST_CHUNK.next_multiple_of(unit);
        // A long frame may never get through where short ones do.
        let attempts = if self.chunk <= least { ATTEMPTS } else { 3 };
        let length = (self.chunk / unit * unit).max(least);
        let mut sent = 0;
        for part in bytes.chunks(length) {
            let offset = u32::try_from(sent).unwrap_or(u32::MAX);
            if let Response::Refused(refusal) = self.exchange(&chunk(offset, part), attempts)? {
                return Ok(Some(refusal));
            }
            sent += part.len();
            progress(sent);
        }
        Ok(None)
    }

    /// Sends a request, sealed in a session, until it is answered.
    fn exchange(
        &mut self,
        request: &Request<'_>,
        attempts: u32,
    ) -> Result<Response<'_>, ClientError> {
        self.renew()?;
        let frame = self.frame(request)?;
        match self.deliver(&frame, attempts) {
            Ok(answer) => self.read(answer),
            Err(error) => {
                // Its count was used, and will not be used again.
                self.sessions.end();
                Err(error)
            }
        }
    }

    /// The frame of the next request.
    fn frame(&mut self, request: &Request<'_>) -> Result<Vec<u8>, ClientError> {
        // 0 is how devices answer what they cannot read.
        self.id = self.id.checked_add(1).unwrap_or(1);
        let mut frame = [0; MAX_FRAME + 1];
        // A zero first ends what noise on the line may have begun.
        let (_, rest) = frame.split_at_mut(1);
        let length = match self.sessions.current() {
            None => wire::encode(self.id, request, rest),
            Some(session) => {
                wire::encode_sealed(self.id, request, rest, |plain| session.seal(plain))
            }
        };
        let length = length.map_err(|_| ClientError::Request)?;
        Ok(frame.get(..=length).unwrap_or_default().to_vec())
    }

    /// Sends a frame until it is answered: where in `answer` its message is, in plain.
    fn deliver(&mut self, frame: &[u8], attempts: u32) -> Result<Range<usize>, ClientError> {
        let mut silences = 0;
        for _ in 0..attempts {
            self.line.send(frame).map_err(ClientError::Line)?;
            match self.listen()? {
                Heard::Answer(place) => return Ok(place),
                Heard::Noise => {}
                Heard::Nothing => silences += 1,
            }
            if silences == SILENCES {
                break;
            }
        }
        Err(ClientError::Silent)
    }

    /// The message that was put at a place of `answer`.
    fn read(&self, place: Range<usize>) -> Result<Response<'_>, ClientError> {
        let message = self.answer.get(place).unwrap_or_default();
        wire::message(message).map_err(|_| ClientError::Answer)
    }

    /// Waits for the answer to the last request.
    fn listen(&mut self) -> Result<Heard, ClientError> {
        let mut heard = Heard::Nothing;
        while let Some(byte) = self.line.receive().map_err(ClientError::Line)? {
            heard = Heard::Noise;
            let Some(frame) = self.frames.push(byte) else {
                continue;
            };
            let Ok(opened) = wire::open(frame) else {
                continue;
            };
            let Opened { id, .. } = opened;
            match id {
                // It read noise, perhaps our request.
                0 => return Ok(Heard::Noise),
                id if id == self.id => {}
                // An answer that was waited for before.
                _ => continue,
            }
            if let Some(message) = self.sessions.open(opened)? {
                let length = message.len();
                copy_front(&mut self.answer, message);
                return Ok(Heard::Answer(0..length));
            }
        }
        Ok(heard)
    }
}
