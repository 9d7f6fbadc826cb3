//! Messages in frames, and frames in a stream of bytes.

use core::fmt;

use cobs::CobsEncoder;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use super::{MAX_FRAME, VERSION};
use crate::bytes::{Checksum, crc32};

const ID_LEN: usize = 2;
const CRC_LEN: usize = 4;

/// Writes `message` as a frame to the front of `frame`; its length.
///
/// # Errors
/// [`FrameError::TooLong`] when it does not fit `frame` or [`MAX_FRAME`].
pub fn encode(
    request_id: u16,
    message: &impl Serialize,
    frame: &mut [u8],
) -> Result<usize, FrameError> {
    let room = frame.len().min(MAX_FRAME);
    let frame = frame.get_mut(..room).unwrap_or_default();
    let (stuffed, _) = frame.split_at_mut(room.saturating_sub(1));
    let mut body = Body {
        checksum: Checksum::new(),
        stuffed: CobsEncoder::new(stuffed),
    };
    let too_long = |_| FrameError::TooLong;
    body.try_extend(&request_id.to_le_bytes())
        .map_err(too_long)?;
    let used = postcard::serialize_with_flavor(message, body).map_err(too_long)?;
    *frame.get_mut(used).ok_or(FrameError::TooLong)? = 0;
    Ok(used + 1)
}

/// What a frame is made of, stuffed and counted byte by byte, so that no copy is kept.
struct Body<'a> {
    checksum: Checksum,
    stuffed: CobsEncoder<'a>,
}

impl Flavor for Body<'_> {
    /// Bytes of the frame but its closing zero.
    type Output = usize;

    // Small rather than fast: lines are slower.
    #[inline(never)]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.checksum.update(bytes);
        let pushed = self.stuffed.push(bytes);
        pushed.map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(mut self) -> postcard::Result<usize> {
        let checksum = self.checksum.finish().to_le_bytes();
        let pushed = self.stuffed.push(&checksum);
        pushed.map_err(|_| postcard::Error::SerializeBufferFull)?;
        Ok(self.stuffed.finalize())
    }
}

/// Decodes a frame in place, its closing zero given or not; request id and message.
///
/// # Errors
/// [`FrameError`] for every frame that [`encode`] did not write.
pub fn decode<'a, M: Deserialize<'a>>(frame: &'a mut [u8]) -> Result<(u16, M), FrameError> {
    let opened = open(frame)?;
    Ok((opened.id, opened.message()?))
}

/// A frame that arrived whole.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// The request's number.
    pub id: u16,
    /// The checksum of number and message.
    pub checksum: u32,
    payload: &'a [u8],
}

impl<'a> Opened<'a> {
    /// Its message.
    ///
    /// # Errors
    /// [`FrameError::Message`] for anything but one whole message.
    pub fn message<M: Deserialize<'a>>(&self) -> Result<M, FrameError> {
        match postcard::take_from_bytes(self.payload) {
            Ok((message, [])) => Ok(message),
            _ => Err(FrameError::Message),
        }
    }
}

/// Opens a frame in place, its closing zero given or not, without reading its message.
///
/// # Errors
/// [`FrameError`] for every frame that [`encode`] did not write, but
/// [`FrameError::Message`].
pub fn open(frame: &mut [u8]) -> Result<Opened<'_>, FrameError> {
    if frame.len() > MAX_FRAME {
        return Err(FrameError::TooLong);
    }
    // A zero ends a frame and stands nowhere else; the decoder would stop there.
    let content = frame.strip_suffix(&[0]).unwrap_or(frame);
    if content.contains(&0) {
        return Err(FrameError::Cobs);
    }
    let length = cobs::decode_in_place(frame).map_err(|_| FrameError::Cobs)?;
    let body = frame.get(..length).ok_or(FrameError::Cobs)?;
    let (covered, crc) = body
        .split_last_chunk::<CRC_LEN>()
        .ok_or(FrameError::TooShort)?;
    let checksum = u32::from_le_bytes(*crc);
    if crc32(covered) != checksum {
        return Err(FrameError::Checksum);
    }
    let (id, payload) = covered
        .split_first_chunk::<ID_LEN>()
        .ok_or(FrameError::TooShort)?;
    Ok(Opened {
        id: u16::from_le_bytes(*id),
        checksum,
        payload,
    })
}

/// Finds frames in a stream of bytes.
///
/// A frame ends at a zero. One that is longer than [`MAX_FRAME`] is dropped whole, and so
/// is what comes before the first zero of a line that was joined in the middle: its checksum
/// will not fit.
#[derive(Clone, Debug)]
pub struct Frames {
    buffer: [u8; MAX_FRAME],
    length: usize,
    is_complete: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl Frames {
    /// Nothing received.
    pub const fn new() -> Self {
        Self {
            buffer: [0; MAX_FRAME],
            length: 0,
            is_complete: false,
        }
    }

    /// Takes a byte; the frame that it ends, without its zero. Empty ones are nobody's: a
    /// sender may send zeros to end what noise began.
    pub fn push(&mut self, byte: u8) -> Option<&mut [u8]> {
        if self.is_complete {
            self.length = 0;
            self.is_complete = false;
        }
        if byte != 0 {
            // One more than fits marks a frame that is too long.
            if let Some(place) = self.buffer.get_mut(self.length) {
                *place = byte;
            }
            self.length = (self.length + 1).min(MAX_FRAME + 1);
            return None;
        }
        self.is_complete = true;
        match self.length {
            0 => None,
            length => self.buffer.get_mut(..length),
        }
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`], or than the buffer.
    TooLong,
    /// Too short for id and checksum.
    TooShort,
    /// Not well-formed COBS.
    Cobs,
    /// The checksum is not that of the bytes.
    Checksum,
    /// The checksum fits, but the message is not known.
    Message,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "expected a frame of at most {MAX_FRAME} bytes"),
            Self::TooShort => write!(f, "expected request id and checksum, found a shorter frame"),
            Self::Cobs => write!(f, "expected COBS, found other bytes: the line is noisy"),
            Self::Checksum => write!(f, "expected a fitting checksum: the line is noisy; resend"),
            Self::Message => write!(
                f,
                "expected a message of protocol version {VERSION}: update host or device"
            ),
        }
    }
}

impl core::error::Error for FrameError {}
