//! Structures: enrolled from pictures with masks, and marked.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../tests/segmentation/model.rs"]
mod model;
mod refusals;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage};
use model::{SMALL, USUAL, artifact};
use support::{Fixture, code, json, refused, semblance, text};

/// A folder with a model that marks, beside one that tells subjects apart.
struct Marking(Fixture);

impl Marking {
    fn new() -> Self {
        let fixture = Fixture::new();
        fs::write(fixture.path("marks.bin"), artifact(USUAL)).unwrap();
        Self(fixture)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Runs a verb on the model and a store.
    fn run(&self, arguments: &[&str]) -> Output {
        self.0.on("marks.bin", "structures", arguments)
    }

    fn save(&self, name: &str, picture: impl Into<DynamicImage>) -> PathBuf {
        let path = self.path(name);
        picture.into().save(&path).unwrap();
        path
    }

    /// A picture of a bright disk, and its mask.
    fn disk(&self, name: &str, size: [u32; 2], centre: [u32; 2], radius: u32) -> [PathBuf; 2] {
        let (picture, mask) = disk(size, centre, radius);
        [
            self.save(&format!("{name}.png"), picture),
            self.save(&format!("{name}-mask.png"), mask),
        ]
    }

    fn enroll(&self, structure: &str) -> Output {
        let [a, a_mask] = self.disk("a", [64, 48], [30, 20], 14);
        let [b, b_mask] = self.disk("b", [33, 70], [15, 30], 9);
        self.run(&[
            "enroll",
            "--json",
            "--subject",
            structure,
            "--mask",
            text(&a_mask),
            text(&a),
            "--mask",
            text(&b_mask),
            text(&b),
        ])
    }

    fn segment(&self, structure: &str, picture: &Path, more: &[&str]) -> Output {
        let out = self.path("found.png");
        let mut all = vec![
            "segment",
            "--subject",
            structure,
            text(picture),
            "--out",
            text(&out),
        ];
        all.extend(more);
        self.run(&all)
    }
}

fn disk([width, height]: [u32; 2], [x, y]: [u32; 2], radius: u32) -> (GrayImage, GrayImage) {
    let is_inside =
        |px: u32, py: u32| px.abs_diff(x).pow(2) + py.abs_diff(y).pow(2) < radius.pow(2);
    let picture = GrayImage::from_fn(width, height, |px, py| {
        let texture = ((px + py * width) * 7 % 13) as u8;
        Luma([40 + 160 * u8::from(is_inside(px, py)) + texture])
    });
    let mask = GrayImage::from_fn(width, height, |x, y| {
        Luma([255 * u8::from(is_inside(x, y))])
    });
    (picture, mask)
}

fn open(path: &Path) -> GrayImage {
    image::open(path).unwrap().into_luma8()
}

#[test]
fn a_structure_is_enrolled_marked_listed_and_removed() {
    let marking = Marking::new();
    let enrolled = marking.enroll("liver");
    assert_eq!(
        (code(&enrolled), &json(&enrolled)["references"]),
        (0, &2.into())
    );
    let [picture, expected] = marking.disk("query", [90, 50], [60, 20], 15);
    let overlay = marking.path("overlay.png");
    let more = ["--json", "--overlay", text(&overlay)];
    let answer = marking.segment("liver", &picture, &more);
    assert_eq!(code(&answer), 0, "{answer:?}");
    let answer = json(&answer);
    let (found, expected) = (open(&marking.path("found.png")), open(&expected));
    assert_eq!(found.dimensions(), (90, 50));
    assert!(found.pixels().all(|pixel| [0, 255].contains(&pixel.0[0])));
    let both = found
        .pixels()
        .zip(expected.pixels())
        .filter(|(a, b)| a.0[0] > 0 && b.0[0] > 0);
    let marked = |mask: &GrayImage| mask.pixels().filter(|pixel| pixel.0[0] > 0).count();
    let overlap = 2.0 * both.count() as f64 / (marked(&found) + marked(&expected)) as f64;
    assert!(overlap > 0.6, "{overlap}");
    // What is told is what was written.
    assert_eq!(answer["pixels"], marked(&found));
    let share = marked(&found) as f64 / 4500.0;
    assert!((answer["share"].as_f64().unwrap() - share).abs() < 1e-9);
    let columns = found
        .enumerate_pixels()
        .filter(|(_, _, p)| p.0[0] > 0)
        .map(|(x, _, _)| x);
    assert_eq!(answer["box"]["left"], columns.clone().min().unwrap());
    let width = columns.clone().max().unwrap() - columns.min().unwrap() + 1;
    assert_eq!(answer["box"]["width"], width);
    assert_eq!(
        (&answer["subject"], &answer["references"]),
        (&"liver".into(), &2.into())
    );
    assert!(answer["milliseconds"].as_f64().unwrap() > 0.0);
    assert_eq!(answer["model_id"].as_str().unwrap().len(), 64);
    let overlay = image::open(&overlay).unwrap().into_rgb8();
    let grey = open(&picture);
    for (x, y, pixel) in overlay.enumerate_pixels() {
        let is_marked = found.get_pixel(x, y).0[0] > 0;
        assert_eq!(
            pixel.0 == [grey.get_pixel(x, y).0[0]; 3],
            !is_marked,
            "{x} {y}"
        );
    }
    let said = marking.segment("liver", &picture, &[]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("2 references") && said.contains("% of the picture"),
        "{said}"
    );
    let list = json(&marking.run(&["list", "--json"]));
    assert_eq!(list["subjects"][0]["subject"], "liver");
    assert_eq!(list["subjects"][0]["references"], 2);
    let words = marking.run(&["list"]);
    assert_eq!(
        String::from_utf8_lossy(&words.stdout),
        "liver  2 references\n"
    );
    assert_eq!(code(&marking.run(&["remove", "--subject", "liver"])), 0);
    assert_eq!(code(&marking.run(&["remove", "--subject", "liver"])), 1);
    let gone = marking.segment("liver", &picture, &[]);
    refused(
        &gone,
        &["liver", "expected an enrolled structure", "empty", "enrol"],
    );
}

#[test]
fn references_are_replaced_or_added() {
    let marking = Marking::new();
    marking.enroll("liver");
    let [picture, mask] = marking.disk("c", [40, 40], [20, 20], 9);
    let enroll = |more: &[&str]| {
        let mut all = vec![
            "enroll",
            "--json",
            "--subject",
            "liver",
            "--mask",
            text(&mask),
            text(&picture),
        ];
        all.extend(more);
        json(&marking.run(&all))["references"].clone()
    };
    assert_eq!(enroll(&["--add"]), 3);
    assert_eq!(enroll(&[]), 1);
    // Folders, in order of names.
    for folder in ["pictures", "masks"] {
        fs::create_dir(marking.path(folder)).unwrap();
    }
    for name in ["1.png", "2.png", "3.png"] {
        fs::copy(&picture, marking.path("pictures").join(name)).unwrap();
        fs::copy(&mask, marking.path("masks").join(name)).unwrap();
    }
    let (pictures, masks) = (marking.path("pictures"), marking.path("masks"));
    let all = marking.run(&[
        "enroll",
        "--json",
        "--subject",
        "spleen",
        "--mask",
        text(&masks),
        text(&pictures),
    ]);
    assert_eq!(json(&all)["references"], 3);
    // Two that may be there, by name.
    let unknown = marking.segment("lung", &picture, &[]);
    refused(&unknown, &["lung", "there are: liver, spleen"]);
}

#[test]
fn of_a_mask_of_several_values_one_is_named() {
    let marking = Marking::new();
    let [picture, _] = marking.disk("c", [40, 40], [20, 20], 9);
    let several = GrayImage::from_fn(40, 40, |x, y| Luma([(x / 14 * (y / 14) * 50) as u8]));
    let several = marking.save("several.png", several);
    let enroll = |mask: &Path, more: &[&str]| {
        let mut all = vec![
            "enroll",
            "--subject",
            "liver",
            "--mask",
            text(mask),
            text(&picture),
        ];
        all.extend(more);
        marking.run(&all)
    };
    refused(
        &enroll(&several, &[]),
        &["several.png", "two values", "found 50 and 100"],
    );
    assert_eq!(code(&enroll(&several, &["--mask-value", "100"])), 0);
    refused(
        &enroll(&several, &["--mask-value", "7"]),
        &["several.png", "nothing marked"],
    );
    refused(&enroll(&several, &["--mask-value", "0"]), &["--mask-value"]);
    // Other kinds of masks.
    let deep = ImageBuffer::<Luma<u16>, _>::from_fn(40, 40, |x, _| Luma([u16::from(x > 20)]));
    assert_eq!(code(&enroll(&marking.save("deep.png", deep), &[])), 0);
    let red = RgbImage::from_fn(40, 40, |x, _| Rgb([200 * u8::from(x > 20), 0, 0]));
    assert_eq!(code(&enroll(&marking.save("red.png", red), &[])), 0);
}

#[test]
fn samples_of_sixteen_bits_are_stretched() {
    let marking = Marking::new();
    marking.enroll("liver");
    let (grey, _) = disk([64, 48], [30, 20], 14);
    let deep = ImageBuffer::<Luma<u16>, _>::from_fn(64, 48, |x, y| {
        Luma([1000 + u16::from(grey.get_pixel(x, y).0[0])])
    });
    let deep = marking.save("deep.png", deep);
    // By their upper bytes, all samples were 3 or 4.
    let marked = |picture: &Path| {
        let answer = marking.segment("liver", picture, &["--json"]);
        json(&answer)["pixels"].as_u64().unwrap() as f64
    };
    let (of_deep, of_grey) = (marked(&deep), marked(&marking.save("grey.png", grey)));
    assert!(
        (0.7..1.4).contains(&(of_deep / of_grey)),
        "{of_deep} {of_grey}"
    );
    let mask = marking.path("a-mask.png");
    let enrolled = marking.run(&[
        "enroll",
        "--subject",
        "deep",
        "--mask",
        text(&mask),
        text(&deep),
    ]);
    assert_eq!(code(&enrolled), 0, "{enrolled:?}");
}

#[test]
fn other_verbs_know_such_models() {
    let marking = Marking::new();
    marking.enroll("liver");
    let model = marking.path("marks.bin");
    let on_model = |verb: &str, more: &[&str]| {
        let mut all = vec![verb, "--model", text(&model)];
        all.extend(more);
        semblance(&all)
    };
    let info = json(&on_model("info", &["--json"]));
    assert_eq!(info["task"], "segmentation");
    assert_eq!(info["references"]["bytes"], 1214);
    assert_eq!(info["references"]["most"], 16);
    let words = on_model("info", &[]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(
        words.contains("16 references") && words.contains("1214 bytes"),
        "{words}"
    );
    assert!(
        !words.contains("embedding  ") && !words.contains("FAR"),
        "{words}"
    );
    let tested = on_model("self-test", &["--json"]);
    assert_eq!((code(&tested), &json(&tested)["passed"]), (0, &2.into()));
    let store = marking.path("structures");
    let doctor = on_model("doctor", &["--store", text(&store)]);
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(found.contains("2 golden vectors right"), "{found}");
    assert!(found.contains("1 structures enrolled"), "{found}");
    let bench = json(&on_model("bench", &["--json", "--runs", "3"]));
    assert!(bench["segment"]["median_us"].as_f64().unwrap() > 0.0);
    // Sealed anew with another key, the store knows what it knew.
    let rotated = marking.run(&["rotate-key", "--json"]);
    assert_eq!(
        (code(&rotated), &json(&rotated)["subjects"]),
        (0, &1.into())
    );
    assert_eq!(
        json(&marking.run(&["list", "--json"]))["subjects"][0]["references"],
        2
    );
    // A golden vector that is another's.
    let mut other = fs::read(&model).unwrap();
    let last = other.len() - 64;
    other[last] ^= 1;
    fs::write(&model, other).unwrap();
    refused(&on_model("self-test", &[]), &["checksum"]);
}
