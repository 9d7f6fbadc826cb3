#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use image::GrayImage;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};

use super::*;
use crate::dataset::{Class, Kind, Sample, Source, Split};
use crate::engine::{Embeddings, ModelFacts};

const COMPARISON: Comparison = Comparison {
    embedding: EmbeddingFormat {
        dim: 2,
        normalized: false,
        zero_point: 0,
        scale: 1.0,
    },
    distance: Distance::Manhattan,
    fusion: Fusion::Nearest,
};

/// Three alphabets in each judging part, of three characters by four drawers each. A
/// picture's pixels are its character, and its drawer.
fn dataset() -> Dataset {
    let (mut classes, mut samples) = (vec![], vec![]);
    for class in 0..18u32 {
        for drawer in 1..=4u8 {
            samples.push(Sample {
                class,
                kind: Kind::Genuine,
                name: format!("{class:04}_{drawer:02}.png"),
                source: Source::Generated(Arc::new(move || {
                    GrayImage::from_raw(2, 1, vec![10 * class as u8, drawer]).unwrap()
                })),
            });
        }
        classes.push(Class {
            name: format!("character {class}"),
            group: format!("alphabet {}", class / 3),
        });
    }
    let mut index = 0..18;
    let split = Split::by_class(&classes, |_| match index.next() {
        Some(0..9) => Part::Validation,
        _ => Part::Test,
    });
    Dataset {
        name: "alphabets".into(),
        terms: "none".into(),
        classes,
        samples,
        split,
        pairs: vec![],
        preprocess: PicturePreprocess {
            width: 2,
            height: 1,
            colour: Colour::Grey,
            tone: Tone::Keep,
            crop: Crop::Whole,
            fit: Fit::Stretch,
            quantization: Quantization {
                scale: 1.0,
                zero_point: 0,
            },
        }
        .into(),
    }
}

/// Embeds a picture as its pixels.
struct Pixels(ModelFacts);

impl Embedder for Pixels {
    fn engine(&self) -> &'static str {
        "test"
    }

    fn facts(&self) -> &ModelFacts {
        &self.0
    }

    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings> {
        Ok(Embeddings::Float {
            dim: 2,
            values: inputs.iter().map(|&pixel| f32::from(pixel)).collect(),
        })
    }
}

fn pixels() -> Pixels {
    Pixels(ModelFacts {
        model_id: None,
        preprocess: dataset().preprocess,
        comparison: COMPARISON,
        cohort: None,
    })
}

#[test]
fn pairs_are_what_they_are_said_to_be() {
    let dataset = dataset();
    let embedded = Embedded::new(&mut pixels(), &dataset, Part::Test).unwrap();
    let drawings = Drawings::new(&dataset, embedded, COMPARISON).unwrap();
    for different in [Different::WithinAlphabet, Different::AcrossAlphabets] {
        let pairs = drawings.draw(different, 600, 1);
        assert_eq!(pairs, drawings.draw(different, 600, 1));
        assert_ne!(pairs, drawings.draw(different, 600, 2));
        let mut of_alphabet = [[0; 2]; 3];
        for pair in &pairs {
            let [left, right] = pair.classes;
            of_alphabet[left as usize / 3][usize::from(pair.is_genuine)] += 1;
            assert_eq!(pair.is_genuine, left == right);
            let is_within = left / 3 == right / 3;
            let expected = pair.is_genuine || different == Different::WithinAlphabet;
            assert_eq!(is_within, expected);
            // Never two drawings of one drawer.
            assert!((1..=3).contains(&(pair.distance as u32 % 10)), "{pair:?}");
        }
        assert_eq!(of_alphabet, [[100; 2]; 3]);
    }
}

#[test]
fn what_can_be_told_apart_is() {
    let options = Options {
        pairs: 60,
        draws: 3,
        seed: 1,
    };
    let report = evaluate(&mut pixels(), &dataset(), &options).unwrap();
    assert_eq!((report.accuracy, report.eer), (1.0, Some(0.0)));
    assert_eq!(report.comparisons, 180);
    let crate::evaluate::Details::KochVerification(details) = report.details else {
        panic!("expected details of koch-verification");
    };
    // Between the farthest of one character and the nearest of two.
    assert!((3.0..11.0).contains(&details.threshold), "{details:?}");
    assert_eq!(details.accuracies, [1.0; 3]);
    assert_eq!((details.alphabets, details.classes), (3, 9));
}
