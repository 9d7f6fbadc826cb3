//! Whatever is wrong is told, and no enrolment is lost.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use support::{Fixture, code, refused, semblance, text, write_model};

#[test]
fn what_is_no_picture_is_refused_and_nothing_enrolled() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let before = fixture.store();
    let whole = fs::read(fixture.picture(1, 0)).unwrap();
    // A header that states 60000 x 60000 pixels.
    let mut bomb = whole.clone();
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let good = fixture.picture(1, 1);
    for (name, bytes) in [
        ("empty.png", &[][..]),
        ("truncated.png", &whole[..whole.len() / 2]),
        ("text.png", b"these are words"),
        ("bomb.png", &bomb),
    ] {
        let path = fixture.path(name);
        fs::write(&path, bytes).unwrap();
        for verb in [
            &["enroll", "--subject", "grace", text(&good)][..],
            &["verify", "--subject", "ada"],
            &["identify"],
        ] {
            let mut arguments = verb.to_vec();
            arguments.push(text(&path));
            refused(&fixture.run(&arguments), &[name, "expected", "found"]);
        }
    }
    for path in ["/dev/zero", "/no/such/picture.png"] {
        refused(
            &fixture.run(&["identify", path]),
            &[path, "expected a picture file"],
        );
    }
    // Nobody writes into the pipe: opening it would wait for ever.
    let pipe = fixture.path("pipe.png");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    refused(
        &fixture.run(&["identify", text(&pipe)]),
        &["pipe.png", "no regular file"],
    );
    let huge = fixture.path("huge.png");
    File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    refused(
        &fixture.run(&["identify", text(&huge)]),
        &["huge.png", "at most"],
    );
    let empty = fixture.path("empty-folder");
    fs::create_dir(&empty).unwrap();
    refused(
        &fixture.run(&["identify", text(&empty)]),
        &["expected pictures"],
    );
    assert_eq!(fixture.store(), before);
}

#[test]
fn pictures_of_any_size_are_taken_up_to_the_limit() {
    let fixture = Fixture::new();
    for (width, height, expected) in [(2, 1, 0), (1, 8192, 0), (8193, 1, 2)] {
        let path = fixture.path("sized.png");
        let mut picture = image::GrayImage::new(width, height);
        picture.put_pixel(0, 0, image::Luma([255]));
        picture.save(&path).unwrap();
        // Two pixels are too few unless somebody insists.
        let enrolled = fixture.run(&["enroll", "--force", "--subject", "ada", text(&path)]);
        assert_eq!(
            code(&enrolled),
            expected,
            "{width} x {height}: {enrolled:?}"
        );
    }
}

/// What shows nothing is near to everything else that shows nothing.
#[test]
fn blank_pictures_are_neither_enrolled_nor_compared() {
    let fixture = Fixture::new();
    let blank = fixture.path("blank.png");
    image::GrayImage::from_pixel(40, 30, image::Luma([200]))
        .save(&blank)
        .unwrap();
    let enroll = fixture.run(&["enroll", "--subject", "ada", text(&blank)]);
    refused(&enroll, &["blank.png", "something on it"]);
    assert!(fixture.store().is_empty());
    fixture.enroll("ada", 1);
    for verb in [&["verify", "--subject", "ada"][..], &["identify"]] {
        let mut arguments = verb.to_vec();
        arguments.push(text(&blank));
        refused(&fixture.run(&arguments), &["blank.png", "something on it"]);
    }
}

#[test]
fn a_folder_stands_for_the_pictures_in_it() {
    let fixture = Fixture::new();
    let folder = fixture.path("ada");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(".DS_Store"), "of no interest").unwrap();
    refused(
        &fixture.run(&["identify", text(&folder)]),
        &["expected pictures", "png"],
    );
    fs::copy(fixture.picture(1, 0), folder.join("1.PNG")).unwrap();
    let enroll = fixture.run(&["enroll", "--subject", "ada", text(&folder), "--json"]);
    assert_eq!(support::json(&enroll)["shots"], 1);
}

#[test]
fn a_store_with_records_of_two_changes_is_refused() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let twice = fixture.store().repeat(2);
    fs::write(fixture.path("store"), &twice).unwrap();
    for arguments in [&["list"][..], &["remove", "--subject", "ada"]] {
        refused(
            &fixture.run(arguments),
            &["expected the records of one change"],
        );
    }
    assert_eq!(fixture.store(), twice);
}

#[test]
fn a_doctor_leaves_other_files_alone() {
    let fixture = Fixture::new();
    fs::write(fixture.path("store.doctor"), "somebody's").unwrap();
    let store = fixture.path("store");
    semblance(&["doctor", "--store", text(&store)]);
    assert_eq!(
        fs::read(fixture.path("store.doctor")).unwrap(),
        b"somebody's"
    );
    assert_eq!(fs::read_dir(fixture.folder.path()).unwrap().count(), 2);
}

#[test]
fn damaged_and_mixed_models_are_refused() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let before = fixture.store();
    let probe = fixture.picture(1, 3);
    let verify = |model: &str| {
        fixture.on(
            model,
            "store",
            &["verify", "--subject", "ada", text(&probe)],
        )
    };
    write_model(&fixture.path("other"), 2);
    for file in ["model.bin", "model.int8.onnx", "model.toml"] {
        let path = fixture.path("model").join(file);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        refused(&verify("model"), &[file, "expected"]);
        for damaged in [&[][..], &whole[..whole.len() / 2], b"garbage"] {
            fs::write(&path, damaged).unwrap();
            refused(&verify("model"), &["expected", "found"]);
        }
        fs::write(&path, whole).unwrap();
    }
    let (own, other) = (
        fixture.path("model/model.bin"),
        fixture.path("other/model.bin"),
    );
    let artifact = fs::read(&own).unwrap();
    fs::copy(other, &own).unwrap();
    refused(
        &verify("model"),
        &["model.bin", "SHA-256", "one model folder"],
    );
    fs::write(&own, &artifact).unwrap();
    // An artifact alone has nobody to vouch for it but itself.
    for at in (0..artifact.len()).step_by(97) {
        let mut flipped = artifact.clone();
        flipped[at] ^= 4;
        fs::write(fixture.path("flipped.bin"), flipped).unwrap();
        refused(&verify("flipped.bin"), &["flipped.bin", "expected"]);
    }
    refused(
        &verify("nothing"),
        &["nothing", "expected a file of a model"],
    );
    assert_eq!(fixture.store(), before);
    assert_eq!(code(&verify("model")), 0);
}

#[cfg(feature = "tract")]
#[test]
fn tract_sees_no_bytes_that_nobody_vouches_for() {
    let fixture = Fixture::new();
    let test = |model: &std::path::Path| {
        semblance(&["self-test", "--engine", "tract", "--model", text(model)])
    };
    refused(
        &test(&fixture.path("model/model.bin")),
        &["model.int8.onnx", "--engine int8"],
    );
    // The fixture's ONNX file is listed, but is none.
    refused(&test(&fixture.path("model")), &["tract"]);
}

#[cfg(not(feature = "tract"))]
#[test]
fn a_build_without_tract_says_so() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    let tested = semblance(&["self-test", "--engine", "tract", "--model", text(&model)]);
    refused(&tested, &["--features tract"]);
}

#[test]
fn a_store_of_another_model_is_left_alone() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let before = fixture.store();
    write_model(&fixture.path("other"), 2);
    let probe = fixture.picture(1, 3);
    for arguments in [
        &["verify", "--subject", "ada", text(&probe)][..],
        &["enroll", "--subject", "grace", text(&probe)],
        &["identify", text(&probe)],
        &["remove", "--subject", "ada"],
        &["list"],
    ] {
        let output = fixture.on("other", "store", arguments);
        refused(
            &output,
            &[
                "store",
                "expected templates of model",
                "found ones of model",
            ],
        );
    }
    assert_eq!(fixture.store(), before);
}

#[test]
fn a_damaged_store_is_told_and_left_alone() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    fixture.enroll("grace", 2);
    let whole = fixture.store();
    let probe = fixture.picture(1, 3);
    let mut damaged: Vec<Vec<u8>> = (0..whole.len())
        .step_by(29)
        .map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    damaged.extend([1, whole.len() / 3, whole.len() - 1].map(|end| whole[..end].to_vec()));
    damaged.push(b"a letter to my aunt".to_vec());
    for bytes in damaged {
        fs::write(fixture.path("store"), &bytes).unwrap();
        let enrolled = fixture.run(&["enroll", "--subject", "eve", text(&probe)]);
        refused(&enrolled, &["store", "expected"]);
        assert_eq!(fixture.store(), bytes);
    }
    fs::remove_file(fixture.path("store")).unwrap();
    fs::create_dir(fixture.path("store")).unwrap();
    refused(
        &fixture.run(&["list"]),
        &["store", "expected a template store"],
    );
}

#[test]
fn an_unwritable_folder_is_told() {
    let fixture = Fixture::new();
    let probe = fixture.picture(1, 0);
    let enroll = |store: &str| {
        fixture.on(
            "model",
            store,
            &["enroll", "--subject", "ada", text(&probe)],
        )
    };
    refused(
        &enroll("no/such/folder/store"),
        &["store", "expected to write"],
    );
    // A file is no folder, for the superuser too.
    fs::write(fixture.path("file"), "").unwrap();
    refused(&enroll("file/store"), &["file/store", "expected"]);
}

#[test]
fn a_store_keeps_its_place_and_its_permissions() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("elsewhere")).unwrap();
    let kept = fixture.path("elsewhere/kept");
    symlink("elsewhere/kept", fixture.path("store")).unwrap();
    let mode = || fs::metadata(&kept).unwrap().permissions().mode() & 0o777;
    assert_eq!(code(&fixture.enroll("ada", 1)), 0);
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(code(&fixture.enroll("grace", 2)), 0);
    assert_eq!(mode(), 0o640);
    assert!(fixture.path("store").is_symlink());
    assert_eq!(fs::read(&kept).unwrap(), fixture.store());
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    for verb in ["info", "self-test", "bench"] {
        let ended = Command::new(env!("CARGO_BIN_EXE_semblance"))
            .args([verb, "--model", text(&model), "--json"])
            .stdout(File::create("/dev/full").unwrap())
            .output()
            .unwrap();
        refused(&ended, &["standard output", "No space left"]);
    }
}

#[test]
fn senseless_arguments_are_refused() {
    let fixture = Fixture::new();
    let probe = fixture.picture(1, 0);
    let long = "n".repeat(33);
    for name in ["", long.as_str(), "a\nb"] {
        let enrolled = fixture.run(&["enroll", "--subject", name, text(&probe)]);
        refused(&enrolled, &["expected a subject name"]);
    }
    refused(&semblance(&["verify"]), &["--subject"]);
    let verify = ["verify", "--subject", "ada", text(&probe)];
    refused(&semblance(&verify), &["--model"]);
    let mut many = vec!["enroll", "--subject", "ada"];
    many.extend([text(&probe); 33]);
    refused(&fixture.run(&many), &["at most 32 samples"]);
    assert!(fixture.store().is_empty());
}
