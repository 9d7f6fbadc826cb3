//! The two objects of Noise that a handshake is made of, as its specification has them in
//! section 5.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use shared::wire::TAG_LEN;
use zeroize::Zeroize;

use super::{KEY_LEN, NotGenuine};

/// What is spoken, as long as the hash, so that it is the first one.
const PROTOCOL: &[u8; KEY_LEN] = b"Noise_XX_25519_ChaChaPoly_SHA256";

/// What both ends must have in common beside that.
const PROLOGUE: &[u8] = b"Semblance wire 3";

/// A key, and how often it was used (`CipherState`).
pub(super) struct Cipher {
    key: [u8; KEY_LEN],
    counter: u64,
}

impl Cipher {
    pub(super) fn new(key: [u8; KEY_LEN]) -> Self {
        Self { key, counter: 0 }
    }

    /// Encrypts `bytes`; their tag.
    pub(super) fn seal(
        &mut self,
        associated: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_LEN], NotGenuine> {
        let next = self.next()?;
        let cipher = ChaCha20Poly1305::new(&self.key.into());
        let sealed = cipher.encrypt_inout_detached(&self.nonce(), associated, bytes.into());
        let tag = sealed.map_err(|_| NotGenuine)?;
        self.counter = next;
        Ok(tag.into())
    }

    /// Decrypts `bytes`, if the other end sealed them with its next count. If not, they and
    /// the count stay what they are.
    pub(super) fn open(
        &mut self,
        associated: &[u8],
        bytes: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), NotGenuine> {
        let next = self.next()?;
        let cipher = ChaCha20Poly1305::new(&self.key.into());
        let nonce = self.nonce();
        let opened = cipher.decrypt_inout_detached(&nonce, associated, bytes.into(), tag.into());
        opened.map_err(|_| NotGenuine)?;
        self.counter = next;
        Ok(())
    }

    /// The count after this one. The last there is stays unused.
    fn next(&self) -> Result<u64, NotGenuine> {
        self.counter.checked_add(1).ok_or(NotGenuine)
    }

    fn nonce(&self) -> chacha20poly1305::Nonce {
        let [a, b, c, d, e, f, g, h] = self.counter.to_le_bytes();
        [0, 0, 0, 0, a, b, c, d, e, f, g, h].into()
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// What was said so far, and the keys that follow from it (`SymmetricState`).
pub(super) struct Symmetric {
    chaining_key: [u8; KEY_LEN],
    hash: [u8; KEY_LEN],
    /// Of the last key that was mixed in. Before the first one, nothing is to be sealed.
    cipher: Cipher,
}

impl Symmetric {
    pub(super) fn new() -> Self {
        let mut symmetric = Self {
            chaining_key: *PROTOCOL,
            hash: *PROTOCOL,
            cipher: Cipher::new([0; KEY_LEN]),
        };
        symmetric.mix_hash(&[PROLOGUE]);
        symmetric
    }

    /// The same once more: what is tried on it leaves this one as it is.
    pub(super) fn copy(&self) -> Self {
        let Cipher { key, counter } = self.cipher;
        Self {
            cipher: Cipher { key, counter },
            ..*self
        }
    }

    pub(super) fn mix_hash(&mut self, parts: &[&[u8]]) {
        self.hash = self.hash_with(parts);
    }

    fn hash_with(&self, parts: &[&[u8]]) -> [u8; KEY_LEN] {
        let mut hash = Sha256::new();
        hash.update(self.hash);
        for part in parts {
            hash.update(part);
        }
        hash.finalize().into()
    }

    pub(super) fn mix_key(&mut self, material: &[u8]) -> Result<(), NotGenuine> {
        let [chaining_key, key] = derive(&self.chaining_key, material)?;
        self.chaining_key = chaining_key;
        self.cipher = Cipher::new(key);
        Ok(())
    }

    /// `EncryptAndHash`, in place; the tag.
    pub(super) fn seal(&mut self, bytes: &mut [u8]) -> Result<[u8; TAG_LEN], NotGenuine> {
        let tag = self.cipher.seal(&self.hash, bytes)?;
        self.mix_hash(&[bytes, &tag]);
        Ok(tag)
    }

    /// `DecryptAndHash`, in place.
    pub(super) fn open(&mut self, bytes: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), NotGenuine> {
        let hash = self.hash_with(&[bytes, tag]);
        self.cipher.open(&self.hash, bytes, tag)?;
        self.hash = hash;
        Ok(())
    }

    /// The keys of the session: from host to device, and back.
    pub(super) fn split(&self) -> Result<[Cipher; 2], NotGenuine> {
        Ok(derive(&self.chaining_key, &[])?.map(Cipher::new))
    }
}

impl Drop for Symmetric {
    fn drop(&mut self) {
        self.chaining_key.zeroize();
    }
}

/// The HKDF of Noise (section 4.3), which is that of RFC 5869 without information.
fn derive(chaining_key: &[u8; KEY_LEN], material: &[u8]) -> Result<[[u8; KEY_LEN]; 2], NotGenuine> {
    let mut keys = [[0; KEY_LEN]; 2];
    let expanded = Hkdf::<Sha256>::new(Some(chaining_key), material);
    let expanded = expanded.expand(&[], keys.as_flattened_mut());
    expanded.map_err(|_| NotGenuine)?;
    Ok(keys)
}
