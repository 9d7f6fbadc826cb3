//! Who trusts keys runs what these keys have signed, and looks at nothing else.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::process::{Command, Output};

use support::{Fixture, code, json, refused, semblance, sign, text, write_key, write_model};

/// Runs a verb on the fixture's model, trusting the key of each seed.
fn trusting(fixture: &Fixture, seeds: &[u8], arguments: &[&str]) -> Output {
    let keys: Vec<_> = seeds
        .iter()
        .map(|&seed| write_key(fixture.folder.path(), seed))
        .collect();
    let mut all = arguments.to_vec();
    for key in &keys {
        all.extend(["--trust", text(key)]);
    }
    fixture.run(&all)
}

#[test]
fn a_signed_model_runs_for_those_who_trust_the_key() {
    let fixture = Fixture::new();
    sign(&fixture.path("model"), 1, 7);
    assert_eq!(code(&fixture.enroll("ada", 1)), 0);
    let own = fixture.picture(1, 3);
    let verify = ["verify", "--subject", "ada", text(&own)];
    assert_eq!(code(&trusting(&fixture, &[1], &verify)), 0);
    assert_eq!(code(&trusting(&fixture, &[2, 1], &verify)), 0);
    let other = trusting(&fixture, &[2], &verify);
    refused(&other, &["signature of a trusted key"]);
}

#[test]
fn an_unsigned_model_runs_for_nobody_who_trusts_a_key() {
    let fixture = Fixture::new();
    assert_eq!(code(&fixture.enroll("ada", 1)), 0);
    for verb in ["list", "identify", "enroll"] {
        let picture = fixture.picture(1, 0);
        let mut arguments = vec![verb];
        match verb {
            "list" => {}
            "identify" => arguments.push(text(&picture)),
            _ => arguments.extend(["--subject", "grace", text(&picture)]),
        }
        let refusal = trusting(&fixture, &[1], &arguments);
        refused(&refusal, &["expected a signed model", "host-trainer sign"]);
    }
}

#[test]
fn every_damaged_byte_and_every_cut_of_model_and_signature_is_refused_by_its_signature() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    sign(&model, 1, 7);
    let key = write_key(fixture.folder.path(), 1);
    for (file, step) in [("model.bin", 509), ("model.sig", 13)] {
        let path = model.join(file);
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let output = semblance(&["info", "--model", text(&model), "--trust", text(&key)]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(code(&output), 2, "{output:?}");
            let of_signature = ["sign", "artifact that was"];
            assert!(
                of_signature.iter().any(|word| said.contains(word)),
                "{said}"
            );
        };
        for at in (0..whole.len()).step_by(step) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            refused(&flipped);
            refused(&whole[..at]);
        }
        fs::write(&path, &whole).unwrap();
    }
    let output = semblance(&["info", "--model", text(&model), "--trust", text(&key)]);
    assert_eq!(code(&output), 0, "{output:?}");
}

/// Nobody vouches for the card: it is not looked at.
#[test]
fn a_card_that_nobody_signed_is_not_read() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    sign(&model, 1, 7);
    fs::write(model.join("model.toml"), "[files").unwrap();
    assert_eq!(code(&trusting(&fixture, &[1], &["list"])), 0);
    refused(&fixture.run(&["list"]), &["model.toml"]);
}

/// The signature vouches for the artifact, which vouches for the ONNX file.
#[test]
#[cfg(feature = "tract")]
fn another_onnx_file_is_refused() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    sign(&model, 1, 7);
    fs::write(model.join("model.int8.onnx"), "another").unwrap();
    let list = ["list", "--engine", "tract"];
    refused(
        &trusting(&fixture, &[1], &list),
        &["model.int8.onnx", "SHA-256"],
    );
}

#[test]
fn whose_a_model_is_is_told() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    let info = |arguments: &[&str]| {
        let mut all = vec!["info", "--json", "--model", text(&model)];
        all.extend(arguments);
        json(&semblance(&all))["signature"].clone()
    };
    let doctor = |state: &str| {
        let checks = json(&semblance(&["doctor", "--json", "--model", text(&model)]));
        let checks = checks["checks"].as_array().unwrap().clone();
        let signature = checks.iter().find(|check| check["check"] == "signature");
        assert_eq!(signature.unwrap()["state"], state, "{checks:?}");
    };
    assert!(info(&[]).is_null());
    doctor("ok");
    sign(&model, 1, 7);
    assert_eq!(info(&[])["version"], 7);
    assert!(info(&[])["trusted"].is_null());
    doctor("ok");
    let key = write_key(fixture.folder.path(), 1);
    assert_eq!(info(&["--trust", text(&key)])["trusted"], text(&key));
    write_model(&model, 2);
    let found = info(&[])["error"].as_str().unwrap().to_owned();
    assert!(found.contains("artifact that was signed"), "{found}");
    doctor("failure");
}

#[test]
fn an_artifact_alone_has_its_signature_beside_it() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    sign(&model, 1, 7);
    let key = write_key(fixture.folder.path(), 1);
    let bin = model.join("model.bin");
    let info = || semblance(&["info", "--model", text(&bin), "--trust", text(&key)]);
    assert_eq!(code(&info()), 0);
    fs::remove_file(model.join("model.sig")).unwrap();
    refused(&info(), &["expected a signed model"]);
}

#[test]
fn keys_may_be_named_by_the_environment() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    sign(&model, 2, 7);
    let [first, second] = [1, 2].map(|seed| write_key(fixture.folder.path(), seed));
    let info = |trust: &str| {
        Command::new(env!("CARGO_BIN_EXE_semblance"))
            .args(["info", "--model", text(&model)])
            .env("SEMBLANCE_TRUST", trust)
            .output()
            .unwrap()
    };
    assert_eq!(
        code(&info(&format!("{}:{}", text(&first), text(&second)))),
        0
    );
    refused(&info(text(&first)), &["signature of a trusted key"]);
    refused(&info("/no/such/key"), &["/no/such/key", "public key"]);
    assert_eq!(code(&info("")), 0);
}

#[test]
fn what_is_no_public_key_is_refused_by_name() {
    let fixture = Fixture::new();
    sign(&fixture.path("model"), 1, 7);
    let model = fixture.path("model");
    let small_order = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";
    let secret = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n";
    for (text_of_key, words) in [
        ("", "none in it"),
        ("these are words", "none in it"),
        (secret, "secret key"),
        (small_order, "vouches for nothing"),
    ] {
        let path = fixture.path("key");
        fs::write(&path, text_of_key).unwrap();
        let info = semblance(&["info", "--model", text(&model), "--trust", text(&path)]);
        refused(&info, &["expected an Ed25519 public key", words]);
    }
}
