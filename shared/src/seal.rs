//! Records that only the device which wrote them can read, and that nobody can change or
//! move unseen.
//!
//! The bytes are specified in `shared/docs/template-format.md`. Content is encrypted and
//! authenticated by XChaCha20-Poly1305 (RFC 8439; draft-irtf-cfrg-xchacha-03), and so are
//! the place it belongs to and the change it came with.
//!
//! Its nonce is a keyed hash of everything that is sealed, as in SIV (Rogaway and Shrimpton,
//! "Deterministic authenticated encryption", 2006). So no nonce is ever used for two
//! contents: not after a loss of power, not after an older copy of the store was put back,
//! and without a source of randomness. Who sees two equal records learns that they are equal.

use core::fmt;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::bytes::{Reader, Writer, copy_front};
use crate::secret::Secret;

/// The first bytes of a sealed record.
pub const MAGIC: [u8; 4] = *b"SMBS";

/// The version of sealed records.
pub const VERSION: u16 = 1;

/// Bytes before the nonce: all that can be read without the key.
const HEADER_LEN: usize = 4 + 2 + 4 + 4 + 4 + 2;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// Where the content of a sealed record begins.
pub const CONTENT: usize = HEADER_LEN + NONCE_LEN;

/// Bytes of a sealed record beside its content.
pub const OVERHEAD: usize = CONTENT + TAG_LEN;

/// The most bytes that are sealed together.
pub const MAX_CONTENT: usize = u16::MAX as usize;

/// What a record is sealed for, in the clear but not to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place in the store.
    pub slot: u32,
    /// The number of the store's change that it was written by.
    pub change: u32,
}

/// Which key a record was sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Seals records and opens them.
#[derive(Clone, Debug)]
pub struct Sealer {
    id: KeyId,
    content: Secret,
    nonce: Secret,
}

/// A record that was opened.
#[derive(Debug)]
pub struct Opened<'a> {
    /// What it was sealed for.
    pub label: Label,
    /// Its content, in the clear.
    pub content: &'a mut [u8],
    /// Bytes of the whole record.
    pub len: usize,
}

impl Sealer {
    /// One with keys derived from a device's secret.
    pub fn new(device: &Secret) -> Self {
        let [a, b, c, d, ..] = *device.derive("key id 1").expose();
        Self {
            id: KeyId(u32::from_le_bytes([a, b, c, d])),
            content: device.derive("sealed content 1"),
            nonce: device.derive("sealed nonce 1"),
        }
    }

    /// Which key it has.
    pub fn key_id(&self) -> KeyId {
        self.id
    }

    /// Seals `length` bytes from [`CONTENT`] on of `buffer` in place; bytes of the record,
    /// which are [`OVERHEAD`] more.
    ///
    /// # Errors
    /// [`SealError::Buffer`].
    pub fn seal(&self, label: Label, buffer: &mut [u8], length: usize) -> Result<usize, SealError> {
        let expected = OVERHEAD.saturating_add(length);
        let too_short = SealError::Buffer {
            expected,
            found: buffer.len(),
        };
        let record = buffer.get_mut(..expected).ok_or(too_short)?;
        self.seal_whole(label, record, length).ok_or(too_short)?;
        Ok(expected)
    }

    fn seal_whole(&self, label: Label, record: &mut [u8], length: usize) -> Option<()> {
        let (header, rest) = record.split_at_mut_checked(HEADER_LEN)?;
        let (nonce, rest) = rest.split_at_mut_checked(NONCE_LEN)?;
        let (content, tag) = rest.split_at_mut_checked(length)?;
        let mut writer = Writer::new(header);
        writer.put(&MAGIC)?;
        writer.put(&VERSION.to_le_bytes())?;
        writer.put(&self.id.0.to_le_bytes())?;
        writer.put(&label.slot.to_le_bytes())?;
        writer.put(&label.change.to_le_bytes())?;
        writer.put(&u16::try_from(length).ok()?.to_le_bytes())?;
        copy_front(nonce, &self.nonce_of(header, content)?);
        let nonce = XNonce::try_from(&*nonce).ok()?;
        let cipher = XChaCha20Poly1305::new(self.content.expose().into());
        let sealed = cipher.encrypt_inout_detached(&nonce, header, content.into());
        copy_front(tag, &sealed.ok()?);
        Some(())
    }

    /// A keyed hash of everything that is sealed.
    fn nonce_of(&self, header: &[u8], content: &[u8]) -> Option<[u8; 32]> {
        let hash = Hmac::<Sha256>::new_from_slice(self.nonce.expose()).ok()?;
        let hash = hash.chain_update(header).chain_update(content);
        Some(hash.finalize().into_bytes().into())
    }

    /// Opens the record at the front of `bytes` in place.
    ///
    /// # Errors
    /// [`SealError`] for everything but what this device sealed; the bytes are not to be
    /// used then.
    pub fn open<'a>(&self, bytes: &'a mut [u8]) -> Result<Opened<'a>, SealError> {
        let Header { key, label, length } = Header::read(bytes)?;
        if key != self.id {
            return Err(SealError::OtherKey {
                expected: self.id,
                found: key,
            });
        }
        let len = OVERHEAD + length;
        let record = bytes.get_mut(..len).ok_or(SealError::CutOff)?;
        let content = self.open_whole(record, length).ok_or(SealError::Forged)?;
        Ok(Opened {
            label,
            content,
            len,
        })
    }

    fn open_whole<'a>(&self, record: &'a mut [u8], length: usize) -> Option<&'a mut [u8]> {
        let (header, rest) = record.split_at_mut_checked(HEADER_LEN)?;
        let (nonce, rest) = rest.split_at_mut_checked(NONCE_LEN)?;
        let (content, tag) = rest.split_at_mut_checked(length)?;
        let nonce = XNonce::try_from(&*nonce).ok()?;
        let tag = Tag::try_from(&*tag).ok()?;
        let cipher = XChaCha20Poly1305::new(self.content.expose().into());
        let opened = cipher.decrypt_inout_detached(&nonce, header, (&mut *content).into(), &tag);
        opened.ok()?;
        Some(content)
    }
}

/// Which key the record at the front of `bytes` was sealed with, without opening it.
///
/// # Errors
/// [`SealError::Magic`], [`SealError::Version`], [`SealError::CutOff`].
pub fn key_of(bytes: &[u8]) -> Result<KeyId, SealError> {
    Header::read(bytes).map(|header| header.key)
}

/// What the record at the front of `bytes` says that it was sealed for. Only opening it tells
/// whether that is so.
///
/// # Errors
/// As [`key_of`].
pub fn label_of(bytes: &[u8]) -> Result<Label, SealError> {
    Header::read(bytes).map(|header| header.label)
}

/// Bytes of the record at the front of `bytes`, as it states them.
///
/// # Errors
/// As [`key_of`].
pub fn len_of(bytes: &[u8]) -> Result<usize, SealError> {
    Header::read(bytes).map(|header| OVERHEAD + header.length)
}

struct Header {
    key: KeyId,
    label: Label,
    length: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, SealError> {
        let cut_off = SealError::CutOff;
        let mut reader = Reader::new(bytes);
        if reader.array().ok_or(cut_off)? != MAGIC {
            return Err(SealError::Magic);
        }
        match reader.u16().ok_or(cut_off)? {
            VERSION => {}
            found => return Err(SealError::Version { found }),
        }
        let mut number = || reader.u32().ok_or(cut_off);
        let (key, slot, change) = (number()?, number()?, number()?);
        Ok(Self {
            key: KeyId(key),
            label: Label { slot, change },
            length: reader.u16().ok_or(cut_off)?.into(),
        })
    }
}

/// Why bytes are no record of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The record does not begin with [`MAGIC`].
    Magic,
    /// The record is of a version that this build does not know.
    Version {
        /// Found version.
        found: u16,
    },
    /// The record ends before its stated length.
    CutOff,
    /// The record was sealed with another key.
    OtherKey {
        /// The device's key.
        expected: KeyId,
        /// The record's.
        found: KeyId,
    },
    /// The record is damaged, or somebody changed it.
    Forged,
    /// The buffer is too small.
    Buffer {
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str(
                "expected a sealed record (it begins with \"SMBS\"), found other bytes: this is not a sealed store",
            ),
            Self::Version { found } => write!(
                f,
                "expected a sealed record of version {VERSION}, found {found}: use the program that wrote it, or enrol anew"
            ),
            Self::CutOff => f.write_str(
                "expected more bytes, found the end of the record: it is cut off; restore it or enrol anew",
            ),
            Self::OtherKey { expected, found } => write!(
                f,
                "expected a record that was sealed with key {expected}, found one of key {found}: it is another device's; use that one's key, or enrol anew"
            ),
            Self::Forged => f.write_str(
                "expected a record as this device sealed it, found one that is damaged or was changed: restore it or enrol anew",
            ),
            Self::Buffer { expected, found } => {
                write!(f, "expected a buffer of {expected} bytes, found {found}")
            }
        }
    }
}

impl core::error::Error for SealError {}
