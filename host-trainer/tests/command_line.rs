//! What a user meets: messages, exit codes, one object of JSON.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn host_trainer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_host-trainer"))
        .args(arguments)
        .env_remove("SEMBLANCE_DATA")
        .output()
        .unwrap()
}

/// Expects failure with exit code 2 and a message that has all of `words`.
fn refused(arguments: &[&str], words: &[&str]) {
    let output = host_trainer(arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    for word in words {
        assert!(
            message.contains(word),
            "{arguments:?}: no {word:?} in {message}"
        );
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_missing_data_set_is_told_where_to_get() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    #[cfg(feature = "libtorch")]
    refused(
        &[
            "train",
            "--dataset",
            "omniglot",
            "--data",
            text(folder.path()),
            "--out",
            text(&run),
        ],
        &[
            "images_background.zip",
            "expected",
            "found none",
            "brendenlake/omniglot",
            "--data",
        ],
    );
    #[cfg(feature = "libtorch")]
    refused(
        &[
            "train",
            "--dataset",
            "folder",
            "--data",
            text(folder.path()),
            "--out",
            text(&run),
        ],
        &["one per class", "found 0"],
    );
    assert!(!run.exists());
}

#[test]
fn a_damaged_archive_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "images_background.zip",
        "images_evaluation.zip",
        "all_runs.zip",
    ] {
        fs::write(folder.path().join(name), b"PK\x03\x04 and no more").unwrap();
    }
    #[cfg(feature = "libtorch")]
    refused(
        &[
            "train",
            "--dataset",
            "omniglot",
            "--data",
            text(folder.path()),
        ],
        &["images_background.zip", "expected a whole zip archive"],
    );
}

#[test]
fn what_is_no_model_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let model = text(folder.path());
    let evaluate = [
        "evaluate",
        model,
        "--dataset",
        "synthetic-signatures",
        "--protocol",
        "verification",
    ];
    refused(
        &evaluate,
        &["expected a training run", "model folder", "found neither"],
    );
    fs::write(folder.path().join("model.bin"), b"SEMBLANC but not really").unwrap();
    refused(&evaluate, &["model.bin", "expected"]);
    fs::write(folder.path().join("run.toml"), "seed = 1").unwrap();
    refused(
        &evaluate,
        &["found a training run", "host-trainer quantize"],
    );
    refused(&["quantize", model, "--out", model], &["run.toml"]);
}

#[test]
fn senseless_flags_are_refused() {
    refused(
        &["evaluate", "x", "--dataset", "faces"],
        &["faces", "omniglot"],
    );
    refused(&["nonsense"], &["nonsense"]);
    #[cfg(feature = "libtorch")]
    refused(
        &["train", "--dataset", "synthetic-signatures", "--margin=-1"],
        &["soft", "above 0"],
    );
    #[cfg(feature = "libtorch")]
    refused(
        &[
            "train",
            "--dataset",
            "synthetic-signatures",
            "--loss",
            "contrastive",
            "--margin",
            "soft",
        ],
        &["contrastive"],
    );
}

#[test]
fn signatures_are_generated_into_folders() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("signatures");
    let made = host_trainer(&[
        "synthesize",
        "--out",
        text(&out),
        "--signers",
        "2",
        "--genuine",
        "2",
        "--forged",
        "1",
        "--pen-sequences",
        "--first",
        "7",
    ]);
    assert!(made.status.success(), "{made:?}");
    let signer = out.join("signer-0007");
    for name in ["genuine-00.png", "genuine-01.png", "forged-00.png"] {
        let picture = image::open(signer.join(name)).unwrap();
        assert_eq!((picture.width(), picture.height()), (256, 128));
    }
    let pen = fs::read_to_string(signer.join("genuine-01.csv")).unwrap();
    let header = "x,y,pressure,t,pen_down";
    assert!(pen.starts_with(header) && pen.lines().count() > 20);
    assert!(out.join("contact-sheet.png").is_file());
}
