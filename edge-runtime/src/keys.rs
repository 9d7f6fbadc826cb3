//! The secret of a device, and the keys that come from it.
//!
//! Everything that a device keeps is sealed with keys derived from one secret, which never
//! leaves it. Where that lies is for a [`KeyProvider`] to know: a file with owner-only
//! rights, two pages of flash, a fuse, a TPM.
//!
//! A secret is replaced in three steps, of which any may be cut off: another one is added; a
//! store that finds the earlier one's seals moves to the other one's; the earlier one is
//! forgotten.

use shared::Secret;
use shared::seal::{KeyId, Sealer};

#[cfg(feature = "std")]
pub mod file;
#[cfg(feature = "flash")]
pub mod flash;

/// Secrets of a device: the one in use and, until everything is sealed anew, the one
/// before.
#[derive(Clone, Debug)]
pub struct DeviceSecrets {
    /// What is sealed now is sealed with this.
    pub current: Secret,
    /// What was sealed before may be sealed with this.
    pub previous: Option<Secret>,
}

/// Where the secret of a device lies.
pub trait KeyProvider {
    /// Why it cannot be had.
    type Error;

    /// The secrets, or `None` on a device that never had one.
    ///
    /// # Errors
    /// When they cannot be read, or what was there was destroyed.
    fn secrets(&mut self) -> Result<Option<DeviceSecrets>, Self::Error>;

    /// Adds a secret, which is the one in use from now on. The one in use before is kept.
    ///
    /// # Errors
    /// When it cannot be written; nothing changed then.
    fn add(&mut self, secret: &Secret) -> Result<(), Self::Error>;

    /// Forgets all secrets but the one in use; whether there was another one.
    ///
    /// # Errors
    /// When it cannot be written.
    fn retire(&mut self) -> Result<bool, Self::Error>;
}

/// Keys of a store.
#[derive(Clone, Debug)]
pub struct Keys {
    pub(crate) current: Sealer,
    pub(crate) previous: Option<Sealer>,
}

impl Keys {
    /// Those derived from a device's secrets.
    pub fn new(secrets: &DeviceSecrets) -> Self {
        Self {
            current: Sealer::new(&secrets.current),
            previous: secrets.previous.as_ref().map(Sealer::new),
        }
    }

    /// That of a record, if it is there.
    pub(crate) fn find(&self, id: KeyId) -> Option<&Sealer> {
        let all = [Some(&self.current), self.previous.as_ref()];
        all.into_iter().flatten().find(|key| key.key_id() == id)
    }

    /// Everything is sealed with this one of them.
    #[cfg(feature = "flash")]
    pub(crate) fn found(&mut self, id: KeyId) {
        if self.current.key_id() == id {
            self.previous = None;
        }
    }
}

impl From<&Secret> for Keys {
    /// The keys of a device whose secret was never replaced.
    fn from(secret: &Secret) -> Self {
        Self {
            current: Sealer::new(secret),
            previous: None,
        }
    }
}
