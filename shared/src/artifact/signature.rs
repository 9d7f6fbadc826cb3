//! Who vouches for an artifact: an Ed25519 signature over what it is.
//!
//! A checksum notices accidents, and an identity notices mixed-up parts; whoever makes bytes
//! on purpose makes both fit. A signature is made by those alone who hold the secret key. It
//! covers a [`Manifest`] of length and hash, so it is checked on raw bytes, before anything of
//! the artifact is parsed. The block of both follows the artifact where it lies on a board,
//! and lies beside it in a model folder. The bytes are specified in
//! `shared/docs/artifact-format.md`.
//!
//! Ed25519: Bernstein, Duif, Lange, Schwabe, Yang, "High-speed high-security signatures",
//! 2012; RFC 8032.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::bytes::{Reader, Writer};

/// The first bytes of a signature block. They are signed too, so that no signature made for
/// another purpose counts here.
pub const MAGIC: [u8; 8] = *b"SEMBSIGN";

/// The version of the block that this crate reads and writes.
pub const VERSION: u32 = 1;

/// Bytes of a manifest, which is what is signed.
pub const MANIFEST_LEN: usize = 64;

/// Bytes of a signature block: the manifest and its signature.
pub const BLOCK_LEN: usize = MANIFEST_LEN + 64;

/// An Ed25519 public key, as RFC 8032 encodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

/// The first eight bytes of a public key's SHA-256: which key it was, not whether.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; 8]);

impl PublicKey {
    /// How signature blocks name this key.
    pub fn id(&self) -> KeyId {
        let hash: [u8; 32] = Sha256::digest(self.0).into();
        KeyId(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Whether `signature` is this key's over `message`. A key of small order, which would
    /// accept what nobody signed, accepts nothing.
    pub fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let key = ed25519_compact::PublicKey::new(self.0);
        let signature = ed25519_compact::Signature::new(*signature);
        key.verify(message, &signature).is_ok()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The model's version, chosen by whoever signs: a device that has seen a later one may
    /// refuse this one.
    pub version: u32,
    /// Bytes of the artifact.
    pub length: u64,
    /// SHA-256 of the artifact.
    pub sha256: [u8; 32],
    /// Whose signature it is.
    pub key: KeyId,
}

impl Manifest {
    /// What `key` is to sign of an artifact.
    pub fn of(artifact: &[u8], version: u32, key: &PublicKey) -> Self {
        Self {
            version,
            length: artifact.len() as u64,
            sha256: Sha256::digest(artifact).into(),
            key: key.id(),
        }
    }

    /// The bytes that are signed.
    pub fn encode(&self) -> [u8; MANIFEST_LEN] {
        let mut bytes = [0; MANIFEST_LEN];
        let mut writer = Writer::new(&mut bytes);
        // All that there is room for.
        let _ = writer.put(&MAGIC);
        let _ = writer.put(&VERSION.to_le_bytes());
        let _ = writer.put(&self.version.to_le_bytes());
        let _ = writer.put(&self.length.to_le_bytes());
        let _ = writer.put(&self.sha256);
        let _ = writer.put(&self.key.0);
        bytes
    }

    /// The block of this manifest and the signature over its [bytes](Self::encode).
    pub fn with_signature(&self, signature: &[u8; 64]) -> [u8; BLOCK_LEN] {
        let mut block = [0; BLOCK_LEN];
        let mut writer = Writer::new(&mut block);
        // All that there is room for.
        let _ = writer.put(&self.encode());
        let _ = writer.put(signature);
        block
    }

    /// What a block states, which nobody may have signed.
    ///
    /// # Errors
    /// [`SignatureError::Length`], [`SignatureError::Magic`], [`SignatureError::Version`].
    pub fn stated(block: &[u8]) -> Result<Self, SignatureError> {
        let length = SignatureError::Length { found: block.len() };
        if block.len() != BLOCK_LEN {
            return Err(length);
        }
        let mut reader = Reader::new(block);
        if reader.array().ok_or(length)? != MAGIC {
            return Err(SignatureError::Magic);
        }
        let version = reader.u32().ok_or(length)?;
        if version != VERSION {
            return Err(SignatureError::Version { found: version });
        }
        Ok(Self {
            version: reader.u32().ok_or(length)?,
            length: reader.u64().ok_or(length)?,
            sha256: reader.array().ok_or(length)?,
            key: KeyId(reader.array().ok_or(length)?),
        })
    }

    /// Whether it is this artifact's.
    ///
    /// # Errors
    /// [`SignatureError::OtherArtifact`].
    pub fn check(&self, artifact: &[u8]) -> Result<(), SignatureError> {
        // Lengths first: hashing takes long.
        let is_same = self.length == artifact.len() as u64
            && self.sha256 == <[u8; 32]>::from(Sha256::digest(artifact));
        is_same.then_some(()).ok_or(SignatureError::OtherArtifact)
    }
}

/// An artifact's manifest, if its block was signed by one of `trusted`.
///
/// # Errors
/// [`SignatureError`] says what was expected and found.
pub fn verify(
    artifact: &[u8],
    block: &[u8],
    trusted: &[PublicKey],
) -> Result<Manifest, SignatureError> {
    let manifest = Manifest::stated(block)?;
    let length = SignatureError::Length { found: block.len() };
    let (signed, signature) = block.split_at_checked(MANIFEST_LEN).ok_or(length)?;
    let signature = signature.first_chunk().ok_or(length)?;
    // Anybody may make a key of any short name.
    let mut named = trusted.iter().filter(|key| key.id() == manifest.key);
    let mut is_known = false;
    let is_signed = named.any(|key| {
        is_known = true;
        key.has_signed(signed, signature)
    });
    match (is_signed, is_known) {
        (true, _) => manifest.check(artifact).map(|()| manifest),
        (false, true) => Err(SignatureError::Signature { key: manifest.key }),
        (false, false) => Err(SignatureError::UnknownKey { key: manifest.key }),
    }
}

/// An artifact and the signature block behind it, where there is one.
pub fn split(bytes: &[u8]) -> (&[u8], Option<&[u8; BLOCK_LEN]>) {
    match bytes.split_last_chunk::<BLOCK_LEN>() {
        Some((artifact, block)) if block.starts_with(&MAGIC) => (artifact, Some(block)),
        _ => (bytes, None),
    }
}

/// Why nobody that is trusted vouches for an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no signature.
    Unsigned,
    /// It is shorter or longer than a signature block.
    Length {
        /// Bytes there.
        found: usize,
    },
    /// It does not begin with [`MAGIC`].
    Magic,
    /// It is of a version this build does not know.
    Version {
        /// Found version.
        found: u32,
    },
    /// It names a key that is not trusted.
    UnknownKey {
        /// The key that it names.
        key: KeyId,
    },
    /// It was changed, or not made by the key that it names.
    Signature {
        /// The key that it names.
        key: KeyId,
    },
    /// It is the signature of other bytes.
    OtherArtifact,
    /// The model is of an earlier version than is asked for.
    Rollback {
        /// The least version.
        least: u32,
        /// Its version.
        found: u32,
    },
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str(
                "expected a signed model, found none that signed it: `host-trainer sign` signs it",
            ),
            Self::Length { found } => write!(
                f,
                "expected a signature of {BLOCK_LEN} bytes, found {found}: copy it again, or sign the model again"
            ),
            Self::Magic => f.write_str(
                "expected a signature (it begins with \"SEMBSIGN\"), found other bytes: sign the model again",
            ),
            Self::Version { found } => write!(
                f,
                "expected signature version {VERSION}, found {found}: sign the model again with this release, or update this program"
            ),
            Self::UnknownKey { key } => write!(
                f,
                "expected the signature of a trusted key, found that of key {key}: trust that key, or take a model of somebody who is trusted"
            ),
            Self::Signature { key } => write!(
                f,
                "expected a signature by key {key}, found one that this key did not make: it was altered; take the model from where it was signed"
            ),
            Self::OtherArtifact => f.write_str(
                "expected the artifact that was signed, found another: take both from one place, or sign the model again",
            ),
            Self::Rollback { least, found } => write!(
                f,
                "expected a model of version {least} or later, found version {found}: take the later one"
            ),
        }
    }
}

impl core::error::Error for SignatureError {}
