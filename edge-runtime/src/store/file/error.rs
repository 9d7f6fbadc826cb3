//! Why a store cannot be read or changed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::string::String;

use shared::ModelId;
use shared::seal::SealError;
use shared::template::TemplateError;

use super::PATIENCE;
use crate::store::MAX_STATE;

/// Why a store cannot be read or changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileStoreError {
    /// The file cannot be read.
    Read {
        /// The store.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be written; it is as it was.
    Write {
        /// The store.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is written, but may be as it was after a loss of power.
    Unsynced {
        /// The store.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another program holds the store's lock and does not let go.
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// A store was to be made where one is.
    Exists {
        /// The store.
        path: PathBuf,
    },
    /// Two records are of one subject.
    Duplicate {
        /// The store.
        path: PathBuf,
        /// Whose.
        subject: String,
    },
    /// The store was written before stores were sealed.
    Unsealed {
        /// The store.
        path: PathBuf,
    },
    /// A record is damaged, was changed, or is sealed with another key.
    Sealed {
        /// The store.
        path: PathBuf,
        /// Where the record begins, bytes.
        offset: usize,
        /// What is wrong.
        error: SealError,
    },
    /// All records are sealed, but they are not what one change wrote.
    Changed {
        /// The store.
        path: PathBuf,
    },
    /// A state is longer than a store keeps.
    State {
        /// The store.
        path: PathBuf,
        /// Its bytes.
        found: usize,
    },
    /// A record is damaged, or none.
    Record {
        /// The store.
        path: PathBuf,
        /// Where the record begins, bytes.
        offset: usize,
        /// What is wrong.
        error: TemplateError,
    },
    /// The templates are of another model.
    OtherModel {
        /// The store.
        path: PathBuf,
        /// The model in use.
        expected: ModelId,
        /// The templates' model.
        found: ModelId,
    },
}

impl fmt::Display for FileStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(
                f,
                "{}: expected a template store that can be read, found: {source}",
                path.display()
            ),
            Self::Write { path, source } => write!(
                f,
                "{}: expected to write the store, found: {source}; it is as it was: make room, or give the folder write permission",
                path.display()
            ),
            Self::Unsynced { path, source } => write!(
                f,
                "{}: the change is made, but expected the disk to confirm it, found: {source}; check the disk, then `list`",
                path.display()
            ),
            Self::Locked { path } => write!(
                f,
                "{0}: expected the store to be free within {1} s, found another program that holds {0}.lock: end it and try again",
                path.display(),
                PATIENCE.as_secs()
            ),
            Self::Exists { path } => write!(
                f,
                "{}: expected no store there, found one with enrolled subjects: choose another place, or remove the file",
                path.display()
            ),
            Self::Duplicate { path, subject } => write!(
                f,
                "{}: expected one record of each subject, found two of {subject}: the store was not written by this program alone; restore it from a copy",
                path.display()
            ),
            Self::Unsealed { path } => write!(
                f,
                "{}: expected a sealed store, found one that an earlier version wrote in the clear: if you trust it, `rotate-key --unsealed` seals it",
                path.display()
            ),
            Self::Sealed {
                path,
                offset,
                error,
            } => write!(f, "{}, byte {offset}: {error}", path.display()),
            Self::Changed { path } => write!(
                f,
                "{}: expected the records of one change, found some missing, added or of an earlier copy: the store was not written by this program alone; restore it from a copy",
                path.display()
            ),
            Self::State { path, found } => write!(
                f,
                "{}: expected a state of at most {MAX_STATE} bytes, found {found}",
                path.display()
            ),
            Self::Record {
                path,
                offset,
                error,
            } => write!(f, "{}, byte {offset}: {error}", path.display()),
            Self::OtherModel {
                path,
                expected,
                found,
            } => write!(
                f,
                "{}: expected templates of model {}, found ones of model {}: use that model, or another --store and enrol anew",
                path.display(),
                expected.short(),
                found.short()
            ),
        }
    }
}

impl core::error::Error for FileStoreError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Read { source, .. }
            | Self::Write { source, .. }
            | Self::Unsynced { source, .. } => Some(source),
            // Their messages have the cause.
            Self::Record { .. }
            | Self::Sealed { .. }
            | Self::Unsealed { .. }
            | Self::Changed { .. }
            | Self::State { .. }
            | Self::Locked { .. }
            | Self::Exists { .. }
            | Self::Duplicate { .. }
            | Self::OtherModel { .. } => None,
        }
    }
}
