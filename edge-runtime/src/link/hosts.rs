//! Which hosts a device obeys.

use shared::wire::{Pairing, Refusal};

use super::{KeyPair, PublicKey};

/// The most hosts of a device.
pub const MAX_HOSTS: usize = 4;

/// The hosts that a device is paired with, kept where the device keeps what it must not
/// forget. One without any takes the first host that comes.
pub trait Hosts {
    /// The public key of the host at an index, from 0 on without gaps.
    fn get(&self, index: usize) -> Option<&PublicKey>;

    /// Adds a host, for good when this returns. One that is there stays there.
    ///
    /// # Errors
    /// [`Refusal::HostsFull`], [`Refusal::Store`].
    fn add(&mut self, key: &PublicKey) -> Result<(), Refusal>;

    /// Removes a host, for good when this returns.
    ///
    /// # Errors
    /// [`Refusal::UnknownHost`], [`Refusal::Store`].
    fn remove(&mut self, key: &PublicKey) -> Result<(), Refusal>;

    /// Whether there is a host.
    fn is_claimed(&self) -> bool {
        self.get(0).is_some()
    }

    /// Whether this is one of them.
    fn is_known(&self, key: &PublicKey) -> bool {
        let mut keys = (0..MAX_HOSTS).map_while(|index| self.get(index));
        keys.any(|known| known == key)
    }
}

impl<H: Hosts> Hosts for &mut H {
    fn get(&self, index: usize) -> Option<&PublicKey> {
        (**self).get(index)
    }

    fn add(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        (**self).add(key)
    }

    fn remove(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        (**self).remove(key)
    }
}

/// Hosts in memory, which a loss of power forgets.
#[derive(Clone, Debug, Default)]
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
}

impl Hosts for HostSet {
    fn get(&self, index: usize) -> Option<&PublicKey> {
        self.0.get(index)
    }

    fn add(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        if self.is_known(key) {
            return Ok(());
        }
        self.0.push(*key).map_err(|_| Refusal::HostsFull)
    }

    fn remove(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        let before = self.0.len();
        self.0.retain(|known| known != key);
        match self.0.len() < before {
            true => Ok(()),
            false => Err(Refusal::UnknownHost),
        }
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
pub struct Identity<H> {
    /// What it goes by, the same for as long as it exists; or why it goes by nothing.
    pub keys: Result<KeyPair, Refusal>,
    /// Whom it obeys.
    pub hosts: H,
}

impl<H: Hosts> Identity<H> {
    /// What the host of a session may ask for.
    pub fn role(&self, host: &PublicKey) -> Role {
        match self.hosts.is_known(host) {
            true => Role::Paired,
            false => Role::Anyone,
        }
    }

    /// What a host is that began a session; the first one becomes the owner.
    ///
    /// # Errors
    /// As [`Hosts::add`].
    pub fn welcome(&mut self, host: &PublicKey) -> Result<Pairing, Refusal> {
        if self.hosts.is_known(host) {
            return Ok(Pairing::Known);
        }
        if self.hosts.is_claimed() {
            return Ok(Pairing::Unknown);
        }
        self.hosts.add(host)?;
        Ok(Pairing::Claimed)
    }
}
