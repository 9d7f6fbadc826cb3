#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{Cursor, Write};

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

use super::*;

const NAMES: &str = r#"{"organ": {"labels": {"1": "organ_head"}, "modality": "none"}}"#;

pub(super) fn bytes(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(vec![]);
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(width: u32, height: u32, value: u8) -> Vec<u8> {
    let picture = GrayImage::from_fn(width, height, |x, _| image::Luma([value * (x % 2) as u8]));
    bytes(picture, ImageFormat::Png)
}

/// The files of a task of two subjects and the classes 1 and 3.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("organ/images/01_a.png", png(4, 2, 200)),
        ("organ/images/01_b.png", png(4, 2, 100)),
        (
            "organ/images/02.jpg",
            bytes(RgbImage::new(4, 2), ImageFormat::Jpeg),
        ),
        ("organ/images/.02.png", vec![]),
        ("organ/labels/01_a.png", png(4, 2, 1)),
        ("organ/labels/01_b.png", png(4, 2, 3)),
        ("organ/labels/02.png", png(4, 2, 0)),
        ("organ/labels/notes.txt", vec![]),
        ("tasks.json", NAMES.into()),
        ("subimages/1.png", png(1, 1, 0)),
    ]
}

pub(super) fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

pub(super) fn zip(path: &Path, files: &[(&str, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (path, bytes) in files {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(*path, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn check(tasks: &[Task]) {
    let [task] = tasks else {
        panic!("{} tasks", tasks.len());
    };
    assert_eq!(task.name, "organ");
    let names = |of: fn(&Case) -> &str| task.cases.iter().map(of).collect::<Vec<_>>();
    assert_eq!(names(|case| &case.name), ["01_a", "01_b", "02"]);
    assert_eq!(names(|case| &case.subject), ["01", "01", "02"]);
    let structures: Vec<(&str, &[u8])> = task
        .structures
        .iter()
        .map(|structure| (structure.name.as_str(), &structure.labels[..]))
        .collect();
    let expected: [(&str, &[u8]); 3] =
        [("organ", &[1, 3]), ("organ_head", &[1]), ("class-3", &[3])];
    assert_eq!(structures, expected);
    assert_eq!(task.cases[0].labels.values, [0, 1, 0, 1, 0, 1, 0, 1]);
    assert_eq!(
        task.cases[0].picture.image().unwrap().pixels()[..2],
        [0, 200]
    );
}

#[test]
fn a_task_is_the_same_from_a_folder_and_from_an_archive() {
    let data = folder(&files());
    check(&load(Some(data.path())).unwrap());
    check(&load(Some(&data.path().join("organ"))).unwrap());
    let other = folder(&[("medseg/notes.txt", vec![])]);
    let archive = other.path().join("medseg/fewshot_seg_4.zip");
    zip(&archive, &files());
    check(&load(Some(&archive)).unwrap());
    check(&load(Some(&other.path().join("medseg"))).unwrap());
    check(&load(Some(other.path())).unwrap());
}

#[test]
fn an_archive_of_ready_tasks_is_preferred() {
    let data = folder(&files());
    let other: Vec<_> = files()
        .into_iter()
        .map(|(path, bytes)| (path.replace("organ", "other"), bytes))
        .collect();
    let other: Vec<_> = other
        .iter()
        .map(|(path, b)| (path.as_str(), b.clone()))
        .collect();
    fs::create_dir(data.path().join(FOLDER)).unwrap();
    zip(&data.path().join("medseg/fewshot_seg_4.zip"), &other);
    let tasks = load(Some(data.path())).unwrap();
    assert_eq!(tasks[0].name, "other");
    // Its class is not named.
    assert_eq!(tasks[0].structures[1].name, "class-1");
}

/// What is said of the files when one is another, or missing.
fn refusal(path: &str, instead: Option<Vec<u8>>) -> String {
    let mut files = files();
    files.retain(|(name, _)| *name != path);
    files.extend(instead.map(|bytes| (path, bytes)));
    format!("{:#}", load(Some(folder(&files).path())).unwrap_err())
}

#[test]
fn files_that_do_not_go_together_are_named() {
    let (picture, labels) = ("organ/images/01_b.png", "organ/labels/01_b.png");
    let colour = bytes(RgbImage::new(4, 2), ImageFormat::Png);
    let deep = bytes(
        image::ImageBuffer::<image::Luma<u16>, _>::new(4, 2),
        ImageFormat::Png,
    );
    let damaged = png(4, 2, 1)[..40].to_vec();
    for (path, instead, named, expected) in [
        (picture, None, labels, "a picture of the same name"),
        (labels, None, picture, "labels of the same name"),
        (labels, Some(png(2, 4, 1)), labels, "found 2 x 4"),
        (labels, Some(colour), labels, "with colour"),
        (labels, Some(deep), labels, "16 bits, grey"),
        (labels, Some(b"BM".to_vec()), labels, "another format"),
        (labels, Some(damaged.clone()), labels, "PNG"),
        (picture, Some(damaged), picture, "PNG"),
        (
            "tasks.json",
            Some(b"[]".to_vec()),
            "tasks.json",
            "\"labels\"",
        ),
    ] {
        let refused = refusal(path, instead);
        assert!(refused.contains(named), "{refused}");
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn where_there_is_nothing_it_is_said_what_is_looked_for() {
    let refused = load(Some(folder(&[]).path())).unwrap_err().to_string();
    assert!(refused.contains("fewshot_seg"), "{refused}");
    assert!(load(Some(Path::new("/no/such/folder"))).is_err());
}

#[test]
fn one_class_alone_has_no_union() {
    let data = folder(&[
        ("images/a.png", png(2, 2, 9)),
        ("labels/a.png", png(2, 2, 7)),
    ]);
    let tasks = load(Some(data.path())).unwrap();
    assert_eq!(tasks[0].structures.len(), 1);
    assert_eq!(tasks[0].structures[0].name, "class-7");
    assert_eq!(tasks[0].structures[0].labels, [7]);
}

/// A scanner that uses a tenth of 16 bits gives as many greys as another.
#[test]
fn pictures_of_16_bits_are_stretched_as_devices_do() {
    let deep = image::ImageBuffer::from_fn(4, 2, |x, _| image::Luma([1000 + 700 * x as u16]));
    let folder = folder(&[
        ("organ/images/1.png", bytes(deep, ImageFormat::Png)),
        ("organ/labels/1.png", png(4, 2, 1)),
    ]);
    let tasks = load(Some(folder.path())).unwrap();
    let picture = tasks[0].cases[0].picture.image().unwrap();
    let pixels = &picture.pixels()[..4];
    assert!(pixels[0] == 0 && pixels[3] == 255, "{pixels:?}");
    assert!(pixels.is_sorted_by(|a, b| a < b), "{pixels:?}");
}
