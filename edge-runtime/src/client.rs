//! Asks a device: the host's end of [`shared::wire`].

pub mod emulator;
pub mod slot;
pub mod tcp;

use core::fmt;
use std::io;

use shared::preprocess::Image;
use shared::wire::{
    self, Frames, MAX_CHUNK, MAX_FRAME, MODEL_CHUNK_UNIT, Opened, Refusal, Request, Response,
    VERSION,
};

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

/// How often a request is sent until the device counts as silent.
const ATTEMPTS: u32 = 16;

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
        }
    }

    /// The device's answer to `request`, which is sent again where it, or the answer, was
    /// lost. A [`Response::Refused`] is an answer.
    ///
    /// # Errors
    /// [`ClientError`].
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
        if let Response::Refused(refusal) = self.ask(&begin)? {
            return Ok(Some(refusal));
        }
        let chunk = |offset, bytes| Request::ImageChunk { offset, bytes };
        self.send(picture.pixels(), 1, chunk, progress)
    }

    /// Sends the artifact of a model, and has the device go over to it; `progress` is told the
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
        if let Response::Refused(refusal) = self.ask(&Request::ModelBegin { length })? {
            return Ok(Some(refusal));
        }
        let chunk = |offset, bytes| Request::ModelChunk { offset, bytes };
        if let Some(refusal) = self.send(artifact, MODEL_CHUNK_UNIT, chunk, progress)? {
            return Ok(Some(refusal));
        }
        match self.ask(&Request::ModelCommit)? {
            Response::Refused(refusal) => Ok(Some(refusal)),
            _ => Ok(None),
        }
    }

    /// Sends bytes in chunks of whole units but for the last.
    fn send<'b>(
        &mut self,
        bytes: &'b [u8],
        unit: usize,
        chunk: impl Fn(u32, &'b [u8]) -> Request<'b>,
        mut progress: impl FnMut(usize),
    ) -> Result<Option<Refusal>, ClientError> {
        let least = LEAST_CHUNK.next_multiple_of(unit);
        let mut sent = 0;
        while sent < bytes.len() {
            let length = (self.chunk / unit * unit)
                .max(least)
                .min(bytes.len() - sent);
            let offset = u32::try_from(sent).unwrap_or(u32::MAX);
            let request = chunk(offset, bytes.get(sent..sent + length).unwrap_or_default());
            // A long frame may never get through where short ones do.
            let is_shortest = self.chunk <= least;
            let attempts = if is_shortest { ATTEMPTS } else { 3 };
            match self.exchange(&request, attempts) {
                Err(ClientError::Silent) if !is_shortest => {
                    self.chunk = (self.chunk / 2).max(least);
                    continue;
                }
                Err(error) => return Err(error),
                Ok(Response::Refused(refusal)) => return Ok(Some(refusal)),
                Ok(_) => {}
            }
            sent += length;
            progress(sent);
        }
        Ok(None)
    }

    /// Sends a request until it is answered.
    fn exchange(
        &mut self,
        request: &Request<'_>,
        attempts: u32,
    ) -> Result<Response<'_>, ClientError> {
        // 0 is how devices answer what they cannot read.
        self.id = self.id.checked_add(1).unwrap_or(1);
        let mut frame = [0; MAX_FRAME + 1];
        // A zero first ends what noise on the line may have begun.
        let (_, rest) = frame.split_at_mut(1);
        let length = 1 + wire::encode(self.id, request, rest).map_err(|_| ClientError::Request)?;
        for _ in 0..attempts {
            let frame = frame.get(..length).unwrap_or_default();
            self.line.send(frame).map_err(ClientError::Line)?;
            if let Some(length) = self.listen()? {
                let answer = self.answer.get_mut(..length).unwrap_or_default();
                let decoded = wire::decode(answer);
                return decoded
                    .map(|(_, response)| response)
                    .map_err(|_| ClientError::Answer);
            }
        }
        Err(ClientError::Silent)
    }

    /// Waits for the answer to the last request; none where the device is silent or could
    /// not read the request.
    fn listen(&mut self) -> Result<Option<usize>, ClientError> {
        while let Some(byte) = self.line.receive().map_err(ClientError::Line)? {
            let Some(frame) = self.frames.push(byte) else {
                continue;
            };
            let length = frame.len();
            let kept = self.answer.get_mut(..length).unwrap_or_default();
            kept.copy_from_slice(frame);
            let Ok(Opened { id, .. }) = wire::open(frame) else {
                continue;
            };
            match id {
                // It read noise, perhaps our request.
                0 => return Ok(None),
                id if id == self.id => return Ok(Some(length)),
                // An answer that was waited for before.
                _ => {}
            }
        }
        Ok(None)
    }
}

/// Why a device gave no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The line is broken.
    Line(io::Error),
    /// The request is too long for a frame.
    Request,
    /// No answer came, however often the request was sent.
    Silent,
    /// The answer is none that this program knows.
    Answer,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(error) => write!(
                f,
                "expected a line to the device, found: {error}; is it connected, and the port free?"
            ),
            Self::Request => write!(
                f,
                "expected a request of at most {MAX_FRAME} bytes, found a longer one: shorten the subject's name"
            ),
            Self::Silent => write!(
                f,
                "expected an answer of the device, found none to {ATTEMPTS} requests: is the right port named, and Semblance's firmware flashed?"
            ),
            Self::Answer => write!(
                f,
                "expected an answer of protocol version {VERSION}, found another: update host or device"
            ),
        }
    }
}

impl core::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Line(error) => Some(error),
            _ => None,
        }
    }
}
