//! How near to the threshold subjects are accepted, in a file beside their store: a sealed
//! record for each, of the four bytes that are known and the name. A file that cannot be
//! opened, whole or in part, is nothing known.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;

use shared::drift::{Drift, ENCODED_LEN};
use shared::seal::{self, Label, SealError};

use super::MAX_LEN;
use crate::file::{self, ReplaceError};
use crate::keys::Keys;

/// By subject.
pub(super) type Drifts = BTreeMap<String, Drift>;

/// No slot of a store, so that no record can pass for one of the store.
const SLOT: u32 = u32::MAX;

/// Where it is, beside a store.
pub(super) fn path(store: &Path) -> PathBuf {
    file::sibling(store, ".drift")
}

/// What is known beside a store.
pub(super) fn read(store: &Path, keys: &Keys) -> Drifts {
    let mut bytes = file::read(&path(store), MAX_LEN).unwrap_or_default();
    let mut drifts = Drifts::new();
    let mut rest = bytes.as_mut_slice();
    while let Some((subject, drift, after)) = open(rest, keys) {
        drifts.insert(subject, drift);
        rest = after;
    }
    drifts
}

/// The record at the front of `bytes`, and what follows it.
fn open<'a>(bytes: &'a mut [u8], keys: &Keys) -> Option<(String, Drift, &'a mut [u8])> {
    let (key, len) = (seal::key_of(bytes).ok()?, seal::len_of(bytes).ok()?);
    let (record, after) = bytes.split_at_mut_checked(len)?;
    let opened = keys.find(key)?.open(record).ok()?;
    let (drift, subject) = opened.content.split_first_chunk::<ENCODED_LEN>()?;
    let subject = core::str::from_utf8(subject).ok()?;
    let is_ours = opened.label.slot == SLOT;
    is_ours.then_some((subject.into(), Drift::decode(*drift)?, after))
}

/// Writes what is known.
pub(super) fn write(store: &Path, keys: &Keys, drifts: &Drifts) -> io::Result<()> {
    let mut bytes = Vec::new();
    for (subject, drift) in drifts {
        add(&mut bytes, keys, subject, *drift).map_err(io::Error::other)?;
    }
    file::replace(&path(store), &bytes).map_err(|error| match error {
        ReplaceError::Unchanged(source) | ReplaceError::Unsynced(source) => source,
    })
}

fn add(bytes: &mut Vec<u8>, keys: &Keys, subject: &str, drift: Drift) -> Result<(), SealError> {
    let offset = bytes.len();
    bytes.resize(offset + seal::CONTENT, 0);
    bytes.extend(drift.encode());
    bytes.extend(subject.as_bytes());
    let length = bytes.len() - offset - seal::CONTENT;
    bytes.resize(offset + seal::OVERHEAD + length, 0);
    let label = Label {
        slot: SLOT,
        change: 0,
    };
    keys.current.seal(label, &mut bytes[offset..], length)?;
    Ok(())
}
