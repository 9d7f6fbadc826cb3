//! The three messages of XX.

use core::fmt;

use ed25519_compact::x25519::{self, DHOutput, SecretKey};
use shared::wire::TAG_LEN;

use super::noise::Symmetric;
use super::{KEY_LEN, NotGenuine, PublicKey, Session};

/// Bytes of the first message: the host's key for this session.
pub const FIRST_LEN: usize = KEY_LEN;

/// Bytes of the second one: the device's key for this session, and the one it goes by, sealed.
pub const SECOND_LEN: usize = KEY_LEN + KEY_LEN + TAG_LEN + TAG_LEN;

/// Bytes of the third one: the key that the host goes by, sealed.
pub const THIRD_LEN: usize = KEY_LEN + TAG_LEN + TAG_LEN;

/// A secret, and the public key that goes with it.
#[derive(Clone)]
pub struct KeyPair {
    secret: SecretKey,
    public: PublicKey,
}

impl KeyPair {
    /// The keys of 32 random bytes.
    ///
    /// # Errors
    /// None for random bytes; [`NotGenuine`] if they made a key that keeps nothing secret.
    pub fn new(secret: [u8; KEY_LEN]) -> Result<Self, NotGenuine> {
        let secret = SecretKey::new(secret);
        let public = secret.recover_public_key().map_err(|_| NotGenuine)?;
        Ok(Self {
            secret,
            public: *public,
        })
    }

    /// What others know.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What both have in common.
    fn agree(&self, with: &PublicKey) -> Result<DHOutput, NotGenuine> {
        let agreed = x25519::PublicKey::new(*with).dh(&self.secret);
        agreed.map_err(|_| NotGenuine)
    }
}

impl fmt::Debug for KeyPair {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pair = f.debug_struct("KeyPair");
        pair.field("public", &self.public).finish_non_exhaustive()
    }
}

/// A host that began a handshake.
pub struct Initiator {
    symmetric: Symmetric,
    ephemeral: KeyPair,
}

impl Initiator {
    /// Begins with 32 bytes that are random and new; the first message.
    ///
    /// # Errors
    /// As [`KeyPair::new`].
    pub fn begin(random: [u8; KEY_LEN]) -> Result<(Self, [u8; FIRST_LEN]), NotGenuine> {
        let ephemeral = KeyPair::new(random)?;
        let first = ephemeral.public;
        let mut symmetric = Symmetric::new();
        heard_first(&mut symmetric, &first);
        let initiator = Self {
            symmetric,
            ephemeral,
        };
        Ok((initiator, first))
    }

    /// Reads the second message, which says who the device is.
    ///
    /// # Errors
    /// [`NotGenuine`], after which nothing is lost: this can be tried with other bytes.
    pub fn meet(&self, second: &[u8; SECOND_LEN]) -> Result<Introduced, NotGenuine> {
        let (&device_ephemeral, rest) = second.split_first_chunk().ok_or(NotGenuine)?;
        let (&device, rest) = rest.split_first_chunk::<KEY_LEN>().ok_or(NotGenuine)?;
        let (tag, rest) = rest.split_first_chunk::<TAG_LEN>().ok_or(NotGenuine)?;
        let (end, _) = rest.split_first_chunk::<TAG_LEN>().ok_or(NotGenuine)?;
        let (mut symmetric, mut device) = (self.symmetric.copy(), device);
        symmetric.mix_hash(&[&device_ephemeral]);
        symmetric.mix_key(&*self.ephemeral.agree(&device_ephemeral)?)?;
        symmetric.open(&mut device, tag)?;
        symmetric.mix_key(&*self.ephemeral.agree(&device)?)?;
        symmetric.open(&mut [], end)?;
        Ok(Introduced {
            symmetric,
            device_ephemeral,
            device,
        })
    }
}

/// A host that knows whom it talks to, and has not said who it is.
pub struct Introduced {
    symmetric: Symmetric,
    device_ephemeral: PublicKey,
    device: PublicKey,
}

impl Introduced {
    /// What the device goes by.
    pub fn device(&self) -> &PublicKey {
        &self.device
    }

    /// Says who the host is: the third message, and the session.
    ///
    /// # Errors
    /// [`NotGenuine`] for a key of the device that keeps nothing secret.
    pub fn finish(self, host: &KeyPair) -> Result<(Session, [u8; THIRD_LEN]), NotGenuine> {
        let (mut symmetric, mut key) = (self.symmetric.copy(), host.public);
        let tag = symmetric.seal(&mut key)?;
        symmetric.mix_key(&*host.agree(&self.device_ephemeral)?)?;
        let end = symmetric.seal(&mut [])?;
        let [to_device, to_host] = symmetric.split()?;
        let session = Session::new(to_device, to_host, self.device);
        Ok((session, join(&[&key, &tag, &end])))
    }
}

/// A device that answered the first message.
pub struct Responder {
    symmetric: Symmetric,
    ephemeral: KeyPair,
}

impl Responder {
    /// Answers the first message with 32 bytes that are random and new: the second one.
    ///
    /// # Errors
    /// [`NotGenuine`] for a key that keeps nothing secret.
    pub fn answer(
        device: &KeyPair,
        random: [u8; KEY_LEN],
        first: &[u8; FIRST_LEN],
    ) -> Result<(Self, [u8; SECOND_LEN]), NotGenuine> {
        let ephemeral = KeyPair::new(random)?;
        let mut symmetric = Symmetric::new();
        heard_first(&mut symmetric, first);
        symmetric.mix_hash(&[&ephemeral.public]);
        symmetric.mix_key(&*ephemeral.agree(first)?)?;
        let mut key = device.public;
        let tag = symmetric.seal(&mut key)?;
        symmetric.mix_key(&*device.agree(first)?)?;
        let end = symmetric.seal(&mut [])?;
        let second = join(&[&ephemeral.public, &key, &tag, &end]);
        let responder = Self {
            symmetric,
            ephemeral,
        };
        Ok((responder, second))
    }

    /// Reads the third message, which says who the host is: the session with it.
    ///
    /// # Errors
    /// [`NotGenuine`], after which nothing is lost: this can be tried with other bytes.
    pub fn finish(&self, third: &[u8; THIRD_LEN]) -> Result<Session, NotGenuine> {
        let (&host, rest) = third.split_first_chunk::<KEY_LEN>().ok_or(NotGenuine)?;
        let (tag, rest) = rest.split_first_chunk::<TAG_LEN>().ok_or(NotGenuine)?;
        let (end, _) = rest.split_first_chunk::<TAG_LEN>().ok_or(NotGenuine)?;
        let (mut symmetric, mut host) = (self.symmetric.copy(), host);
        symmetric.open(&mut host, tag)?;
        symmetric.mix_key(&*self.ephemeral.agree(&host)?)?;
        symmetric.open(&mut [], end)?;
        let [to_device, to_host] = symmetric.split()?;
        Ok(Session::new(to_host, to_device, host))
    }
}

/// The first message says a key, and nothing that could be encrypted yet.
fn heard_first(symmetric: &mut Symmetric, first: &[u8; FIRST_LEN]) {
    symmetric.mix_hash(&[first]);
    symmetric.mix_hash(&[]);
}

fn join<const LEN: usize>(parts: &[&[u8]]) -> [u8; LEN] {
    let mut all = [0; LEN];
    let bytes = parts.iter().copied().flatten();
    all.iter_mut()
        .zip(bytes)
        .for_each(|(place, byte)| *place = *byte);
    all
}
