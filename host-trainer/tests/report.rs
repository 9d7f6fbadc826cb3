//! `host-trainer report` as a user meets it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod program;

use std::fs;
use std::path::Path;

use program::host_trainer;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/omniglot");

/// Made-up signers in a folder each, one of them with a name that no page may take for
/// markup.
fn people(folder: &Path) -> String {
    let out = folder.join("people").to_str().unwrap().to_owned();
    let made = host_trainer(&[
        "synthesize",
        "--signers",
        "12",
        "--genuine",
        "3",
        "--out",
        &out,
    ]);
    assert!(made.status.success(), "{made:?}");
    let folders = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for (number, path) in folders.filter(|path| path.is_dir()).enumerate() {
        fs::rename(path, format!("{out}/<script>{number:02}")).unwrap();
    }
    out
}

#[test]
fn a_model_is_shown_on_own_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(folder.path());
    let out = folder.path().join("page.html");
    let mut report = vec!["report", MODEL, "--dataset", "folder", "--data", &people];
    report.extend(["--json", "--out", out.to_str().unwrap()]);
    let answer = |arguments: &[&str]| {
        let output = host_trainer(arguments);
        assert!(output.status.success(), "{output:?}");
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (answer, fs::read_to_string(&out).unwrap())
    };
    let (figures, page) = answer(&report);
    assert_eq!(figures["path"], out.to_str().unwrap());
    assert_eq!(figures["engine"], "int8");
    assert!((0.0..=1.0).contains(&figures["test"]["eer"].as_f64().unwrap()));
    assert!(!page.contains("<script") && page.contains("&#60;script&#62;"));
    // Nobody asked for pictures, and nobody's folders are told.
    assert!(!page.contains("data:image") && !page.contains(folder.path().to_str().unwrap()));
    assert_eq!(answer(&report), (figures, page));
    let asked = [report.as_slice(), &["--thumbnails"]].concat();
    assert!(answer(&asked).1.contains("data:image/png"));
}

#[test]
fn what_cannot_be_shown_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    let refused = |arguments: &[&str], words: &[&str]| {
        let output = host_trainer(arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        for word in words {
            assert!(message.contains(word), "no {word:?} in {message}");
        }
    };
    refused(
        &["report", empty],
        &["expected a training run", "model folder"],
    );
    refused(
        &["report", MODEL, "--run", empty],
        &["run.toml", "host-trainer train"],
    );
    refused(
        &["report", MODEL, "--data", empty],
        &["images_background.zip"],
    );
}
