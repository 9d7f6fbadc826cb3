//! Public keys in files.

use core::fmt;
use std::path::Path;
use std::string::ToString;

use shared::artifact::signature::PublicKey;

use super::LoadError;
use crate::file;

/// A key in PEM takes some hundred bytes; some add words of their own.
const MAX_LEN: u64 = 16 << 10;

/// Reads an Ed25519 public key: SubjectPublicKeyInfo in PEM (RFC 8410), as
/// `host-trainer keygen` and OpenSSL write it.
///
/// # Errors
/// [`LoadError::Read`], [`LoadError::Key`].
pub fn read_public_key(path: &Path) -> Result<PublicKey, LoadError> {
    let error = |found: &dyn fmt::Display| LoadError::Key {
        path: path.to_path_buf(),
        found: found.to_string(),
    };
    let bytes = file::read(path, MAX_LEN).map_err(|found| error(&found))?;
    let text = str::from_utf8(&bytes).map_err(|found| error(&found))?;
    if text.contains("PRIVATE KEY") {
        return Err(error(
            &"a secret key: name the public one, which ends in .pub",
        ));
    }
    let key = ed25519_compact::PublicKey::from_pem(text).map_err(|_| error(&"none in it"))?;
    // Of small order, it would vouch for everything.
    key.validate()
        .map_err(|_| error(&"one that vouches for nothing"))?;
    Ok(PublicKey(*key))
}
