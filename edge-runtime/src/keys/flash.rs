//! The secret of a device in two parts of its flash.
//!
//! Each part holds one record or none; the one with the higher number is in use. Another
//! secret goes to the other part, so a loss of power leaves the one in use as it was. Flash
//! that can be read from outside the processor keeps no secret: see
//! `shared/docs/security.md`.

use core::fmt;
use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use shared::Secret;
use shared::secret::SECRET_LEN;
use zeroize::Zeroize;

use super::{DeviceSecrets, KeyProvider};
use crate::store::flash::{FlashStoreError, is_blank};

/// The first bytes of a record.
const MAGIC: [u8; 4] = *b"SMBK";

/// Bytes of a record: magic, number and secret, the inverse of both, zeros to a multiple of
/// the longest word.
const RECORD_LEN: usize = 96;

/// Bytes of number and secret.
const COVERED_LEN: usize = 4 + SECRET_LEN;

/// Secrets in a region of a flash, of two equal parts of whole pages.
#[derive(Debug)]
pub struct FlashKeys<F> {
    flash: F,
    region: Range<u32>,
}

/// A secret and its number.
struct Numbered {
    number: u32,
    secret: Secret,
}

impl<F: NorFlash> FlashKeys<F> {
    /// Those in `region` of `flash`.
    pub fn new(flash: F, region: Range<u32>) -> Self {
        Self { flash, region }
    }

    fn parts(&self) -> [Range<u32>; 2] {
        let Range { start, end } = self.region;
        let middle = start + end.saturating_sub(start) / 2;
        [start..middle, middle..end]
    }

    /// What a part holds, if that is a whole record.
    fn read(&mut self, part: &Range<u32>) -> Result<Option<Numbered>, FlashKeysError<F::Error>> {
        let mut record = [0; RECORD_LEN];
        let read = self.flash.read(part.start, &mut record);
        let numbered = decode(&record);
        record.zeroize();
        read.map(|()| numbered).map_err(FlashKeysError::Flash)
    }

    fn erase(&mut self, part: &Range<u32>) -> Result<(), FlashKeysError<F::Error>> {
        let erased = self.flash.erase(part.start, part.end);
        erased.map_err(FlashKeysError::Flash)
    }
}

impl<F: NorFlash> KeyProvider for FlashKeys<F> {
    type Error = FlashKeysError<F::Error>;

    fn secrets(&mut self) -> Result<Option<DeviceSecrets>, Self::Error> {
        let [first, second] = self.parts();
        match (self.read(&first)?, self.read(&second)?) {
            (None, None) if is_blank(&mut self.flash, self.region.clone())? => Ok(None),
            (None, None) => Err(FlashKeysError::Damaged),
            (Some(only), None) | (None, Some(only)) => Ok(Some(DeviceSecrets {
                current: only.secret,
                previous: None,
            })),
            (Some(first), Some(second)) => {
                let (current, previous) = match first.number > second.number {
                    true => (first, second),
                    false => (second, first),
                };
                Ok(Some(DeviceSecrets {
                    current: current.secret,
                    previous: Some(previous.secret),
                }))
            }
        }
    }

    fn add(&mut self, secret: &Secret) -> Result<(), Self::Error> {
        let [first, second] = self.parts();
        let (part, earlier) = match (self.read(&first)?, self.read(&second)?) {
            (Some(_), Some(_)) => return Err(FlashKeysError::Unfinished),
            (Some(earlier), None) => (second, earlier.number),
            (None, Some(earlier)) => (first, earlier.number),
            (None, None) => (first, 0),
        };
        let number = earlier.checked_add(1).ok_or(FlashKeysError::Damaged)?;
        self.erase(&part)?;
        let mut record = encode(number, secret);
        let written = self.flash.write(part.start, &record);
        record.zeroize();
        written.map_err(FlashKeysError::Flash)?;
        match self.read(&part)? {
            Some(kept) if kept.secret.expose() == secret.expose() => Ok(()),
            _ => Err(FlashKeysError::Damaged),
        }
    }

    fn retire(&mut self) -> Result<bool, Self::Error> {
        let [first, second] = self.parts();
        let (earlier, had_one) = match (self.read(&first)?, self.read(&second)?) {
            (Some(a), Some(b)) if a.number < b.number => (first, true),
            (Some(_), Some(_)) => (second, true),
            // What an erasure that was cut off left may still be legible.
            (Some(_), None) => (second, false),
            (None, Some(_)) => (first, false),
            (None, None) => return Ok(false),
        };
        self.erase(&earlier)?;
        Ok(had_one)
    }
}

fn encode(number: u32, secret: &Secret) -> [u8; RECORD_LEN] {
    let mut record = [0; RECORD_LEN];
    let covered = || number.to_le_bytes().into_iter().chain(*secret.expose());
    let bytes = MAGIC.into_iter().chain(covered());
    let bytes = bytes.chain(covered().map(|byte| !byte));
    let places = record.iter_mut().zip(bytes);
    places.for_each(|(place, byte)| *place = byte);
    record
}

/// What is there together with its inverse was written whole, and not erased in part.
fn decode(record: &[u8; RECORD_LEN]) -> Option<Numbered> {
    let (magic, rest) = record.split_first_chunk::<4>()?;
    let (covered, rest) = rest.split_first_chunk::<COVERED_LEN>()?;
    let (inverse, padding) = rest.split_first_chunk::<COVERED_LEN>()?;
    let mut pairs = covered.iter().zip(inverse);
    let is_whole = pairs.all(|(byte, inverse)| *byte == !inverse);
    let is_ended = padding.iter().all(|byte| *byte == 0);
    let (number, secret) = covered.split_first_chunk::<4>()?;
    (*magic == MAGIC && is_whole && is_ended).then_some(())?;
    Some(Numbered {
        number: u32::from_le_bytes(*number),
        secret: Secret::new(secret.try_into().ok()?),
    })
}

/// Why a secret in flash cannot be had or kept. `E` is the flash's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlashKeysError<E> {
    /// The flash cannot be read, written or erased.
    Flash(E),
    /// The secret was destroyed, or never written whole.
    Damaged,
    /// The secret before the last is still there: what it sealed may not be sealed anew.
    Unfinished,
}

impl<E> From<FlashStoreError<E>> for FlashKeysError<E> {
    fn from(error: FlashStoreError<E>) -> Self {
        match error {
            FlashStoreError::Flash(error) => Self::Flash(error),
            _ => Self::Damaged,
        }
    }
}

impl<E: fmt::Debug> fmt::Display for FlashKeysError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(error) => write!(
                f,
                "expected flash that can be read and written, found {error:?}: check the board"
            ),
            Self::Damaged => f.write_str(
                "expected the device's secret, found other bytes: erase secret and store, then enrol anew",
            ),
            Self::Unfinished => f.write_str(
                "expected one secret, found the one before it too: open the store, which seals everything anew, then retire it",
            ),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for FlashKeysError<E> {}
