//! One enrolled subject: the record that a store keeps.
//!
//! The bytes are specified in `shared/docs/template-format.md`.

use core::fmt;

use crate::bytes::{Reader, Writer, crc32};
use crate::model_id::ModelId;

/// The longest subject name, bytes of UTF-8.
pub const MAX_SUBJECT: usize = 32;

/// The first bytes of a template record.
pub const MAGIC: [u8; 4] = *b"SMBT";

/// The version of the record that this crate reads and writes.
pub const VERSION: u16 = 1;

const HEADER_LEN: usize = 4 + 2 + 32 + 8 + 2 + 1 + 1;
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

/// The enrolment of one subject: up to `SHOTS` int8 embeddings of up to `DIM`
/// components, all of the same dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<const SHOTS: usize, const DIM: usize> {
    model: ModelId,
    subject: SubjectId,
    enrolled_at: u64,
    dim: usize,
    shots: heapless::Vec<[i8; DIM], SHOTS>,
}

impl<const SHOTS: usize, const DIM: usize> Template<SHOTS, DIM> {
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
        })
    }

    /// Adds one embedding.
    ///
    /// # Errors
    /// [`TemplateError::Dimension`] for another dimension, [`TemplateError::Shots`]
    /// when there is no room.
    pub fn push(&mut self, embedding: &[i8]) -> Result<(), TemplateError> {
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

    /// Number of embeddings.
    pub fn shot_count(&self) -> usize {
        self.shots.len()
    }

    /// The embeddings, each [`dim`](Self::dim) long.
    pub fn shots(&self) -> impl Iterator<Item = &[i8]> + Clone {
        self.shots
            .iter()
            .map(|shot| shot.get(..self.dim).unwrap_or(&[]))
    }

    /// Bytes of the encoded record.
    pub fn encoded_len(&self) -> usize {
        HEADER_LEN + self.subject().len() + self.shots.len() * self.dim + CRC_LEN
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
        writer.put(&VERSION.to_le_bytes())?;
        writer.put(&self.model.0)?;
        writer.put(&self.enrolled_at.to_le_bytes())?;
        writer.put(&u16::try_from(self.dim).ok()?.to_le_bytes())?;
        writer.put(&[u8::try_from(self.shots.len()).ok()?])?;
        writer.put(&[u8::try_from(self.subject().len()).ok()?])?;
        writer.put(self.subject().as_bytes())?;
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
        if version != VERSION {
            return Err(TemplateError::Version { found: version });
        }
        Self::decode_body(bytes, reader)
    }

    fn decode_body<'a>(
        bytes: &'a [u8],
        mut reader: Reader<'a>,
    ) -> Result<(Self, &'a [u8]), TemplateError> {
        let cut_off = TemplateError::CutOff;
        let model = ModelId(reader.array().ok_or(cut_off)?);
        let enrolled_at = reader.u64().ok_or(cut_off)?;
        let dim = usize::from(reader.u16().ok_or(cut_off)?);
        let shots = usize::from(reader.u8().ok_or(cut_off)?);
        let subject_len = usize::from(reader.u8().ok_or(cut_off)?);
        let subject = reader.take(subject_len).ok_or(cut_off)?;
        let values = reader.take(dim * shots).ok_or(cut_off)?;
        let covered = bytes.len() - reader.rest().len();
        let stored = reader.u32().ok_or(cut_off)?;
        let computed = crc32(bytes.get(..covered).ok_or(cut_off)?);
        if stored != computed {
            return Err(TemplateError::Damaged { stored, computed });
        }
        let subject = core::str::from_utf8(subject).map_err(|_| TemplateError::Subject)?;
        let mut template = Self::new(model, SubjectId::new(subject)?, enrolled_at, dim)?;
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

/// Why bytes are not a template, or a template cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// The record does not begin with [`MAGIC`].
    Magic,
    /// The record is of a version this build does not know.
    Version {
        /// Found version.
        found: u16,
    },
    /// The record ends before its stated length.
    CutOff,
    /// The stored checksum is not that of the bytes.
    Damaged {
        /// The record's checksum.
        stored: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// The subject's name is empty, longer than [`MAX_SUBJECT`] bytes, or holds
    /// control characters or broken UTF-8.
    Subject,
    /// The embedding dimension is out of range or differs from the template's.
    Dimension {
        /// The template's dimension, or this build's largest.
        expected: usize,
        /// Found dimension.
        found: usize,
    },
    /// More embeddings than this build has room for.
    Shots {
        /// Room for that many.
        capacity: usize,
        /// Found that many.
        found: usize,
    },
    /// The output buffer is too small.
    Buffer {
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Magic => write!(
                f,
                "expected a template record (it begins with \"SMBT\"), found other bytes: this is not a template store"
            ),
            Self::Version { found } => write!(
                f,
                "expected template version {VERSION}, found {found}: use the program that wrote it, or enrol anew"
            ),
            Self::CutOff => write!(
                f,
                "expected more bytes, found the end of the record: it is cut off; restore it or enrol anew"
            ),
            Self::Damaged { stored, computed } => write!(
                f,
                "expected checksum {stored:08x}, found {computed:08x}: the record is damaged; restore it or enrol anew"
            ),
            Self::Subject => write!(
                f,
                "expected a subject name of 1 to {MAX_SUBJECT} bytes without control or invisible characters and without white space at its ends: choose another name"
            ),
            Self::Dimension { expected, found } => write!(
                f,
                "expected embeddings of dimension {expected}, found {found}: they come from another model"
            ),
            Self::Shots { capacity, found } => write!(
                f,
                "expected at most {capacity} samples per subject, found {found}: enrol with fewer"
            ),
            Self::Buffer { expected, found } => {
                write!(f, "expected a buffer of {expected} bytes, found {found}")
            }
        }
    }
}

impl core::error::Error for TemplateError {}
