//! What follows a handshake.

use core::fmt;

use shared::wire::TAG_LEN;

use super::noise::Cipher;
use super::{NotGenuine, PublicKey};

/// One end of a session. Each direction has a key, and a count that both ends keep and nobody
/// sends: a message can be opened at its turn, by the other end, and never again.
pub struct Session {
    sealing: Cipher,
    opening: Cipher,
    peer: PublicKey,
}

impl Session {
    pub(super) fn new(sealing: Cipher, opening: Cipher, peer: PublicKey) -> Self {
        Self {
            sealing,
            opening,
            peer,
        }
    }

    /// What the other end goes by.
    pub fn peer(&self) -> &PublicKey {
        &self.peer
    }

    /// Encrypts the next message in place; the tag that goes behind it. None after 2^64 - 1
    /// messages.
    pub fn seal(&mut self, message: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        self.sealing.seal(&[], message).ok()
    }

    /// Decrypts a message with its tag in place.
    ///
    /// # Errors
    /// [`NotGenuine`] for anything but the next message of the other end, which can still be
    /// opened afterwards.
    pub fn open<'b>(&mut self, sealed: &'b mut [u8]) -> Result<&'b mut [u8], NotGenuine> {
        let (message, tag) = sealed.split_last_chunk_mut().ok_or(NotGenuine)?;
        self.opening.open(&[], message, tag)?;
        Ok(message)
    }
}

impl fmt::Debug for Session {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut session = f.debug_struct("Session");
        session.field("peer", &self.peer).finish_non_exhaustive()
    }
}
