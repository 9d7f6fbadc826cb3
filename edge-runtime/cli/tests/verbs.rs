//! What the program does when all is well.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;

use shared::drift::WINDOW;
use support::{Fixture, code, json, refused, semblance, text};

#[test]
fn enrolled_subjects_are_verified_and_others_rejected() {
    let fixture = Fixture::new();
    assert_eq!(code(&fixture.enroll("ada", 1)), 0);
    let own = fixture.picture(1, 3);
    let other = fixture.picture(2, 0);
    let verify = |picture| fixture.run(&["verify", "--subject", "ada", "--json", text(picture)]);
    let accepted = verify(&own);
    assert_eq!(
        (code(&accepted), &json(&accepted)["verdict"]),
        (0, &"accept".into())
    );
    let rejected = verify(&other);
    assert_eq!(
        (code(&rejected), &json(&rejected)["verdict"]),
        (1, &"reject".into())
    );
    let distance = |output| json(output)["distance"].as_f64().unwrap();
    assert!(distance(&accepted) < distance(&rejected));
    assert_eq!(json(&accepted)["threshold"], 0.4);
    assert_eq!(json(&accepted)["operating_point"]["impostors"], 1000);
    // Several probes are accepted only together.
    let both = fixture.run(&["verify", "--subject", "ada", text(&own), text(&other)]);
    assert_eq!(code(&both), 1);
}

#[test]
fn a_stricter_rate_takes_a_stricter_threshold() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let own = fixture.picture(1, 3);
    let verify = |far| {
        fixture.run(&[
            "verify",
            "--subject",
            "ada",
            "--far",
            far,
            "--json",
            text(&own),
        ])
    };
    assert_eq!(json(&verify("0.002"))["threshold"], 0.001);
    assert_eq!(code(&verify("0.002")), 1);
    assert_eq!(json(&verify("0.5"))["threshold"], 0.4);
    // Stricter than anything measured: not promised.
    refused(&verify("0.00001"), &["at least 0.001", "0.00001"]);
    refused(&verify("7"), &["0 to 1"]);
}

#[test]
fn identification_names_the_nearest_or_nobody() {
    let fixture = Fixture::new();
    let probe = fixture.picture(1, 3);
    let identify = || fixture.run(&["identify", "--json", text(&probe)]);
    assert_eq!(json(&identify())["reason"], "nobody-enrolled");
    fixture.enroll("ada", 1);
    fixture.enroll("grace", 2);
    let found = identify();
    assert_eq!((code(&found), &json(&found)["subject"]), (0, &"ada".into()));
    assert!(json(&found)["margin"].as_f64().unwrap() > 0.05);
    let stranger = fixture.picture(9, 0);
    let unknown = fixture.run(&["identify", "--json", text(&stranger)]);
    assert_eq!(
        (code(&unknown), &json(&unknown)["reason"]),
        (1, &"too-far".into())
    );
    // The same person under two names is nobody.
    fixture.enroll("ada again", 1);
    let ambiguous = identify();
    assert_eq!(
        (code(&ambiguous), &json(&ambiguous)["reason"]),
        (1, &"ambiguous".into())
    );
}

#[test]
fn learnt_prototypes_identify_and_tell_a_probability() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    fixture.enroll("grace", 2);
    let probe = fixture.picture(1, 3);
    let identify = || json(&fixture.run(&["identify", "--json", text(&probe)]));
    let before = identify();
    assert!(before["probability"].is_null() && before["learned"] == false);
    fixture.learn(20.0);
    let after = identify();
    assert_eq!(
        (&after["subject"], &after["verdict"]),
        (&"ada".into(), &"accept".into())
    );
    // The mean learnt here is the one that the device makes: the same decision.
    for figure in ["distance", "margin", "operating_point", "stranger_bound"] {
        assert_eq!(after[figure], before[figure], "{figure}");
    }
    let probability = after["probability"].as_f64().unwrap();
    assert!(probability > 0.5 && probability < 1.0, "{probability}");
    let list = json(&fixture.run(&["list", "--json"]));
    assert_eq!(list["subjects"][0]["shots"], 3);
    assert_eq!(list["subjects"][0]["scale"], 20.0);
    let verified = fixture.run(&["verify", "--subject", "ada", text(&probe)]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(code(&verified) == 0 && said.contains("learnt"), "{said}");
    let stranger = fixture.picture(9, 0);
    let unknown = json(&fixture.run(&["identify", "--json", text(&stranger)]));
    assert!(unknown["reason"] == "too-far" && unknown["probability"].is_null());
}

#[test]
fn a_store_of_learnt_prototypes_takes_and_loses_subjects() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    fixture.enroll("grace", 2);
    fixture.learn(20.0);
    let ask = |subject| {
        let probe = fixture.picture(subject, 3);
        json(&fixture.run(&["identify", "--json", text(&probe)]))
    };
    let among_two = ask(1)["probability"].as_f64().unwrap();
    assert_eq!(code(&fixture.enroll("eve", 3)), 0);
    let among_three = ask(1)["probability"].as_f64().unwrap();
    assert!(among_three < among_two, "{among_three} {among_two}");
    let eve = ask(3);
    assert_eq!(eve["subject"], "eve");
    assert!(eve["probability"].as_f64().unwrap() > 0.5);
    assert_eq!(code(&fixture.run(&["remove", "--subject", "grace"])), 0);
    assert_eq!(ask(2)["verdict"], "unknown");
    // Enrolled anew, ada is her samples again, and nothing learnt is left.
    fixture.enroll("ada", 1);
    let ada = ask(1);
    assert!(ada["subject"] == "ada" && ada["probability"].is_null());
}

#[test]
fn a_cut_or_foreign_store_of_learnt_prototypes_is_refused() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    fixture.learn(20.0);
    let whole = fixture.store();
    let probe = fixture.picture(1, 3);
    for end in [1, 7, 49, whole.len() - 1] {
        fs::write(fixture.path("cut"), &whole[..end]).unwrap();
        let cut = fixture.on("model", "cut", &["identify", text(&probe)]);
        refused(&cut, &["cut, byte", "expected"]);
    }
    support::write_model(&fixture.path("other"), 5);
    let other = fixture.on("other", "store", &["identify", text(&probe)]);
    refused(&other, &["expected templates of model", "enrol anew"]);
    assert_eq!(fixture.store(), whole);
}

#[test]
fn subjects_are_listed_replaced_and_removed() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    fixture.enroll("grace", 2);
    let pictures = [fixture.picture(1, 0)];
    fixture.run(&["enroll", "--subject", "ada", text(&pictures[0])]);
    let list = json(&fixture.run(&["list", "--json"]));
    let subjects = list["subjects"].as_array().unwrap();
    assert_eq!(subjects.len(), 2);
    assert_eq!(
        (&subjects[0]["subject"], &subjects[0]["shots"]),
        (&"ada".into(), &1.into())
    );
    assert_eq!(code(&fixture.run(&["remove", "--subject", "ada"])), 0);
    assert_eq!(code(&fixture.run(&["remove", "--subject", "ada"])), 1);
    let gone = fixture.run(&["verify", "--subject", "ada", text(&pictures[0])]);
    refused(
        &gone,
        &["ada", "expected an enrolled subject", "enrol first"],
    );
}

#[test]
fn folders_stand_for_their_pictures() {
    let fixture = Fixture::new();
    let folder = fixture.path("ada");
    fs::create_dir(&folder).unwrap();
    for sample in 0..3 {
        let picture = fixture.picture(1, sample);
        fs::rename(&picture, folder.join(picture.file_name().unwrap())).unwrap();
    }
    let enrolled = fixture.run(&["enroll", "--subject", "ada", "--json", text(&folder)]);
    assert_eq!(json(&enrolled)["shots"], 3);
    let verified = fixture.run(&["verify", "--subject", "ada", "--json", text(&folder)]);
    assert_eq!(json(&verified)["probes"].as_array().unwrap().len(), 3);
}

#[test]
fn a_sample_of_somebody_else_is_refused_unless_somebody_insists() {
    let fixture = Fixture::new();
    // Enough own samples that one of somebody else does not pull their mean away.
    let own = (0..8).map(|sample| fixture.picture(1, sample / 2));
    let pictures: Vec<_> = own.chain([fixture.picture(6, 0)]).collect();
    let enroll = |flags: &[&str]| {
        let mut arguments = vec!["enroll", "--subject", "ada"];
        arguments.extend(flags);
        arguments.extend(pictures.iter().map(|path| text(path)));
        fixture.run(&arguments)
    };
    refused(&enroll(&[]), &["subject-6-0.png", "of the same subject"]);
    assert!(fixture.store().is_empty());
    let enrolled = enroll(&["--force", "--json"]);
    let warning = String::from_utf8_lossy(&enrolled.stderr).into_owned();
    assert!(warning.contains("subject-6-0.png"), "{warning}");
    assert!(!warning.contains("subject-1"), "{warning}");
    assert_eq!(json(&enrolled)["shots"], 9);
}

#[test]
fn a_picture_of_bad_quality_is_refused_unless_somebody_insists() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let before = fixture.store();
    let paper = fixture.path("paper.png");
    let speck = |x: u32, y: u32| image::Luma([250 + (x * y % 3) as u8]);
    image::GrayImage::from_fn(40, 40, speck)
        .save(&paper)
        .unwrap();
    let small = fixture.path("small.png");
    image::GrayImage::from_fn(7, 7, |x, _| image::Luma([40 * x as u8]))
        .save(&small)
        .unwrap();
    for (picture, what) in [
        (&paper, "something on it"),
        (&small, "a quarter of the pixels"),
    ] {
        let own = fixture.picture(1, 0);
        let enroll = |flags: &[&str]| {
            let mut arguments = vec!["enroll", "--subject", "eve"];
            arguments.extend(flags);
            arguments.extend([text(&own), text(picture)]);
            fixture.run(&arguments)
        };
        refused(&enroll(&[]), &[text(picture), what]);
        assert_eq!(fixture.store(), before);
    }
    let forced = ["enroll", "--force", "--subject", "eve", text(&small)];
    let forced = fixture.run(&forced);
    let warning = String::from_utf8_lossy(&forced.stderr).into_owned();
    assert!(
        code(&forced) == 0 && warning.contains("small.png"),
        "{warning}"
    );
    // To compare asks for less than to enrol.
    let identified = fixture.run(&["identify", text(&small)]);
    assert_eq!(code(&identified), 0);
}

/// A face on a large picture, where a list says it is, is what the face alone would be.
#[test]
fn faces_are_taken_out_of_pictures() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let alone = image::open(fixture.picture(1, 3)).unwrap().into_luma8();
    let mut whole = image::GrayImage::from_fn(200, 150, |x, y| image::Luma([(x ^ y) as u8]));
    image::imageops::replace(&mut whole, &alone, 90, 31);
    let whole_path = fixture.path("whole.png");
    whole.save(&whole_path).unwrap();
    let list = fixture.path("faces.csv");
    let distance = |flags: &[&str], picture: &std::path::Path| {
        let mut arguments = vec!["verify", "--subject", "ada", "--json"];
        arguments.extend(flags);
        arguments.push(text(picture));
        json(&fixture.run(&arguments))["distance"].as_f64().unwrap()
    };
    let face = fixture.picture(1, 3);
    let expected = distance(&[], &face);
    fs::write(&list, "whole.png,90,31,64,64\n").unwrap();
    let faces = ["--faces", text(&list)];
    assert_eq!(distance(&faces, &whole_path), expected);
    assert!(distance(&[], &whole_path) > expected);

    let verify = ["verify", "--subject", "ada", "--faces", text(&list)];
    let run = |picture| fixture.run(&[&verify[..], &[text(picture)]].concat());
    refused(&run(&face), &["faces.csv", "a line for"]);
    for (line, what) in [
        ("whole.png,190,31,64,64", "inside of the picture"),
        ("whole.png,1,1,1,1,1,1,1,1,1,1", "landmarks"),
        ("whole.png,1,2", "line 1"),
    ] {
        fs::write(&list, line).unwrap();
        refused(&run(&whole_path), &[what]);
    }
}

#[test]
fn a_subject_close_to_another_is_told() {
    let fixture = Fixture::new();
    let close = |output: &std::process::Output| {
        let warning = String::from_utf8_lossy(&output.stderr).into_owned();
        warning.contains("ada close").then_some(code(output))
    };
    assert_eq!(close(&fixture.enroll("ada", 1)), None);
    assert_eq!(close(&fixture.enroll("grace", 2)), None);
    // It is done all the same: twins exist.
    assert_eq!(close(&fixture.enroll("ada again", 1)), Some(0));
    // Enrolling anew is no other subject.
    fixture.run(&["remove", "--subject", "ada again"]);
    assert_eq!(close(&fixture.enroll("ada", 1)), None);
    let own = fixture.picture(1, 2);
    let second = ["enroll", "--json", "--subject", "eve", text(&own)];
    assert_eq!(json(&fixture.run(&second))["close_to"], "ada");
    let other = fixture.picture(3, 2);
    let third = ["enroll", "--json", "--subject", "bob", text(&other)];
    assert!(json(&fixture.run(&third))["close_to"].is_null());
}

#[test]
fn nothing_but_enrolment_changes_templates_and_drift_is_told() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let before = fixture.store();
    let own = fixture.picture(1, 3);
    let verify = || fixture.run(&["verify", "--json", "--subject", "ada", text(&own)]);
    let drift = || json(&fixture.run(&["list", "--json"]))["subjects"][0]["drift"].clone();
    assert_eq!(
        (&drift()["accepted"], &drift()["reenrol"]),
        (&0.into(), &false.into())
    );
    for accepted in 1..=3 {
        assert_eq!(json(&verify())["verdict"], "accept");
        assert_eq!(drift()["accepted"], accepted);
    }
    let other = fixture.picture(2, 0);
    fixture.run(&["verify", "--subject", "ada", text(&other)]);
    fixture.run(&["identify", text(&own)]);
    assert_eq!(drift()["accepted"], 3);
    assert_eq!(fixture.store(), before);

    // Sixteen accepted nearly at the threshold: the record says so, as if they had been.
    fixture.keep_drift("ada", [1, 64, WINDOW, 250]);
    let advised = verify();
    let warning = String::from_utf8_lossy(&advised.stderr).into_owned();
    assert!(
        code(&advised) == 0 && warning.contains("enrol anew"),
        "{warning}"
    );
    assert_eq!(drift()["reenrol"], true);
    let list = fixture.run(&["list"]);
    let listed = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(
        listed.contains("25 % at enrolment): enrol anew"),
        "{listed}"
    );
    assert_eq!(fixture.store(), before);
    // Enrolled anew it begins anew, and of who is removed nothing is left.
    fixture.enroll("ada", 1);
    assert_eq!(
        (&drift()["accepted"], &drift()["reenrol"]),
        (&0.into(), &false.into())
    );
    fixture.run(&["remove", "--subject", "ada"]);
    let left = fs::read(fixture.path("store.drift")).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_known_of_drift_is_sealed_and_begun_anew_when_it_is_damaged() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let whole = fs::read(fixture.path("store.drift")).unwrap();
    assert!(!whole.windows(3).any(|bytes| bytes == b"ada"));
    let own = fixture.picture(1, 3);
    let mut flipped = whole.clone();
    flipped[whole.len() - 1] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], b"", b"\xff\xfe"] {
        fs::write(fixture.path("store.drift"), damaged).unwrap();
        let verified = fixture.run(&["verify", "--json", "--subject", "ada", text(&own)]);
        let drift = &json(&verified)["drift"];
        assert_eq!((code(&verified), &drift["accepted"]), (0, &1.into()));
        assert!(drift["enrolled"].is_null());
    }
    fs::write(fixture.path("store.drift"), &whole).unwrap();
    let verified = fixture.run(&["verify", "--json", "--subject", "ada", text(&own)]);
    assert!(json(&verified)["drift"]["enrolled"].is_number());
}

#[test]
fn the_model_is_described_tested_and_measured() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    let on = |verb: &str| semblance(&[verb, "--model", text(&model), "--json"]);
    let info = json(&on("info"));
    assert_eq!(
        (&info["name"], &info["macs"]),
        (&"fixture".into(), &6144.into())
    );
    assert_eq!(info["operating_points"].as_array().unwrap().len(), 2);
    let tested = on("self-test");
    assert_eq!((code(&tested), &json(&tested)["passed"]), (0, &2.into()));
    let bench = json(&on("bench"));
    assert!(bench["embed"]["median_us"].as_f64().unwrap() > 0.0);
    let least = bench["arena_bytes"].as_u64().unwrap();
    assert!(bench["peak_memory_bytes"].as_u64().unwrap() > least);
    let doctor = on("doctor");
    assert_eq!(json(&doctor)["checks"][3]["state"], "ok");
    // An artifact alone serves the int8 engine.
    let artifact = model.join("model.bin");
    assert_eq!(
        code(&semblance(&["self-test", "--model", text(&artifact)])),
        0
    );
}

#[test]
fn the_doctor_names_what_is_wrong_and_the_fix() {
    let fixture = Fixture::new();
    let model = fixture.path("model");
    fs::remove_file(model.join("model.bin")).unwrap();
    let store = fixture.path("no/such/folder/store");
    let doctor = semblance(&["doctor", "--model", text(&model), "--json"]);
    assert_eq!(code(&doctor), 1);
    assert_eq!(json(&doctor)["healthy"], false);
    let doctor = semblance(&["doctor", "--store", text(&store)]);
    assert_eq!(code(&doctor), 1);
    let printed = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(printed.contains("-> make the folder"), "{printed}");
}

/// A new key seals what the one before sealed, which is forgotten when it is said; a store
/// that was never sealed is, when it is trusted.
#[test]
fn keys_are_rotated() {
    let fixture = Fixture::new();
    let keys = fixture.path("keys");
    let run = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        let key_folder = text(&keys);
        all.extend(["--keys", key_folder, "--json"]);
        fixture.run(&all)
    };
    let picture = fixture.picture(1, 0);
    for name in ["ada", "grace"] {
        let enrolled = run(&["enroll", "--subject", name, text(&picture)]);
        assert_eq!(code(&enrolled), 0);
    }
    let before = fixture.store();
    let rotated = json(&run(&["rotate-key"]));
    assert_eq!(rotated["subjects"], 2);
    assert_eq!(rotated["previous_key_kept"], true);
    assert_ne!(fixture.store(), before);
    assert_eq!(
        json(&run(&["list"]))["subjects"].as_array().unwrap().len(),
        2
    );
    // A copy of before can be opened until the key is forgotten.
    fs::write(fixture.path("copy"), &before).unwrap();
    let copy = || fixture.on("model", "copy", &["list", "--keys", text(&keys)]);
    assert_eq!(code(&copy()), 0);
    for forgotten in [0, 1] {
        let retired = semblance(&["rotate-key", "--retire", "--keys", text(&keys)]);
        assert_eq!(code(&retired), forgotten);
    }
    refused(&copy(), &["copy", "sealed with key", "another device"]);
    assert_eq!(
        json(&run(&["list"]))["subjects"].as_array().unwrap().len(),
        2
    );
    // With the keys of another machine.
    refused(&fixture.run(&["list"]), &["sealed with key"]);

    fixture.unseal(&keys);
    refused(&run(&["list"]), &["expected a sealed store", "--unsealed"]);
    assert_eq!(json(&run(&["rotate-key", "--unsealed"]))["subjects"], 2);
    assert_eq!(
        json(&run(&["list"]))["subjects"].as_array().unwrap().len(),
        2
    );
}

#[cfg(unix)]
#[test]
fn keys_that_others_can_read_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let keys = fixture.path("keys");
    let list = || fixture.run(&["list", "--keys", text(&keys)]);
    assert_eq!(code(&list()), 0);
    let file = keys.join("device.key");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&keys), mode(&file)), (0o700, 0o600));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    refused(&list(), &["device.key", "chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "no key").unwrap();
    refused(&list(), &["device.key", "expected a key file"]);
}
