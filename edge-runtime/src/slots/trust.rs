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

impl Trust {
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
