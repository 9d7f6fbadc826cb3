//! Why templates cannot be kept in flash.

use core::fmt;

use shared::support_set::SupportSetError;

use super::blocking::Blocked;

/// Why templates cannot be kept in flash. `E` is the flash's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlashStoreError<E> {
    /// The flash cannot be read, written or erased.
    Flash(E),
    /// The region is too small for the subjects, or not of whole pages.
    Region {
        /// Bytes that it takes at least.
        expected: usize,
        /// Bytes that there are.
        found: usize,
        /// Bytes of a page; both halves are of whole pages.
        page: usize,
    },
    /// The buffer is too short for a record.
    Buffer {
        /// Bytes that it takes.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// The region holds something else, or what it held was destroyed or changed.
    Damaged,
    /// The region is sealed with a key that the device does not have.
    OtherKey,
    /// Templates of other models take the last places.
    Stale {
        /// How many.
        stale: usize,
    },
    /// The template cannot be kept here.
    Template(SupportSetError),
}

impl<E> From<SupportSetError> for FlashStoreError<E> {
    fn from(error: SupportSetError) -> Self {
        Self::Template(error)
    }
}

pub(super) fn map_error<E>(error: sequential_storage::Error<Blocked<E>>) -> FlashStoreError<E> {
    match error {
        sequential_storage::Error::Storage {
            value: Blocked::Flash(error),
            ..
        } => FlashStoreError::Flash(error),
        // The sizes were checked, so anything else is not what a store wrote.
        _ => FlashStoreError::Damaged,
    }
}

impl<E: fmt::Debug> fmt::Display for FlashStoreError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(error) => write!(
                f,
                "expected flash that can be read and written, found {error:?}: check the board"
            ),
            Self::Region {
                expected,
                found,
                page,
            } => write!(
                f,
                "expected at least {expected} bytes of flash, twice a multiple of pages of {page}, found {found}: give the store more of them, or build for fewer subjects"
            ),
            Self::Buffer { expected, found } => write!(
                f,
                "expected a buffer of {expected} bytes for a record, found {found}"
            ),
            Self::Damaged => f.write_str(
                "expected a template store, found other bytes in the flash: erase the store, then enrol anew",
            ),
            Self::OtherKey => f.write_str(
                "expected a template store that this device sealed, found one of another key: erase the store, then enrol anew",
            ),
            Self::Stale { stale } => write!(
                f,
                "expected a free place, found the last {stale} taken by templates of other models: remove those first"
            ),
            Self::Template(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for FlashStoreError<E> {}
