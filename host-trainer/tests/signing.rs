//! Keys are made once and kept; what they sign is what devices run.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use edge_runtime::loader::{Model, SIGNATURE, read_public_key};
use host_trainer::export::signature::remove_stale;
use program::host_trainer;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/omniglot-vinyals");

/// A copy of a model that others have, and a key pair beside it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(MODEL).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), model.join(file.file_name())).unwrap();
    }
    let made = host_trainer(&["keygen", "--out", text(folder.path())]);
    assert!(made.status.success(), "{made:?}");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn sign(folder: &Path, key: &str, version: &str) -> std::process::Output {
    let (model, key) = (folder.join("model"), folder.join(key));
    let version = ["--version", version, "--json"];
    let arguments = ["sign", "--model", text(&model), "--key", text(&key)];
    host_trainer(&[&arguments[..], &version].concat())
}

#[test]
fn a_secret_key_is_its_owners_alone_and_never_replaced() {
    let folder = folder();
    let secret = folder.path().join("signing.key");
    let mode = fs::metadata(&secret).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&secret).unwrap();
    let again = host_trainer(&["keygen", "--out", text(folder.path())]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(fs::read(&secret).unwrap(), before);
    // Nor does half a pair stay behind where the public key's place is taken.
    let other = folder.path().join("other.key");
    fs::write(folder.path().join("other.pub"), "somebody's").unwrap();
    let half = host_trainer(&["keygen", "--out", text(&other)]);
    assert_eq!(half.status.code(), Some(2));
    assert!(!other.exists());
}

/// Another implementation reads the secret key and comes to the same public one.
#[test]
fn keys_are_files_as_others_have_them() {
    let folder = folder();
    let pem = fs::read_to_string(folder.path().join("signing.key")).unwrap();
    let theirs = SigningKey::from_pkcs8_pem(&pem).unwrap();
    let ours = read_public_key(&folder.path().join("signing.pub")).unwrap();
    assert_eq!(theirs.verifying_key().to_bytes(), ours.0);
}

#[test]
fn a_signed_model_is_opened_by_those_who_trust_the_key() {
    let folder = folder();
    let model = folder.path().join("model");
    let key = read_public_key(&folder.path().join("signing.pub")).unwrap();
    assert!(Model::open_trusted(&model, &[key]).is_err());
    for version in [3, 4] {
        let signed = sign(folder.path(), "signing.key", &version.to_string());
        let told: serde_json::Value = serde_json::from_slice(&signed.stdout).unwrap();
        assert_eq!(told["version"], version);
        assert_eq!(told["key"], key.id().to_string());
        let opened = Model::open_trusted(&model, &[key]).unwrap();
        let manifest = opened.signature().unwrap().unwrap();
        assert_eq!((manifest.version, manifest.key), (version, key.id()));
    }
}

#[test]
fn nothing_is_signed_that_would_not_run_and_by_no_public_key() {
    let folder = folder();
    let refused = |key: &str| {
        let output = sign(folder.path(), key, "1");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!folder.path().join("model").join(SIGNATURE).exists());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("signing.pub").contains("found a public one"));
    assert!(refused("absent.key").contains("absent.key"));
    fs::write(folder.path().join("words.key"), "words").unwrap();
    assert!(refused("words.key").contains("found none"));
    let onnx = folder.path().join("model/model.int8.onnx");
    let mut altered = fs::read(&onnx).unwrap();
    altered[100] ^= 1;
    fs::write(&onnx, altered).unwrap();
    assert!(refused("signing.key").contains("model.int8.onnx"));
}

#[test]
fn a_signature_that_no_longer_fits_is_removed_and_that_is_told() {
    let folder = folder();
    let model = folder.path().join("model");
    assert!(sign(folder.path(), "signing.key", "1").status.success());
    let artifact = fs::read(model.join("model.bin")).unwrap();
    let mut told = vec![];
    let mut say = |what: &str| told.push(what.to_owned());
    remove_stale(&model, &artifact, &mut say).unwrap();
    assert!(model.join(SIGNATURE).exists());
    remove_stale(&model, &artifact[1..], &mut say).unwrap();
    assert!(!model.join(SIGNATURE).exists());
    remove_stale(&model, &artifact, &mut say).unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("removed model.sig"), "{told:?}");
}
