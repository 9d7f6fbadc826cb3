//! Secrets, and what is derived from them.

use core::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;

/// Bytes of a secret.
pub const SECRET_LEN: usize = 32;

/// A secret of 32 bytes, as good as random. It is overwritten when it is dropped, and does
/// not show itself in messages.
#[derive(Clone)]
pub struct Secret([u8; SECRET_LEN]);

impl Secret {
    /// Takes bytes that nobody else knows.
    pub const fn new(bytes: [u8; SECRET_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }

    /// The bytes, to be filled by what makes them.
    pub fn expose_mut(&mut self) -> &mut [u8; SECRET_LEN] {
        &mut self.0
    }

    /// A secret for one purpose, from which neither this one nor one for another purpose can
    /// be told: HKDF with SHA-256 (RFC 5869), salt `semblance`, the purpose as its info.
    pub fn derive(&self, purpose: &str) -> Self {
        let mut derived = [0; SECRET_LEN];
        let expanded = Hkdf::<Sha256>::new(Some(b"semblance"), &self.0)
            .expand(purpose.as_bytes(), &mut derived);
        debug_assert!(expanded.is_ok(), "32 bytes are one block");
        let secret = Self(derived);
        derived.zeroize();
        secret
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
