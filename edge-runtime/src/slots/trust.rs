//! Whose models are run.

use shared::artifact::signature::{self, PublicKey, SignatureError};

/// Whose models are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Only those that this key has signed; everybody's where there is none.
    pub key: Option<PublicKey>,
    /// Of those, none of an earlier version than this.
    pub least_version: u32,
}

/// Bytes of a kept trust.
const KEPT_LEN: usize = 4 + 32;

impl Trust {
    /// What was kept of it; everybody's models where nothing was. `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (least, key) = bytes.split_first_chunk()?;
        Some(Self {
            key: Some(PublicKey(key.try_into().ok()?)),
            least_version: u32::from_le_bytes(*least),
        })
    }

    /// What is to be kept of it, where there is a key.
    pub fn encode(&self) -> Option<[u8; KEPT_LEN]> {
        let mut kept = [0; KEPT_LEN];
        let bytes = self.least_version.to_le_bytes().into_iter();
        let places = kept.iter_mut().zip(bytes.chain(self.key?.0));
        places.for_each(|(place, byte)| *place = byte);
        Some(kept)
    }

    /// The artifact without its signature, if it is trusted.
    pub(super) fn artifact<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], SignatureError> {
        let (artifact, block) = signature::split(bytes);
        let Some(key) = self.key else {
            return Ok(artifact);
        };
        let block = block.ok_or(SignatureError::Unsigned)?;
        let version = signature::verify(artifact, block, &[key])?.version;
        if version < self.least_version {
            return Err(SignatureError::Rollback {
                least: self.least_version,
                found: version,
            });
        }
        Ok(artifact)
    }
}
