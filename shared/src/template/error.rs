use core::fmt;

use super::{LEARNED_VERSION, MAX_SUBJECT, VERSION};

/// Why bytes are not a template, or a template cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// The record does not begin with [`MAGIC`](super::MAGIC).
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
    /// The scale or the number of samples of a learnt prototype is out of range.
    Learned,
    /// A sample was to be added to a learnt prototype.
    Closed,
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
                "expected template version {VERSION} or {LEARNED_VERSION}, found {found}: use the program that wrote it, or enrol anew"
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
            Self::Learned => write!(
                f,
                "expected a learnt prototype with a scale above 0 and at least one sample, found another: fine-tune anew"
            ),
            Self::Closed => write!(
                f,
                "expected a template of samples to add one to, found a learnt prototype: enrol the subject anew"
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
