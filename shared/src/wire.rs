//! Talking to a board: messages and the frames that carry them.
//!
//! A frame is `COBS(request id u16 | message in postcard | CRC-32 u32) 0x00`,
//! integers little endian; nothing in it can be mistaken for the end. The bytes
//! are specified in `shared/docs/wire-format.md`.

use core::fmt;

use cobs::CobsEncoder;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::bytes::{Checksum, crc32};
use crate::embedding::MAX_DIM;
use crate::model_id::ModelId;

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 2;

/// The longest frame, its closing zero included, bytes.
pub const MAX_FRAME: usize = 1024;

/// The longest frame that answers, bytes: one with an embedding of [`MAX_DIM`] components,
/// its number, variant, length and checksum, stuffing and end.
pub const MAX_ANSWER: usize = MAX_DIM + 2 + 1 + 2 + 4 + 3 + 1;

/// The most bytes of a picture or a model in one chunk.
pub const MAX_CHUNK: usize = 768;

/// A chunk of a model that is not the last one has a multiple of so many bytes, the largest
/// unit that flash is written in.
pub const MODEL_CHUNK_UNIT: usize = 32;

const ID_LEN: usize = 2;
const CRC_LEN: usize = 4;

/// From the host to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// The first message of a connection; answered by [`Response::Hello`].
    Hello {
        /// The host's [`VERSION`].
        version: u16,
    },
    /// Announces a picture, which replaces an earlier one.
    ImageBegin {
        /// Pixels per row.
        width: u16,
        /// Rows.
        height: u16,
        /// 1 (grey) or 3 (RGB).
        channels: u8,
    },
    /// Part of the announced picture.
    ImageChunk {
        /// Position of the first byte in the picture.
        offset: u32,
        /// At most [`MAX_CHUNK`] bytes.
        bytes: &'a [u8],
    },
    /// Adds the uploaded picture to a subject's shots.
    Enroll {
        /// Who.
        subject: &'a str,
        /// Whether it takes the place of all shots that the subject has.
        anew: bool,
    },
    /// Is the uploaded picture of this subject?
    Verify {
        /// Who.
        subject: &'a str,
    },
    /// Whose is the uploaded picture?
    Identify,
    /// Asks for the enrolled subject at an index.
    List {
        /// From 0.
        index: u16,
    },
    /// Removes a subject.
    Remove {
        /// Who.
        subject: &'a str,
    },
    /// Runs the golden vectors on the device.
    SelfTest,
    /// What is the embedding of the uploaded picture? For judging a device as any other
    /// engine is judged.
    Embed,
    /// What does running the model once cost?
    Measure,
    /// Removes the templates of other models.
    RemoveStale,
    /// Announces a model, which is kept beside the one in use.
    ModelBegin {
        /// Bytes of its artifact.
        length: u32,
    },
    /// Part of the announced model.
    ModelChunk {
        /// Position of the first byte in the artifact, a multiple of [`MODEL_CHUNK_UNIT`].
        offset: u32,
        /// At most [`MAX_CHUNK`] bytes.
        bytes: &'a [u8],
    },
    /// Goes over to the model that was sent, if it is whole, fits, and answers its golden
    /// vectors.
    ModelCommit,
    /// Takes a picture with the device's own sensor, in place of an uploaded one.
    Capture,
}

/// From the device to the host.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response<'a> {
    /// Answers [`Request::Hello`].
    Hello {
        /// The device's [`VERSION`].
        version: u16,
        /// The model that runs there, if there is one.
        model: Option<ModelId>,
        /// Places for subjects.
        capacity: u16,
        /// Places taken.
        enrolled: u16,
        /// Templates of other models, which are compared with nothing.
        stale: u16,
        /// The largest picture, bytes.
        picture: u32,
        /// The largest model that can be sent, bytes; 0 where none can.
        slot: u32,
        /// The board's name.
        board: &'a str,
    },
    /// Done; nothing to tell.
    Done,
    /// Answers [`Request::Enroll`].
    Enrolled {
        /// Shots the subject has now.
        shots: u8,
    },
    /// Answers [`Request::Verify`].
    Verified {
        /// Whether it is the subject.
        accepted: bool,
        /// In units of the model's distance.
        distance: f32,
        /// The largest accepted distance.
        threshold: f32,
    },
    /// Answers [`Request::Identify`].
    Identified {
        /// Who, or nobody enrolled.
        subject: Option<&'a str>,
        /// To the nearest subject, in units of the model's distance.
        distance: f32,
    },
    /// Answers [`Request::List`]; absent past the last one.
    Subject {
        /// Who, and how many shots.
        entry: Option<(&'a str, u8)>,
    },
    /// Answers [`Request::SelfTest`].
    SelfTested {
        /// Golden vectors that came out right.
        passed: u16,
        /// Golden vectors there are.
        total: u16,
    },
    /// The request was understood but not carried out.
    Refused(Refusal),
    /// Answers [`Request::Embed`].
    Embedding {
        /// Its int8 components, as bytes.
        components: &'a [u8],
    },
    /// Answers [`Request::Measure`].
    Measured {
        /// What the run took, in ticks of the board's clock.
        ticks: u64,
        /// Ticks of a second; 0 where ticks are instructions.
        per_second: u32,
        /// The most bytes of stack that were ever in use, and all there are.
        stack: (u32, u32),
    },
    /// Answers [`Request::Capture`].
    Captured {
        /// Pixels per row.
        width: u16,
        /// Rows.
        height: u16,
        /// 1 (grey) or 3 (RGB).
        channels: u8,
    },
}

/// Why a device does not carry out a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// The frame carried no message this device knows.
    Malformed,
    /// The versions do not fit.
    Version,
    /// No complete picture was uploaded.
    NoImage,
    /// The picture is larger than the device has room for.
    ImageTooLarge,
    /// The subject's name is not acceptable.
    Subject,
    /// No such subject is enrolled.
    NotEnrolled,
    /// Every place for subjects or shots is taken.
    Full,
    /// The store could not be read or written.
    Store,
    /// The picture is not one that the model's preprocessing takes.
    Image,
    /// The chunk is not where the picture or the model goes on, or there is more to come.
    Chunk,
    /// The subject's prototype was learnt, and takes no samples.
    Learned,
    /// The engine did not run.
    Engine,
    /// Places are taken by templates of other models.
    Stale,
    /// The device has nothing to do it with.
    Unsupported,
    /// The device has no model.
    NoModel,
    /// The model is not one of this format's version.
    ModelVersion,
    /// The model is cut off, damaged, or another than it states.
    ModelDamaged,
    /// The model needs more flash, memory or components than the device has.
    ModelTooLarge,
    /// The model does not answer its golden vectors on this device.
    ModelGolden,
    /// The flash for models cannot be written.
    Flash,
    /// The sensor took no picture.
    Sensor,
}

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
