//! One enrolled subject: the record that a store keeps.
//!
//! The bytes are specified in `shared/docs/template-format.md`.

mod error;

use core::fmt;

use zeroize::Zeroize;

use crate::bytes::{Reader, Writer, crc32};
use crate::model_id::ModelId;

pub use error::TemplateError;

/// The longest subject name, bytes of UTF-8.
pub const MAX_SUBJECT: usize = 32;

/// The first bytes of a template record.
pub const MAGIC: [u8; 4] = *b"SMBT";

/// The version of a record of samples.
pub const VERSION: u16 = 1;

/// The version of a record of a learnt prototype.
pub const LEARNED_VERSION: u16 = 2;

const HEADER_LEN: usize = 4 + 2 + 32 + 8 + 2 + 1 + 1;
const SCALE_LEN: usize = 4;
const CRC_LEN: usize = 4;

/// A subject's name: 1 to [`MAX_SUBJECT`] bytes of UTF-8, without control characters,
/// white space at its ends, and invisible characters that make one name look like
/// another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(heapless::String<MAX_SUBJECT>);

impl SubjectId {
    /// # Errors
    /// [`TemplateError::Subject`] for any other name.
    pub fn new(name: &str) -> Result<Self, TemplateError> {
        let misleads = |c: char| c.is_control() || is_invisible(c);
        if name.is_empty() || name.trim() != name || name.chars().any(misleads) {
            return Err(TemplateError::Subject);
        }
        heapless::String::try_from(name)
            .map(Self)
            .map_err(|_| TemplateError::Subject)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Marks of direction, zero widths and the like (Unicode's general category Cf, as far
/// as it is used in names that mislead).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a prototype that was learnt from samples of several subjects (the
/// weights of a cosine classifier) instead of being made of one subject's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learned {
    /// The scale of the classifier: the probability of a subject is proportional to
    /// `exp(scale * cosine)`. Finite and above 0.
    pub scale: f32,
    /// The number of the subject's samples, 1 or more.
    pub samples: u8,
}

impl Learned {
    /// Whether both numbers are in their ranges.
    pub fn is_valid(&self) -> bool {
        self.samples > 0 && self.scale > 0.0 && self.scale.is_finite()
    }
}

/// The enrolment of one subject: up to `SHOTS` int8 embeddings of up to `DIM`
/// components, all of the same dimension, or one learnt prototype.
#[derive(Clone, Debug, PartialEq)]
pub struct Template<const SHOTS: usize, const DIM: usize> {
    model: ModelId,
    subject: SubjectId,
    enrolled_at: u64,
    dim: usize,
    shots: heapless::Vec<[i8; DIM], SHOTS>,
    learned: Option<Learned>,
}

/// Embeddings that nobody holds any more are overwritten where they lay.
impl<const SHOTS: usize, const DIM: usize> Drop for Template<SHOTS, DIM> {
    fn drop(&mut self) {
        self.shots.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl<const SHOTS: usize, const DIM: usize> Template<SHOTS, DIM> {
    /// Bytes of the longest record.
    pub const MAX_ENCODED_LEN: usize = HEADER_LEN + MAX_SUBJECT + SCALE_LEN + SHOTS * DIM + CRC_LEN;

    /// A template without shots. `enrolled_at` is in seconds since 1970, 0 when
    /// the device has no clock.
    ///
    /// # Errors
    /// [`TemplateError::Dimension`] when `dim` is 0 or above `DIM`.
    pub fn new(
        model: ModelId,
        subject: SubjectId,
        enrolled_at: u64,
        dim: usize,
    ) -> Result<Self, TemplateError> {
        if dim == 0 || dim > DIM {
            return Err(TemplateError::Dimension {
                expected: DIM,
                found: dim,
            });
        }
        Ok(Self {
            model,
            subject,
            enrolled_at,
            dim,
            shots: heapless::Vec::new(),
            learned: None,
        })
    }

    /// A template of a learnt prototype.
    ///
    /// # Errors
    /// [`TemplateError::Dimension`] when the prototype has no components or more than
    /// `DIM`, [`TemplateError::Learned`] when `learned` is out of range.
    pub fn with_prototype(
        model: ModelId,
        subject: SubjectId,
        enrolled_at: u64,
        prototype: &[i8],
        learned: Learned,
    ) -> Result<Self, TemplateError> {
        if !learned.is_valid() {
            return Err(TemplateError::Learned);
        }
        let mut template = Self::new(model, subject, enrolled_at, prototype.len())?;
        template.push(prototype)?;
        template.learned = Some(learned);
        Ok(template)
    }

    /// Adds one embedding.
    ///
    /// # Errors
    /// [`TemplateError::Dimension`] for another dimension, [`TemplateError::Shots`]
    /// when there is no room, [`TemplateError::Closed`] for a learnt prototype.
    pub fn push(&mut self, embedding: &[i8]) -> Result<(), TemplateError> {
        if self.learned.is_some() {
            return Err(TemplateError::Closed);
        }
        let mut shot = [0; DIM];
        match shot.get_mut(..self.dim) {
            Some(place) if embedding.len() == self.dim => place.copy_from_slice(embedding),
            _ => {
                return Err(TemplateError::Dimension {
                    expected: self.dim,
                    found: embedding.len(),
                });
            }
        }
        self.shots.push(shot).map_err(|_| TemplateError::Shots {
            capacity: SHOTS,
            found: SHOTS + 1,
        })
    }

    /// The model that made the embeddings.
    pub fn model(&self) -> ModelId {
        self.model
    }

    /// The subject's name.
    pub fn subject(&self) -> &str {
        self.subject.as_str()
    }

    /// The subject's name, typed.
    pub fn subject_id(&self) -> &SubjectId {
        &self.subject
    }

    /// Seconds since 1970, 0 when unknown.
    pub fn enrolled_at(&self) -> u64 {
        self.enrolled_at
    }

    /// Components of each embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of samples that the subject was enrolled with.
    pub fn shot_count(&self) -> usize {
        match self.learned {
            Some(learned) => usize::from(learned.samples),
            None => self.shots.len(),
        }
    }

    /// What is known of the prototype, when it was learnt.
    pub fn learned(&self) -> Option<Learned> {
        self.learned
    }

    /// The embeddings, each [`dim`](Self::dim) long; a learnt prototype is one.
    pub fn shots(&self) -> impl Iterator<Item = &[i8]> + Clone {
        self.shots
            .iter()
            .map(|shot| shot.get(..self.dim).unwrap_or(&[]))
    }

    /// Bytes of the encoded record.
    pub fn encoded_len(&self) -> usize {
        let scale = if self.learned.is_some() { SCALE_LEN } else { 0 };
        HEADER_LEN + self.subject().len() + scale + self.shots.len() * self.dim + CRC_LEN
    }

    /// Writes the record to the front of `buffer`; the number of bytes written.
    ///
    /// # Errors
    /// [`TemplateError::Buffer`] when it does not fit.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, TemplateError> {
        let error = TemplateError::Buffer {
            expected: self.encoded_len(),
            found: buffer.len(),
        };
        self.write(&mut Writer::new(buffer)).ok_or(error)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Option<usize> {
        writer.put(&MAGIC)?;
        let version = match self.learned {
            Some(_) => LEARNED_VERSION,
            None => VERSION,
        };
        writer.put(&version.to_le_bytes())?;
        writer.put(&self.model.0)?;
        writer.put(&self.enrolled_at.to_le_bytes())?;
        writer.put(&u16::try_from(self.dim).ok()?.to_le_bytes())?;
        writer.put(&[u8::try_from(self.shot_count()).ok()?])?;
        writer.put(&[u8::try_from(self.subject().len()).ok()?])?;
        writer.put(self.subject().as_bytes())?;
        if let Some(learned) = self.learned {
            writer.put(&learned.scale.to_le_bytes())?;
        }
        for shot in self.shots() {
            for value in shot {
                writer.put(&value.to_le_bytes())?;
            }
        }
        let crc = crc32(writer.as_slice());
        writer.put(&crc.to_le_bytes())?;
        Some(writer.written())
    }

    /// Reads the record at the front of `bytes`; what follows it is returned too.
    ///
    /// # Errors
    /// [`TemplateError`]: not a template, of an unknown version, cut off, damaged,
    /// or larger than this build has room for.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), TemplateError> {
        let mut reader = Reader::new(bytes);
        let magic: [u8; 4] = reader.array().ok_or(TemplateError::CutOff)?;
        if magic != MAGIC {
            return Err(TemplateError::Magic);
        }
        let version = reader.u16().ok_or(TemplateError::CutOff)?;
        match version {
            VERSION => Self::decode_body(bytes, reader, false),
            LEARNED_VERSION => Self::decode_body(bytes, reader, true),
            found => Err(TemplateError::Version { found }),
        }
    }

    fn decode_body<'a>(
        bytes: &'a [u8],
        mut reader: Reader<'a>,
        is_learned: bool,
    ) -> Result<(Self, &'a [u8]), TemplateError> {
        let cut_off = TemplateError::CutOff;
        let model = ModelId(reader.array().ok_or(cut_off)?);
        let enrolled_at = reader.u64().ok_or(cut_off)?;
        let dim = usize::from(reader.u16().ok_or(cut_off)?);
        let samples = reader.u8().ok_or(cut_off)?;
        let subject_len = usize::from(reader.u8().ok_or(cut_off)?);
        let subject = reader.take(subject_len).ok_or(cut_off)?;
        let learned = match is_learned {
            true => {
                let scale = f32::from_le_bytes(reader.array().ok_or(cut_off)?);
                Some(Learned { scale, samples })
            }
            false => None,
        };
        let shots = if is_learned { 1 } else { usize::from(samples) };
        let values = reader.take(dim * shots).ok_or(cut_off)?;
        let covered = bytes.len() - reader.rest().len();
        let stored = reader.u32().ok_or(cut_off)?;
        let computed = crc32(bytes.get(..covered).ok_or(cut_off)?);
        if stored != computed {
            return Err(TemplateError::Damaged { stored, computed });
        }
        let subject = core::str::from_utf8(subject).map_err(|_| TemplateError::Subject)?;
        if learned.is_some_and(|learned| !learned.is_valid()) {
            return Err(TemplateError::Learned);
        }
        let mut template = Self::new(model, SubjectId::new(subject)?, enrolled_at, dim)?;
        template.learned = learned;
        for value in values.chunks_exact(dim) {
            let mut shot = [0i8; DIM];
            for (component, byte) in shot.iter_mut().zip(value) {
                *component = i8::from_le_bytes([*byte]);
            }
            template
                .shots
                .push(shot)
                .map_err(|_| TemplateError::Shots {
                    capacity: SHOTS,
                    found: shots,
                })?;
        }
        Ok((template, reader.rest()))
    }
}
