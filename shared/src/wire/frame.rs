//! Messages in frames, and frames in a stream of bytes.

use core::fmt;
use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::{MAX_FRAME, TAG_LEN, VERSION};
use crate::bytes::{copy_front, crc32};

const ID_LEN: usize = 2;
const CRC_LEN: usize = 4;
/// The variant of a sealed message, and the longest length of what it carries.
const SEALED_LEN: usize = 1 + 2;

/// Writes `message` as a frame to the front of `frame`; its length.
///
/// # Errors
/// [`FrameError::TooLong`] when it does not fit `frame` or [`MAX_FRAME`].
pub fn encode(
    request_id: u16,
    message: &impl Serialize,
    frame: &mut [u8],
) -> Result<usize, FrameError> {
    let (shift, body) = body(frame);
    let (id, payload) = body
        .split_at_mut_checked(ID_LEN)
        .ok_or(FrameError::TooLong)?;
    copy_front(id, &request_id.to_le_bytes());
    let length = serialize(message, payload)?;
    close(shift..shift + ID_LEN + length, frame)
}

/// As [`encode`], a message that carries `message` sealed: `seal` encrypts bytes in place, and
/// gives the tag that stands behind them. What was written in plain is nowhere afterwards.
///
/// # Errors
/// [`FrameError::TooLong`]; [`FrameError::Seal`] where `seal` gives none.
pub fn encode_sealed<M: Sealed + Serialize>(
    request_id: u16,
    message: &M,
    frame: &mut [u8],
    seal: impl FnOnce(&mut [u8]) -> Option<[u8; TAG_LEN]>,
) -> Result<usize, FrameError> {
    let (shift, body) = body(frame);
    let places = body.split_at_mut_checked(ID_LEN + SEALED_LEN);
    let (head, payload) = places.ok_or(FrameError::TooLong)?;
    let room = payload.len().checked_sub(TAG_LEN);
    let plain = payload.get_mut(..room.ok_or(FrameError::TooLong)?);
    let length = serialize(message, plain.unwrap_or_default())?;
    let (plain, rest) = payload.split_at_mut_checked(length).unwrap_or_default();
    copy_front(rest, &seal(plain).ok_or(FrameError::Seal)?);

    // The head ends where the sealed bytes begin, however long their length is.
    let sealed = length + TAG_LEN;
    let (low, high) = (sealed as u8 | 0x80, (sealed >> 7) as u8);
    let length_of_sealed: &[u8] = match high {
        0 => &[sealed as u8],
        _ => &[low, high],
    };
    let from = head.len() - ID_LEN - 1 - length_of_sealed.len();
    let parts = [
        &request_id.to_le_bytes()[..],
        &[M::VARIANT],
        length_of_sealed,
    ];
    let places = head.iter_mut().skip(from);
    for (place, byte) in places.zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    close(shift + from..shift + ID_LEN + SEALED_LEN + sealed, frame)
}

/// Messages that one of their kind may carry sealed.
pub trait Sealed {
    /// The variant that does.
    const VARIANT: u8;
}

/// Where a frame's body is written before it is stuffed: so far behind the front that stuffing
/// in place overtakes nothing that was not read.
fn body(frame: &mut [u8]) -> (usize, &mut [u8]) {
    let room = frame.len().min(MAX_FRAME);
    let shift = cobs::max_encoding_overhead(room);
    let end = room.saturating_sub(CRC_LEN + 1).max(shift);
    (shift, frame.get_mut(shift..end).unwrap_or_default())
}

fn serialize(message: &impl Serialize, place: &mut [u8]) -> Result<usize, FrameError> {
    let written = postcard::to_slice(message, place);
    Ok(written.map_err(|_| FrameError::TooLong)?.len())
}

/// Adds its checksum to the body at `body`, stuffs both to the front of `frame`, and ends them;
/// the frame's length.
fn close(body: Range<usize>, frame: &mut [u8]) -> Result<usize, FrameError> {
    let checksum = crc32(frame.get(body.clone()).ok_or(FrameError::TooLong)?);
    let place = frame.get_mut(body.end..).unwrap_or_default();
    copy_front(place, &checksum.to_le_bytes());
    let length = stuff(body.start..body.end + CRC_LEN, frame).ok_or(FrameError::TooLong)?;
    *frame.get_mut(length).ok_or(FrameError::TooLong)? = 0;
    Ok(length + 1)
}

/// Consistent overhead byte stuffing (Cheshire and Baker, 1999) of the bytes at `body` to the
/// front of the same buffer; how many they are then.
fn stuff(body: Range<usize>, buffer: &mut [u8]) -> Option<usize> {
    let (mut code_at, mut code, mut end) = (0, 1, 1);
    for at in body {
        let byte = *buffer.get(at)?;
        if byte != 0 {
            *buffer.get_mut(end)? = byte;
            end += 1;
            code += 1;
        }
        if byte == 0 || code == u8::MAX {
            *buffer.get_mut(code_at)? = code;
            (code_at, code) = (end, 1);
            end += 1;
        }
    }
    *buffer.get_mut(code_at)? = code;
    Some(end)
}

/// Decodes a frame in place, its closing zero given or not; request id and message.
///
/// # Errors
/// [`FrameError`] for every frame that [`encode`] did not write.
pub fn decode<'a, M: Deserialize<'a>>(frame: &'a mut [u8]) -> Result<(u16, M), FrameError> {
    let Opened { id, payload, .. } = open(frame)?;
    Ok((id, message(payload)?))
}

/// The one message that `bytes` are.
///
/// # Errors
/// [`FrameError::Message`] for anything but one whole message.
pub fn message<'a, M: Deserialize<'a>>(bytes: &'a [u8]) -> Result<M, FrameError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        _ => Err(FrameError::Message),
    }
}

/// A frame that arrived whole.
#[derive(Debug)]
pub struct Opened<'a> {
    /// The request's number.
    pub id: u16,
    /// The checksum of number and message.
    pub checksum: u32,
    payload: &'a mut [u8],
}

impl<'a> Opened<'a> {
    /// Its message.
    ///
    /// # Errors
    /// [`FrameError::Message`] for anything but one whole message.
    pub fn message<'m, M: Deserialize<'m>>(&'m self) -> Result<M, FrameError> {
        message(self.payload)
    }

    /// The bytes of its message.
    pub fn payload(self) -> &'a [u8] {
        self.payload
    }

    /// The last bytes of its message, which is where those stand that a message carries.
    pub fn tail(self, length: usize) -> &'a mut [u8] {
        let start = self.payload.len().saturating_sub(length);
        self.payload.get_mut(start..).unwrap_or_default()
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
    let body = frame.get_mut(..length).ok_or(FrameError::Cobs)?;
    let (covered, crc) = body
        .split_last_chunk_mut::<CRC_LEN>()
        .ok_or(FrameError::TooShort)?;
    let checksum = u32::from_le_bytes(*crc);
    if crc32(covered) != checksum {
        return Err(FrameError::Checksum);
    }
    let (id, payload) = covered
        .split_first_chunk_mut::<ID_LEN>()
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
    /// The message could not be sealed.
    Seal,
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
            Self::Seal => write!(f, "expected a session that seals, found one at its end"),
        }
    }
}

impl core::error::Error for FrameError {}
