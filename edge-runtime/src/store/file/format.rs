//! The bytes of a store, as `shared/docs/template-format.md` specifies them.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::vec;
use std::vec::Vec;

use shared::ModelId;
use shared::seal::{self, Label, SealError};
use shared::template::{Template, TemplateError};
use zeroize::Zeroizing;

use super::{FileStoreError, MAX_LEN};
use crate::file;
use crate::keys::Keys;
use crate::store::state::{FIRST_TEMPLATE, State, States};

/// What a file says.
#[derive(Clone, Debug)]
pub(super) struct Content<const SHOTS: usize, const DIM: usize> {
    /// The number of the change that wrote it; 0 without a file.
    pub(super) change: u32,
    pub(super) states: States,
    pub(super) templates: Vec<Template<SHOTS, DIM>>,
}

impl<const SHOTS: usize, const DIM: usize> Content<SHOTS, DIM> {
    pub(super) fn none() -> Self {
        Self {
            change: 0,
            states: States::default(),
            templates: vec![],
        }
    }
}

/// What the file says, if it is whole and unchanged: a mark, which counts what follows, then
/// states and templates in order of their slots, all sealed by the same change.
pub(super) fn read<const SHOTS: usize, const DIM: usize>(
    path: &Path,
    model: ModelId,
    keys: &Keys,
) -> Result<Content<SHOTS, DIM>, FileStoreError> {
    let Some(mut bytes) = read_bytes(path)? else {
        return Ok(Content::none());
    };
    if bytes.starts_with(&shared::template::MAGIC) {
        return Err(FileStoreError::Unsealed {
            path: path.to_path_buf(),
        });
    }
    let changed = || FileStoreError::Changed {
        path: path.to_path_buf(),
    };
    let mut records = Records {
        path,
        keys,
        rest: &mut bytes,
        offset: 0,
    };
    let (mark, count) = records.next()?;
    let count = <[u8; 4]>::try_from(&*count).map_err(|_| changed())?;
    let mut content = Content {
        change: mark.change,
        ..Content::none()
    };
    let mut before = mark.slot;
    for _ in 0..u32::from_le_bytes(count) {
        let offset = records.offset;
        let (label, bytes) = records.next()?;
        // None is missing, moved, or of an earlier copy.
        if label.change != mark.change || label.slot <= before {
            return Err(changed());
        }
        before = label.slot;
        let state = State::ALL.into_iter().find(|s| s.slot() == label.slot);
        if let Some(state) = state {
            let fits = content.states.set(state, bytes);
            fits.then_some(()).ok_or_else(changed)?;
            continue;
        }
        let template = decode(path, offset, bytes)?;
        content.templates.push(template);
    }
    if mark.slot != 0 || !records.rest.is_empty() {
        return Err(changed());
    }
    check(path, model, &content.templates)?;
    Ok(content)
}

/// Sealed records, one after the other.
struct Records<'a> {
    path: &'a Path,
    keys: &'a Keys,
    rest: &'a mut [u8],
    /// Where the rest begins, bytes.
    offset: usize,
}

impl<'a> Records<'a> {
    fn next(&mut self) -> Result<(Label, &'a mut [u8]), FileStoreError> {
        let error = |error| FileStoreError::Sealed {
            path: self.path.to_path_buf(),
            offset: self.offset,
            error,
        };
        let key = seal::key_of(self.rest).map_err(error)?;
        let sealer = self.keys.find(key).unwrap_or(&self.keys.current);
        let len = seal::len_of(self.rest).map_err(error)?;
        let (record, rest) = core::mem::take(&mut self.rest)
            .split_at_mut_checked(len)
            .ok_or_else(|| error(SealError::CutOff))?;
        let opened = sealer.open(record).map_err(error)?;
        self.rest = rest;
        self.offset += len;
        Ok((opened.label, opened.content))
    }
}

/// A template that is all of `bytes`.
fn decode<const SHOTS: usize, const DIM: usize>(
    path: &Path,
    offset: usize,
    bytes: &[u8],
) -> Result<Template<SHOTS, DIM>, FileStoreError> {
    let error = |error| FileStoreError::Record {
        path: path.to_path_buf(),
        offset,
        error,
    };
    match Template::decode(bytes).map_err(error)? {
        (template, []) => Ok(template),
        _ => Err(FileStoreError::Changed {
            path: path.to_path_buf(),
        }),
    }
}

/// All templates must be of the model, and of different subjects.
pub(super) fn check<const SHOTS: usize, const DIM: usize>(
    path: &Path,
    model: ModelId,
    templates: &[Template<SHOTS, DIM>],
) -> Result<(), FileStoreError> {
    let mut subjects = HashSet::new();
    for template in templates {
        if template.model() != model {
            return Err(FileStoreError::OtherModel {
                path: path.to_path_buf(),
                expected: model,
                found: template.model(),
            });
        }
        if !subjects.insert(template.subject()) {
            return Err(FileStoreError::Duplicate {
                path: path.to_path_buf(),
                subject: template.subject().into(),
            });
        }
    }
    Ok(())
}

/// The templates of a store that was not sealed: records one after the other.
pub(super) fn read_unsealed<const SHOTS: usize, const DIM: usize>(
    path: &Path,
    model: ModelId,
) -> Result<Vec<Template<SHOTS, DIM>>, FileStoreError> {
    let bytes = read_bytes(path)?.unwrap_or_default();
    let mut templates = vec![];
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (template, after) = Template::decode(rest).map_err(|error| FileStoreError::Record {
            path: path.to_path_buf(),
            offset: bytes.len() - rest.len(),
            error,
        })?;
        templates.push(template);
        rest = after;
    }
    check(path, model, &templates)?;
    Ok(templates)
}

/// The file's bytes; none when there is no file.
fn read_bytes(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileStoreError> {
    match file::read(path, MAX_LEN) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read
            .map(|bytes| Some(Zeroizing::new(bytes)))
            .map_err(|source| FileStoreError::Read {
                path: path.to_path_buf(),
                source,
            }),
    }
}

pub(super) fn encode<const SHOTS: usize, const DIM: usize>(
    path: &Path,
    keys: &Keys,
    content: &Content<SHOTS, DIM>,
) -> Result<Vec<u8>, FileStoreError> {
    let mut bytes = vec![];
    let mut add = |slot: u32,
                   content_len: usize,
                   write: &dyn Fn(&mut [u8]) -> Result<usize, TemplateError>| {
        let offset = bytes.len();
        bytes.resize(offset + seal::OVERHEAD + content_len, 0);
        let record = &mut bytes[offset..];
        let path = || path.to_path_buf();
        let written = write(&mut record[seal::CONTENT..]);
        let length = written.map_err(|error| FileStoreError::Record {
            path: path(),
            offset,
            error,
        })?;
        let label = Label {
            slot,
            change: content.change,
        };
        let sealed = keys.current.seal(label, record, length);
        sealed.map(|_| ()).map_err(|error| FileStoreError::Sealed {
            path: path(),
            offset,
            error,
        })
    };
    let states: Vec<_> = content.states.all().collect();
    let count = u32::try_from(states.len() + content.templates.len()).unwrap_or(u32::MAX);
    let copy = |from: &[u8], to: &mut [u8]| {
        to[..from.len()].copy_from_slice(from);
        Ok(from.len())
    };
    add(0, 4, &|place| copy(&count.to_le_bytes(), place))?;
    for (state, state_bytes) in states {
        add(state.slot(), state_bytes.len(), &|place| {
            copy(state_bytes, place)
        })?;
    }
    for (slot, template) in (FIRST_TEMPLATE..).zip(&content.templates) {
        add(slot, template.encoded_len(), &|place| {
            template.encode(place)
        })?;
    }
    Ok(bytes)
}

/// Records in the clear, one after the other.
pub(super) fn encode_unsealed<const SHOTS: usize, const DIM: usize>(
    path: &Path,
    model: ModelId,
    templates: &[Template<SHOTS, DIM>],
) -> Result<Vec<u8>, FileStoreError> {
    check(path, model, templates)?;
    let mut bytes = vec![];
    for template in templates {
        let offset = bytes.len();
        bytes.resize(offset + template.encoded_len(), 0);
        let encoded = template.encode(&mut bytes[offset..]);
        encoded.map_err(|error| FileStoreError::Record {
            path: path.to_path_buf(),
            offset,
            error,
        })?;
    }
    Ok(bytes)
}
