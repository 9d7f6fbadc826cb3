//! Keys, and what they sign.
//!
//! Keys are files as OpenSSL has them: the secret one PKCS#8, the public one
//! SubjectPublicKeyInfo, both in PEM. What a signature covers is specified in
//! `shared/docs/artifact-format.md`.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use ed25519_compact::{KeyPair, Seed};
use edge_runtime::loader::{Model, SIGNATURE};
use rand::TryRng;
use rand::rngs::SysRng;
use shared::artifact::signature::{Manifest, PublicKey, verify};

use super::model::Say;
use crate::checkpoint::write_whole;

/// Keys in PEM take some hundred bytes; some add words of their own.
const LONGEST_KEY: u64 = 16 << 10;

/// Makes a key pair of the system's randomness and writes the secret key to a file that is
/// its owner's alone, the public one to another. Files that are there stay.
///
/// # Errors
/// When one of the files is there, or cannot be written: then neither was made.
pub fn generate(secret: &Path, public: &Path) -> Result<PublicKey> {
    let mut seed = [0; Seed::BYTES];
    SysRng
        .try_fill_bytes(&mut seed)
        .context("expected random numbers of the system")?;
    let pair = KeyPair::try_from_seed(Seed::new(seed)).context("expected random numbers")?;
    write_new(secret, 0o600, &pair.sk.to_pem())?;
    let written = write_new(public, 0o644, &pair.pk.to_pem());
    written.inspect_err(|_| {
        // It was made just now, and nobody knows its public key.
        let _ = fs::remove_file(secret);
    })?;
    Ok(PublicKey(*pair.pk))
}

/// Writes a file that must not be there.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<()> {
    let write = || {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| {
        format!(
            "{}: expected to write a new file: a key that is there is never replaced",
            path.display()
        )
    })
}

/// Reads a secret key.
///
/// # Errors
/// When the file cannot be read or holds none.
pub fn read_secret_key(path: &Path) -> Result<KeyPair> {
    let expected = || {
        format!(
            "{}: expected an Ed25519 secret key in PEM, as `host-trainer keygen` makes",
            path.display()
        )
    };
    let bytes = edge_runtime::file::read(path, LONGEST_KEY).with_context(expected)?;
    let text = str::from_utf8(&bytes).with_context(expected)?;
    match KeyPair::from_pem(text) {
        Ok(pair) => Ok(pair),
        Err(_) if text.contains("PUBLIC KEY") => bail!("{}, found a public one", expected()),
        Err(_) => bail!("{}, found none", expected()),
    }
}

/// Signs the artifact of a model folder, in place of an earlier signature.
///
/// # Errors
/// When the model is damaged or mixed with another: nothing is signed that would not run.
pub fn sign(folder: &Path, pair: &KeyPair, version: u32) -> Result<Manifest> {
    ensure!(
        folder.is_dir(),
        "{}: expected a model folder",
        folder.display()
    );
    let model = Model::open(folder)?;
    model.identified_artifact()?;
    if model.has_onnx() {
        model.int8_onnx()?;
    }
    let key = PublicKey(*pair.pk);
    let manifest = Manifest::of(model.bytes(), version, &key);
    let signature = pair.sk.sign(manifest.encode(), None);
    let block = manifest.with_signature(&signature);
    verify(model.bytes(), &block, &[key]).context("expected a signature that fits, made one that does not: make another key by `host-trainer keygen`")?;
    write_whole(&folder.join(SIGNATURE), &block)?;
    Ok(manifest)
}

/// Removes the signature of a folder that is about to hold another artifact than was signed,
/// and says so.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_stale(folder: &Path, artifact: &[u8], say: Say<'_>) -> Result<()> {
    let path = folder.join(SIGNATURE);
    if !path.exists() {
        return Ok(());
    }
    let block = edge_runtime::file::read(&path, LONGEST_KEY)
        .with_context(|| format!("{}: expected a signature that can be read", path.display()))?;
    let fits = Manifest::stated(&block).and_then(|manifest| manifest.check(artifact));
    if fits.is_ok() {
        return Ok(());
    }
    fs::remove_file(&path).with_context(|| {
        format!(
            "{}: expected to remove a signature that fits no more: remove it",
            path.display()
        )
    })?;
    say(&format!(
        "removed {SIGNATURE}, which signed another model: sign this one by `host-trainer sign`"
    ));
    Ok(())
}
