//! The whole page, of a real model on made-up pictures.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::sync::Arc;

use image::{GrayImage, Luma};

use super::*;
use crate::dataset::{Class, Kind, Sample, Source, Split};
use crate::engine::int8::Int8Embedder;

const HOSTILE: &str = "</title><script>alert('1')</script>";

fn model() -> Subject {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/omniglot");
    Subject::load(&folder).unwrap()
}

/// Classes whose pictures are strokes at an angle of the class, a little different each.
fn dataset(classes: u32, samples: u32) -> Dataset {
    let picture = |class: u32, sample: u32| {
        let across = class * 5 % 11 + 2;
        let ink = move |x: u32, y: u32| (x * across + y * (13 - across) + sample * 3) % 40 < 9;
        GrayImage::from_fn(28, 28, |x, y| Luma([if ink(x, y) { 0 } else { 255 }]))
    };
    let sample = |class: u32, sample: u32| Sample {
        class,
        kind: Kind::Genuine,
        name: format!("secret/folder/{sample}.png"),
        source: Source::Generated(Arc::new(move || picture(class, sample))),
    };
    let classes: Vec<Class> = (0..classes)
        .map(|class| Class {
            name: format!("{HOSTILE}{class}"),
            group: format!("{HOSTILE}{}", class % 3),
        })
        .collect();
    Dataset {
        name: "made-up".into(),
        terms: "none".into(),
        samples: (0..classes.len() as u32)
            .flat_map(|class| (0..samples).map(move |index| sample(class, index)))
            .collect(),
        split: Split::by_class(&classes, |_| Part::Test),
        classes,
        pairs: vec![],
        preprocess: model().config.preprocess,
    }
}

fn page(dataset: &Dataset, history: Option<&History>, thumbnails: bool) -> (String, Summary) {
    let subject = model();
    let artifact = subject.exported.as_ref().unwrap().artifact.clone();
    let mut engine = Int8Embedder::new(artifact).unwrap();
    let options = Options {
        shots: None,
        thumbnails,
    };
    let content = content(&subject, history, dataset, &mut engine, &options).unwrap();
    render(&content).unwrap()
}

/// Every value of an attribute in the page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let pattern = format!(" {attribute}=\"");
    let after = page.split(&pattern).skip(1);
    after.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let (page, summary) = page(&dataset(8, 4), Some(&History::parse(HOSTILE)), true);
    assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("https:"));
    assert!(!page.contains("url(") && !page.contains("@import") && !page.contains("<link"));
    let pictures = values(&page, "src");
    assert!(!pictures.is_empty());
    assert!(
        pictures
            .iter()
            .all(|value| value.starts_with("data:image/png;"))
    );
    let links = values(&page, "href");
    assert!(
        links
            .iter()
            .all(|value| value.starts_with('#') || value.starts_with("data:image/"))
    );
    // What is the user's appears escaped, and nobody's folders appear at all.
    assert!(page.contains("&#60;script&#62;"));
    assert!(!page.contains("secret"));
    assert_eq!(
        page.matches("</title>").count(),
        page.matches("<title>").count()
    );
    assert!(!page.contains("NaN") && !page.contains("inf "));
    assert_eq!(summary.test.unwrap().classes, 8);
    assert_eq!(summary.training.unwrap().unreadable_lines, 1);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let dataset = dataset(6, 3);
    let [once, again] = [(); 2].map(|()| page(&dataset, None, true));
    assert_eq!(once, again);
}

#[test]
fn pictures_are_shown_only_where_they_may() {
    let (page, _) = page(&dataset(6, 3), None, false);
    assert!(!page.contains("data:image"));
    assert!(page.contains("--thumbnails"));
}

#[test]
fn two_classes_are_judged() {
    let (page, summary) = page(&dataset(2, 2), None, true);
    let test = summary.test.unwrap();
    assert_eq!((test.classes, test.shots), (2, 1));
    assert!(page.contains("Detection error tradeoff"));
    assert!(!page.contains("NaN"));
}

#[test]
fn a_test_part_without_classes_is_told() {
    for (classes, samples) in [(0, 0), (1, 5), (9, 1)] {
        let (page, summary) = page(&dataset(classes, samples), None, true);
        assert_eq!(summary.test, None);
        assert!(page.contains("cannot be judged") && page.contains("Sizes and costs"));
    }
}

#[test]
fn samples_that_may_be_biometric_are_not_shown_unasked() {
    use crate::dataset::DatasetName;
    assert!(DatasetName::Folder.may_be_biometric());
    assert!(!DatasetName::Omniglot.may_be_biometric());
    assert!(!DatasetName::SyntheticSignatures.may_be_biometric());
}
