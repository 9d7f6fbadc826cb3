//! Templates in a file: records one after the other, as `shared::template` defines
//! them.
//!
//! Every change is one transaction under a lock that all programs honour: read the
//! file anew, change, write a sibling, sync it, rename it over the file, sync the
//! folder. Whoever reads finds the old file or the new one. A file that is damaged or
//! of another model is never written to. Templates are biometric data: a new store is
//! readable by its owner alone, and a replaced one keeps owner and permissions.

use core::time::Duration;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::string::String;
use std::thread;
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use shared::ModelId;
use shared::template::{Template, TemplateError};

use super::TemplateStore;
use crate::file::{self, ReplaceError};

/// The largest store: 64 MiB.
pub const MAX_LEN: u64 = 64 << 20;

/// Samples per subject, at most, in the stores of the program `semblance`.
pub const SHOTS: usize = 32;

/// How long to wait while another program changes the store.
const PATIENCE: Duration = Duration::from_secs(10);

/// A template store in a file.
#[derive(Debug)]
pub struct FileStore<const SHOTS: usize, const DIM: usize> {
    path: PathBuf,
    model: ModelId,
    templates: Vec<Template<SHOTS, DIM>>,
}

impl<const SHOTS: usize, const DIM: usize> FileStore<SHOTS, DIM> {
    /// Reads the store; one that does not exist is empty. Nothing is written. A link
    /// stands for what it leads to.
    ///
    /// # Errors
    /// [`FileStoreError`] when the file cannot be read, is damaged, or holds templates
    /// of another model.
    pub fn open(path: &Path, model: ModelId) -> Result<Self, FileStoreError> {
        let path = file::follow_links(path);
        Ok(Self {
            templates: read(&path, model)?,
            path,
            model,
        })
    }

    /// Makes a store of `templates`, all at once.
    ///
    /// # Errors
    /// [`FileStoreError::Exists`] when there is one, as [`open`](Self::open) and
    /// [`put`](TemplateStore::put) for what a store cannot hold; nothing is written then.
    pub fn create(
        path: &Path,
        model: ModelId,
        templates: Vec<Template<SHOTS, DIM>>,
    ) -> Result<Self, FileStoreError> {
        let path = file::follow_links(path);
        let mut store = Self {
            templates: vec![],
            path,
            model,
        };
        if let Some(other) = templates.iter().find(|t| t.model() != model) {
            return Err(FileStoreError::OtherModel {
                path: store.path,
                expected: model,
                found: other.model(),
            });
        }
        let subjects = || templates.iter().map(Template::subject);
        let again =
            |(index, subject): &(usize, &str)| subjects().take(*index).any(|s| s == *subject);
        if let Some((_, subject)) = subjects().enumerate().find(again) {
            return Err(FileStoreError::Duplicate {
                path: store.path,
                subject: subject.into(),
            });
        }
        let made = store.transact(|there| {
            let is_empty = there.is_empty();
            if is_empty {
                *there = templates;
            }
            is_empty
        })?;
        match made {
            true => Ok(store),
            false => Err(FileStoreError::Exists { path: store.path }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes the templates and writes them, unless `change` answers `false`.
    fn transact(
        &mut self,
        change: impl FnOnce(&mut Vec<Template<SHOTS, DIM>>) -> bool,
    ) -> Result<bool, FileStoreError> {
        let _lock = lock(&self.path)?;
        // Another program may have written since this one read.
        let mut templates = read(&self.path, self.model)?;
        let changed = change(&mut templates);
        if changed {
            let bytes = encode(&self.path, &templates)?;
            let path = || self.path.clone();
            file::replace(&self.path, &bytes).map_err(|error| match error {
                ReplaceError::Unchanged(source) => FileStoreError::Write {
                    path: path(),
                    source,
                },
                ReplaceError::Unsynced(source) => FileStoreError::Unsynced {
                    path: path(),
                    source,
                },
            })?;
        }
        self.templates = templates;
        Ok(changed)
    }
}

impl<const SHOTS: usize, const DIM: usize> TemplateStore<SHOTS, DIM> for FileStore<SHOTS, DIM> {
    type Error = FileStoreError;

    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>> {
        self.templates.iter()
    }

    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), FileStoreError> {
        if template.model() != self.model {
            return Err(FileStoreError::OtherModel {
                path: self.path.clone(),
                expected: self.model,
                found: template.model(),
            });
        }
        self.transact(|templates| {
            let subject = template.subject();
            match templates.iter_mut().find(|t| t.subject() == subject) {
                Some(earlier) => *earlier = template,
                None => templates.push(template),
            }
            true
        })?;
        Ok(())
    }

    fn remove(&mut self, subject: &str) -> Result<bool, FileStoreError> {
        self.transact(|templates| {
            let before = templates.len();
            templates.retain(|template| template.subject() != subject);
            templates.len() < before
        })
    }
}

/// Waits for the lock, a file beside the store: the store itself is replaced by every
/// change. It is given back when it is dropped, or when the program dies. A change takes
/// milliseconds; whoever holds the lock for longer than [`PATIENCE`] is stuck.
fn lock(path: &Path) -> Result<File, FileStoreError> {
    let error = |source| FileStoreError::Write {
        path: path.to_path_buf(),
        source,
    };
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    // Whoever may read it could lock it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(file::sibling(path, ".lock")).map_err(error)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(FileStoreError::Locked {
                    path: path.to_path_buf(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(error(source)),
        }
    }
}

fn read<const SHOTS: usize, const DIM: usize>(
    path: &Path,
    model: ModelId,
) -> Result<Vec<Template<SHOTS, DIM>>, FileStoreError> {
    let bytes = read_bytes(path).map_err(|source| FileStoreError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let mut templates = vec![];
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (template, after) = Template::decode(rest).map_err(|error| FileStoreError::Record {
            path: path.to_path_buf(),
            offset: bytes.len() - rest.len(),
            error,
        })?;
        if template.model() != model {
            return Err(FileStoreError::OtherModel {
                path: path.to_path_buf(),
                expected: model,
                found: template.model(),
            });
        }
        let subject = template.subject();
        if templates
            .iter()
            .any(|earlier: &Template<SHOTS, DIM>| earlier.subject() == subject)
        {
            return Err(FileStoreError::Duplicate {
                path: path.to_path_buf(),
                subject: subject.into(),
            });
        }
        templates.push(template);
        rest = after;
    }
    Ok(templates)
}

/// The file's bytes; none when there is no file.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    match file::read(path, MAX_LEN) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        read => read,
    }
}

fn encode<const SHOTS: usize, const DIM: usize>(
    path: &Path,
    templates: &[Template<SHOTS, DIM>],
) -> Result<Vec<u8>, FileStoreError> {
    let length = templates.iter().map(Template::encoded_len).sum();
    let mut bytes = vec![0; length];
    let mut written = 0;
    for template in templates {
        written +=
            template
                .encode(&mut bytes[written..])
                .map_err(|error| FileStoreError::Record {
                    path: path.to_path_buf(),
                    offset: written,
                    error,
                })?;
    }
    Ok(bytes)
}

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
            Self::Record { error, .. } => Some(error),
            Self::Locked { .. }
            | Self::Exists { .. }
            | Self::Duplicate { .. }
            | Self::OtherModel { .. } => None,
        }
    }
}
