#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;

use image::GrayImage;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};

use super::*;
use crate::dataset::{Class, Sample, Source};
use crate::engine::ModelFacts;

const CLASSES: u32 = 9;
const SAMPLES: u32 = 3;

/// Each class has its own grey on the left; on the right is the sample's.
fn dataset() -> Dataset {
    let class = |index: u32| Class {
        name: format!("class {index}"),
        group: String::new(),
    };
    let classes: Vec<Class> = (0..CLASSES).map(class).collect();
    let sample = |index: u32| {
        let (class, number) = (index / SAMPLES, index % SAMPLES);
        let pixels = vec![10 + 20 * class as u8, 77 * number as u8];
        Sample {
            class,
            kind: Kind::Genuine,
            name: format!("sample {index}"),
            source: Source::Generated(Arc::new(move || {
                GrayImage::from_raw(2, 1, pixels.clone()).unwrap()
            })),
        }
    };
    Dataset {
        name: "greys".into(),
        terms: "none".into(),
        split: Split::by_hash(&classes),
        classes,
        samples: (0..CLASSES * SAMPLES).map(sample).collect(),
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

/// Sees one of the two pixels; in one fold the wrong one.
struct OnePixel {
    facts: ModelFacts,
    which: usize,
}

impl Embedder for OnePixel {
    fn engine(&self) -> &'static str {
        "test"
    }

    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings> {
        let seen = inputs.chunks(2).map(|both| f32::from(both[self.which]));
        Ok(Embeddings::Float {
            dim: 1,
            values: seen.collect(),
        })
    }
}

#[test]
fn every_class_is_judged_once_by_a_network_that_did_not_see_it() {
    let mut judged = vec![];
    let report = evaluate(&dataset(), 3, &mut |number, fold| {
        let of = |part| -> BTreeSet<u32> {
            let samples = fold.split.samples(fold, part);
            samples
                .iter()
                .map(|&s| fold.samples[s as usize].class)
                .collect()
        };
        let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(of);
        assert!(test.is_disjoint(&train) && test.is_disjoint(&validation));
        assert!(train.is_disjoint(&validation));
        judged.extend(test);
        Ok(Box::new(OnePixel {
            facts: ModelFacts {
                model_id: None,
                preprocess: fold.preprocess,
                comparison: of_floats(Distance::Euclidean),
                cohort: None,
            },
            which: usize::from(number == 1),
        }))
    })
    .unwrap();
    judged.sort_unstable();
    assert_eq!(judged, (0..CLASSES).collect::<Vec<_>>());
    // Three folds of three classes of three samples: 9 pairs of one class each, 27 of two.
    assert_eq!(report.genuine_comparisons, 27);
    assert_eq!(report.impostor_comparisons, 81);
    let network = &report.methods[0];
    assert_eq!(network.fold_eers[0], 0.0);
    assert!(network.fold_eers[1] > 0.5, "{network:?}");
    assert_eq!(network.fold_eers[2], 0.0);
    // All pairs at one threshold. At distance 0 are 18 of 27 genuine pairs, and 9 of
    // the 81 impostors, of the fold that sees the wrong pixel; its genuine pairs are
    // beyond 76, where most impostors are accepted.
    let between = 1.0 / 9.0..=1.0 / 3.0 + 1e-9;
    assert!(between.contains(&network.eer), "{network:?}");
    assert!(network.eer_ci95[0] <= network.eer && network.eer <= network.eer_ci95[1]);
    assert_eq!(report.methods.len(), 3);
}

/// Two classes of five samples, one of three: with three shots, the first two have two probes
/// each.
#[test]
fn first_samples_enrol_and_the_others_are_tried() {
    let values = [
        0.0, 0.1, 0.2, 0.0, 0.3, 1.0, 1.1, 1.2, 1.0, 0.5, 7.0, 7.0, 7.0,
    ];
    let classes = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2];
    let dataset = dataset();
    let tensors = Tensors {
        classes: classes.to_vec(),
        kinds: vec![Kind::Genuine; classes.len()],
        ..Tensors::new(&dataset, &[], &dataset.preprocess).unwrap()
    };
    let embeddings = Embeddings::Float {
        dim: 1,
        values: values.to_vec(),
    };
    let scores = enrolled(&tensors, &embeddings, of_floats(Distance::Euclidean), 3);
    let said: Vec<_> = scores
        .iter()
        .map(|score| (score.classes, (score.distance * 10.0).round() as i32))
        .collect();
    // The nearest of three shots decides.
    assert_eq!(
        said,
        [
            ([0, 0], 0),
            ([0, 0], 1),
            ([0, 1], 8),
            ([0, 1], 3),
            ([1, 0], 10),
            ([1, 0], 7),
            ([1, 1], 0),
            ([1, 1], 5),
        ]
    );
    assert!(
        scores
            .iter()
            .all(|s| s.is_genuine == (s.classes[0] == s.classes[1]))
    );
}

#[test]
fn too_few_classes_are_told_before_the_first_training() {
    let refused = evaluate(&dataset(), 5, &mut |_, _| unreachable!()).unwrap_err();
    assert!(refused.to_string().contains("found 9"), "{refused}");
}
