//! Which hosts a device obeys.

use shared::wire::{Pairing, Refusal};

use super::{KeyPair, PublicKey};

/// The most hosts of a device.
pub const MAX_HOSTS: usize = 4;

/// The hosts that a device is paired with. One without any takes the first host that comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSet(heapless::Vec<PublicKey, MAX_HOSTS>);

impl HostSet {
    /// Nobody.
    pub const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    /// Their keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }

    /// Those whose keys lie one after the other in `bytes`; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (keys, []) = bytes.as_chunks() else {
            return None;
        };
        heapless::Vec::from_slice(keys).ok().map(Self)
    }

    /// Their keys, one after the other.
    pub fn encoded(&self) -> &[u8] {
        self.0.as_flattened()
    }

    /// Adds a host. One that is there stays there.
    ///
    /// # Errors
    /// [`Refusal::HostsFull`].
    pub fn add(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        if self.is_known(key) {
            return Ok(());
        }
        self.0.push(*key).map_err(|_| Refusal::HostsFull)
    }

    /// Removes a host.
    ///
    /// # Errors
    /// [`Refusal::UnknownHost`].
    pub fn remove(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        let before = self.0.len();
        self.0.retain(|known| known != key);
        match self.0.len() < before {
            true => Ok(()),
            false => Err(Refusal::UnknownHost),
        }
    }

    /// Whether there is a host.
    pub fn is_claimed(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether this is one of them.
    pub fn is_known(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }
}

/// What a request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever is at the line.
    Anyone,
    /// A host that the device is paired with, in a session.
    Paired,
}

/// Who a device is, and whom it obeys.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What it goes by, the same for as long as it exists; or why it goes by nothing.
    pub keys: Result<KeyPair, Refusal>,
    /// Whom it obeys.
    pub hosts: HostSet,
}

impl Identity {
    /// What the host of a session may ask for.
    pub fn role(&self, host: &PublicKey) -> Role {
        match self.hosts.is_known(host) {
            true => Role::Paired,
            false => Role::Anyone,
        }
    }

    /// What a host is that began a session; the first one becomes the owner, once `keep` has
    /// written that down.
    ///
    /// # Errors
    /// Those of `keep`.
    pub fn welcome(
        &mut self,
        host: &PublicKey,
        keep: impl FnOnce(&HostSet) -> Result<(), Refusal>,
    ) -> Result<Pairing, Refusal> {
        if self.hosts.is_known(host) {
            return Ok(Pairing::Known);
        }
        if self.hosts.is_claimed() {
            return Ok(Pairing::Unknown);
        }
        self.change(|hosts| hosts.add(host), keep)?;
        Ok(Pairing::Claimed)
    }

    /// Changes whom it obeys, once `keep` has written that down.
    ///
    /// # Errors
    /// Those of `change` and of `keep`; nothing is changed then.
    pub fn change(
        &mut self,
        change: impl FnOnce(&mut HostSet) -> Result<(), Refusal>,
        keep: impl FnOnce(&HostSet) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut hosts = self.hosts.clone();
        change(&mut hosts)?;
        keep(&hosts)?;
        self.hosts = hosts;
        Ok(())
    }
}
