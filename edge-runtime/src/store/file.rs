//! Templates in a file: sealed records one after the other, as
//! `shared/docs/template-format.md` defines them.
//!
//! Every change is one transaction under a lock that all programs honour: read the
//! file anew, change, write a sibling, sync it, rename it over the file, sync the
//! folder. Whoever reads finds the old file or the new one. A file that is damaged or
//! of another model is never written to. Templates are biometric data: a new store is
//! readable by its owner alone, and a replaced one keeps owner and permissions.
//!
//! What is known of how near to the threshold subjects are accepted lies in a file beside it,
//! sealed too.

use core::time::Duration;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use shared::ModelId;
use shared::drift::Drift;
use shared::template::Template;

use super::{State, StateStore, TemplateStore};
use crate::file::{self, ReplaceError};
use crate::keys::Keys;

mod drift;
mod error;
mod format;

use drift::Drifts;
pub use error::FileStoreError;
use format::{Content, check, encode, encode_unsealed, read, read_unsealed};

/// The largest store: 64 MiB.
pub const MAX_LEN: u64 = 64 << 20;

/// Samples per subject, at most, in the stores of the program `semblance`.
pub const SHOTS: usize = 32;

/// The same of structures, whose references are several embeddings each: 16 of 4088 bytes, or
/// fewer that are longer.
pub const STRUCTURE_SHOTS: usize = 128;

/// How long to wait while another program changes the store.
const PATIENCE: Duration = Duration::from_secs(10);

/// A template store in a file.
#[derive(Debug)]
pub struct FileStore<const SHOTS: usize, const DIM: usize> {
    path: PathBuf,
    model: ModelId,
    keys: Keys,
    content: Content<SHOTS, DIM>,
    drifts: Drifts,
}

impl<const SHOTS: usize, const DIM: usize> FileStore<SHOTS, DIM> {
    /// Reads the store; one that does not exist is empty. Nothing is written. A link
    /// stands for what it leads to. What an earlier key of `keys` sealed is sealed anew by
    /// the next change.
    ///
    /// # Errors
    /// [`FileStoreError`] when the file cannot be read, is damaged or was changed, is sealed
    /// with another key or with none, or holds templates of another model.
    pub fn open(path: &Path, model: ModelId, keys: Keys) -> Result<Self, FileStoreError> {
        let path = file::follow_links(path);
        Ok(Self {
            drifts: drift::read(&path, &keys),
            content: read(&path, model, &keys)?,
            path,
            model,
            keys,
        })
    }

    /// Seals a store that was written before stores were sealed.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when it cannot be written. The file is as it was then.
    pub fn seal(path: &Path, model: ModelId, keys: Keys) -> Result<Self, FileStoreError> {
        let path = file::follow_links(path);
        let lock = lock(&path, PATIENCE)?;
        let mut content = Content::none();
        content.templates = read_unsealed(&path, model)?;
        let mut store = Self::empty(path, model, keys);
        store.write(content)?;
        drop(lock);
        Ok(store)
    }

    /// Seals everything anew, with the key in use.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn reseal(&mut self) -> Result<(), FileStoreError> {
        self.transact(|_| true)?;
        match self.drifts.is_empty() {
            true => Ok(()),
            false => self.change_drifts(PATIENCE, |_| ()),
        }
    }

    /// Makes a store of `templates`, all at once.
    ///
    /// # Errors
    /// [`FileStoreError::Exists`] when there is one, as [`open`](Self::open) and
    /// [`put`](TemplateStore::put) for what a store cannot hold; nothing is written then.
    pub fn create(
        path: &Path,
        model: ModelId,
        keys: Keys,
        templates: Vec<Template<SHOTS, DIM>>,
    ) -> Result<Self, FileStoreError> {
        let path = file::follow_links(path);
        let mut store = Self::empty(path, model, keys);
        check(&store.path, model, &templates)?;
        let made = store.transact(|there| {
            let is_empty = there.templates.is_empty();
            if is_empty {
                there.templates = templates;
            }
            is_empty
        })?;
        match made {
            true => Ok(store),
            false => Err(FileStoreError::Exists { path: store.path }),
        }
    }

    /// Makes a store of `templates` in the clear, to be sealed where it is used.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_unsealed(
        path: &Path,
        model: ModelId,
        templates: &[Template<SHOTS, DIM>],
    ) -> Result<(), FileStoreError> {
        let bytes = encode_unsealed(path, model, templates)?;
        file::create(path, &bytes).map_err(|source| {
            let path = path.to_path_buf();
            match source.kind() {
                io::ErrorKind::AlreadyExists => FileStoreError::Exists { path },
                _ => FileStoreError::Write { path, source },
            }
        })
    }

    fn empty(path: PathBuf, model: ModelId, keys: Keys) -> Self {
        Self {
            content: Content::none(),
            drifts: Drifts::new(),
            path,
            model,
            keys,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn forget_drift(&mut self, subject: &str) -> Result<(), FileStoreError> {
        if drift::read(&self.path, &self.keys).contains_key(subject) {
            self.change_drifts(PATIENCE, |drifts| {
                drifts.remove(subject);
            })?;
        }
        Ok(())
    }

    /// Changes what is known of drift and writes it, unless another program has the lock for
    /// longer than `patience`.
    fn change_drifts(
        &mut self,
        patience: Duration,
        change: impl FnOnce(&mut Drifts),
    ) -> Result<(), FileStoreError> {
        let _lock = lock(&self.path, patience)?;
        self.drifts = drift::read(&self.path, &self.keys);
        change(&mut self.drifts);
        // Of whoever was removed by a program that knows nothing of this.
        let templates = read::<SHOTS, DIM>(&self.path, self.model, &self.keys)?.templates;
        self.drifts
            .retain(|subject, _| templates.iter().any(|t| t.subject() == subject));
        drift::write(&self.path, &self.keys, &self.drifts).map_err(|source| FileStoreError::Write {
            path: drift::path(&self.path),
            source,
        })
    }

    /// Changes the content and writes it, unless `change` answers `false`.
    fn transact(
        &mut self,
        change: impl FnOnce(&mut Content<SHOTS, DIM>) -> bool,
    ) -> Result<bool, FileStoreError> {
        let _lock = lock(&self.path, PATIENCE)?;
        // Another program may have written since this one read.
        let mut content = read(&self.path, self.model, &self.keys)?;
        let changed = change(&mut content);
        match changed {
            true => self.write(content)?,
            false => self.content = content,
        }
        Ok(changed)
    }

    /// Writes what is the content from now on.
    fn write(&mut self, mut content: Content<SHOTS, DIM>) -> Result<(), FileStoreError> {
        let path = || self.path.clone();
        let change = content.change.checked_add(1);
        content.change = change.ok_or_else(|| FileStoreError::Changed { path: path() })?;
        let bytes = encode(&self.path, &self.keys, &content)?;
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
        self.content = content;
        Ok(())
    }
}

impl<const SHOTS: usize, const DIM: usize> TemplateStore<SHOTS, DIM> for FileStore<SHOTS, DIM> {
    type Error = FileStoreError;

    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>> {
        self.content.templates.iter()
    }

    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), FileStoreError> {
        if template.model() != self.model {
            return Err(FileStoreError::OtherModel {
                path: self.path.clone(),
                expected: self.model,
                found: template.model(),
            });
        }
        // What is known of the earlier enrolment is not true of this one.
        self.forget_drift(template.subject())?;
        self.transact(|content| {
            let (templates, subject) = (&mut content.templates, template.subject());
            match templates.iter_mut().find(|t| t.subject() == subject) {
                Some(earlier) => *earlier = template,
                None => templates.push(template),
            }
            true
        })?;
        Ok(())
    }

    fn drift(&self, subject: &str) -> Option<Drift> {
        self.drifts.get(subject).copied()
    }

    fn keep_drift(&mut self, subject: &str, drift: Drift) -> Result<(), FileStoreError> {
        // Not worth waiting for.
        self.change_drifts(Duration::ZERO, |drifts| {
            drifts.insert(subject.into(), drift);
        })
    }

    fn remove(&mut self, subject: &str) -> Result<bool, FileStoreError> {
        // First, so that nothing of a removed subject is left.
        self.forget_drift(subject)?;
        self.transact(|content| {
            let templates = &mut content.templates;
            let before = templates.len();
            templates.retain(|template| template.subject() != subject);
            templates.len() < before
        })
    }
}

impl<const SHOTS: usize, const DIM: usize> StateStore for FileStore<SHOTS, DIM> {
    type Error = FileStoreError;

    fn state(&self, state: State) -> &[u8] {
        self.content.states.get(state)
    }

    fn set_state(&mut self, state: State, bytes: &[u8]) -> Result<(), FileStoreError> {
        let mut fits = false;
        self.transact(|content| {
            fits = content.states.set(state, bytes);
            fits
        })?;
        let too_long = || FileStoreError::State {
            path: self.path.clone(),
            found: bytes.len(),
        };
        fits.then_some(()).ok_or_else(too_long)
    }
}

/// Waits for the lock, a file beside the store: the store itself is replaced by every
/// change. It is given back when it is dropped, or when the program dies. A change takes
/// milliseconds; whoever holds the lock for longer than `patience` is stuck.
fn lock(path: &Path, patience: Duration) -> Result<File, FileStoreError> {
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
            Err(TryLockError::WouldBlock) if started.elapsed() < patience => {
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
