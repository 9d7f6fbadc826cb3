//! The session of a host and a device: who is at the other end, and that nobody between
//! them read, made, changed, repeated or left out a message.
//!
//! ```text
//! host                                   device
//! Initiator::begin  --- e ------------->  Responder::answer
//! Initiator::meet   <-- e, ee, s, es ---
//! Introduced::finish -- s, se --------->  Responder::finish
//! Session           <=================>  Session
//! ```
//!
//! The handshake is `Noise_XX_25519_ChaChaPoly_SHA256` of the Noise Protocol Framework
//! (Perrin, revision 34): both ends show that they have the secrets of the public keys that
//! they go by, under keys that are gone when the session is. Who may do what is
//! for [`Identity`] to say. Nothing here does input or output; random numbers come with the
//! calls that need them.

mod handshake;
mod hosts;
mod noise;
mod session;

use core::fmt;

use shared::Secret;

pub use handshake::{FIRST_LEN, Initiator, Introduced, KeyPair, Responder, SECOND_LEN, THIRD_LEN};
pub use hosts::{HostSet, Identity, MAX_HOSTS, Role};
pub use session::Session;

/// Bytes of a key, public or secret.
pub const KEY_LEN: usize = 32;

/// What a host or a device goes by: an X25519 public key.
pub type PublicKey = [u8; KEY_LEN];

/// What whoever has this secret goes by: the secret itself stays where it is.
///
/// # Errors
/// [`NotGenuine`] for one that keeps nothing secret, which none is but by chance.
pub fn key_pair(secret: &Secret) -> Result<KeyPair, NotGenuine> {
    KeyPair::new(*secret.derive("link 1").expose())
}

/// Bytes that are not what the other end says next, or a key that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotGenuine;

impl fmt::Display for NotGenuine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the other end's next message, found other bytes")
    }
}

impl core::error::Error for NotGenuine {}
