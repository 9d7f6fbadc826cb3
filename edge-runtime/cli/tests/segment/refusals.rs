//! What is refused, and changes nothing.

use super::*;

#[test]
fn masks_that_cannot_be_used_are_refused_and_change_nothing() {
    let marking = Marking::new();
    marking.enroll("liver");
    let before = fs::read(marking.path("structures")).unwrap();
    let [picture, mask] = marking.disk("c", [40, 40], [20, 20], 9);
    let enroll = |mask: &Path| {
        marking.run(&[
            "enroll",
            "--subject",
            "liver",
            "--mask",
            text(mask),
            text(&picture),
        ])
    };
    let saved = |name: &str, size: [u32; 2], value: u8| {
        let plain = GrayImage::from_pixel(size[0], size[1], Luma([value]));
        marking.save(name, plain)
    };
    refused(
        &enroll(&saved("empty.png", [40, 40], 0)),
        &["empty.png", "nothing marked"],
    );
    refused(
        &enroll(&saved("full.png", [40, 40], 9)),
        &["full.png", "everything marked"],
    );
    let half = disk([41, 40], [20, 20], 9).1;
    let half = marking.save("half.png", half);
    refused(&enroll(&half), &["half.png", "40 x 40", "found 41 x 40"]);
    let text_file = marking.path("mask.txt");
    fs::write(&text_file, "no picture").unwrap();
    refused(&enroll(&text_file), &["mask.txt", "expected a whole PNG"]);
    refused(
        &enroll(&marking.path("absent.png")),
        &["absent.png", "can be read"],
    );
    let none = marking.run(&["enroll", "--subject", "liver", text(&picture)]);
    refused(&none, &["--mask MASK", "found none"]);
    let fewer = marking.run(&[
        "enroll",
        "--subject",
        "liver",
        "--mask",
        text(&mask),
        text(&picture),
        text(&picture),
    ]);
    refused(&fewer, &["as many masks as pictures", "1 and 2"]);
    let forced = marking.run(&[
        "enroll",
        "--force",
        "--subject",
        "liver",
        "--mask",
        text(&mask),
        text(&picture),
    ]);
    refused(&forced, &["--force"]);
    // The second of two: the first one is not kept either.
    let second = marking.run(&[
        "enroll",
        "--subject",
        "liver",
        "--mask",
        text(&mask),
        text(&picture),
        "--mask",
        text(&half),
        text(&picture),
    ]);
    refused(&second, &["half.png"]);
    // More than there is room for.
    let mut many = vec!["enroll", "--subject", "liver"];
    for _ in 0..17 {
        many.extend(["--mask", text(&mask), text(&picture)]);
    }
    refused(&marking.run(&many), &["at most 16 references"]);
    assert_eq!(code(&marking.run(&many[..3 + 3 * 16])), 0);
    assert_ne!(fs::read(marking.path("structures")).unwrap(), before);
}

#[test]
fn pictures_and_places_that_cannot_be_used_are_refused() {
    let marking = Marking::new();
    marking.enroll("liver");
    let before = fs::read(marking.path("structures")).unwrap();
    let [picture, _] = marking.disk("c", [40, 40], [20, 20], 9);
    let to = |out: &Path, more: &[&str]| {
        let mut all = vec![
            "segment",
            "--subject",
            "liver",
            text(&picture),
            "--out",
            text(out),
        ];
        all.extend(more);
        marking.run(&all)
    };
    let out = marking.path("found.png");
    let nothing = marking.path("nothing.png");
    fs::write(&nothing, "nothing").unwrap();
    refused(
        &marking.segment("liver", &nothing, &[]),
        &["nothing.png", "expected a whole PNG"],
    );
    refused(
        &marking.segment("liver", &marking.path("absent"), &[]),
        &["absent", "can be read"],
    );
    assert!(!out.exists());
    // Neither the picture, nor a store, nor anything else that is no picture.
    let shown = fs::read(&picture).unwrap();
    refused(&to(&picture, &[]), &["c.png", "than the picture itself"]);
    refused(
        &to(&out, &["--overlay", text(&picture)]),
        &["c.png", "than the picture itself"],
    );
    refused(
        &to(&marking.path("structures"), &[]),
        &["structures", "name another"],
    );
    refused(&to(&out, &["--overlay", text(&out)]), &["two files"]);
    refused(
        &to(&marking.path("no/where.png"), &[]),
        &["where.png", "expected to write"],
    );
    refused(&to(marking.0.folder.path(), &[]), &["expected"]);
    assert!(!out.exists());
    assert_eq!(fs::read(&picture).unwrap(), shown);
    assert_eq!(fs::read(marking.path("structures")).unwrap(), before);
    // An earlier mask is replaced.
    assert_eq!(code(&to(&out, &[])), 0);
    assert_eq!(code(&to(&out, &[])), 0);
    // A store of another model, and one that was changed.
    fs::write(marking.path("other.bin"), artifact(SMALL)).unwrap();
    let arguments = [
        "segment",
        "--subject",
        "liver",
        text(&picture),
        "--out",
        text(&out),
    ];
    let other = marking.0.on("other.bin", "structures", &arguments);
    refused(&other, &["expected templates of model", "enrol anew"]);
    let mut changed = before.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(marking.path("changed"), changed).unwrap();
    refused(
        &marking.0.on("marks.bin", "changed", &arguments),
        &["changed, byte"],
    );
}

#[test]
fn verbs_of_one_kind_of_model_refuse_the_other() {
    let marking = Marking::new();
    marking.enroll("liver");
    let [picture, mask] = marking.disk("c", [40, 40], [20, 20], 9);
    let words = ["expected a model that tells subjects apart", "`segment`"];
    for verb in [&["verify", "--subject", "liver"][..], &["identify"]] {
        let mut arguments = verb.to_vec();
        arguments.push(text(&picture));
        refused(&marking.run(&arguments), &words);
    }
    let of_subjects = |arguments: &[&str]| marking.0.on("model", "store", arguments);
    let masked = of_subjects(&[
        "enroll",
        "--subject",
        "ada",
        "--mask",
        text(&mask),
        text(&picture),
    ]);
    refused(&masked, &["--mask", "tells subjects apart"]);
    let out = marking.path("out.png");
    let segmented = of_subjects(&[
        "segment",
        "--subject",
        "ada",
        text(&picture),
        "--out",
        text(&out),
    ]);
    refused(
        &segmented,
        &["expected a model that marks structures", "`verify`"],
    );
    assert!(!out.exists() && !marking.path("store").exists());
    let tract = marking.segment("liver", &picture, &["--engine", "tract"]);
    refused(&tract, &["int8"]);
}
