//! Why a device gave no answer.

use core::fmt;
use std::io;

use shared::wire::{MAX_FRAME, Refusal, VERSION};

use crate::link::PublicKey;

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
    /// The device knows nothing of the session: it started anew, or somebody else is at the
    /// line.
    Session,
    /// The device is not the one that it should be: it goes by this key.
    Stranger(PublicKey),
    /// The device does not go on with the handshake.
    Handshake(Refusal),
    /// This machine has no random numbers.
    Randomness,
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
                "expected an answer of the device, found none, however often it was asked: is the right port named, and Semblance's firmware flashed?"
            ),
            Self::Answer => write!(
                f,
                "expected an answer of protocol version {VERSION}, found another: update host or device"
            ),
            Self::Session => write!(
                f,
                "expected the device's session with this host, found none there: it was started anew, or somebody else is at its line; ask again"
            ),
            Self::Stranger(_) => write!(
                f,
                "expected the device that was met here before, found one that goes by another key"
            ),
            Self::Handshake(refusal) => write!(
                f,
                "expected a device that begins a session, found one that does not ({refusal:?})"
            ),
            Self::Randomness => write!(
                f,
                "expected random numbers of the operating system, found none"
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
