//! Verification as the field does it, by a network that sees one number of each picture.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use anyhow::Result;
use host_trainer::dataset::{Class, Dataset, Kind, Pair, PairList, Part, Sample, Source, Split};
use host_trainer::engine::{Embedder, Embeddings, ModelFacts};
use host_trainer::evaluate::{Details, Report, cross_validation, pair_lists, verification};
use image::GrayImage;
use shared::cohort::Normalization;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat, Preprocess};

const PREPROCESS: Preprocess = Preprocess::Picture(PicturePreprocess {
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
});

/// Embeds a picture as its first pixel.
struct FirstPixel(ModelFacts);

impl FirstPixel {
    fn new() -> Self {
        Self(ModelFacts {
            model_id: None,
            preprocess: PREPROCESS,
            comparison: Comparison {
                embedding: EmbeddingFormat {
                    dim: 1,
                    normalized: false,
                    zero_point: 0,
                    scale: 1.0,
                },
                distance: Distance::Euclidean,
                fusion: Fusion::Prototype,
            },
            cohort: None,
        })
    }
}

impl Embedder for FirstPixel {
    fn engine(&self) -> &'static str {
        "test"
    }

    fn facts(&self) -> &ModelFacts {
        &self.0
    }

    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings> {
        Ok(Embeddings::Float {
            dim: 1,
            values: inputs
                .chunks(2)
                .map(|picture| f32::from(picture[0]))
                .collect(),
        })
    }
}

fn sample(class: u32, kind: Kind, pixel: u8, other: u8) -> Sample {
    Sample {
        class,
        kind,
        name: format!("{class}: {pixel}"),
        source: Source::Generated(Arc::new(move || {
            GrayImage::from_raw(2, 1, vec![pixel, other]).unwrap()
        })),
    }
}

fn dataset(
    samples: Vec<Sample>,
    pairs: Vec<PairList>,
    part: impl FnMut(&Class) -> Part,
) -> Dataset {
    let count = samples.iter().map(|sample| sample.class).max().unwrap() + 1;
    let classes: Vec<Class> = (0..count)
        .map(|class| Class {
            name: class.to_string(),
            group: String::new(),
        })
        .collect();
    Dataset {
        name: "numbers".into(),
        terms: "none".into(),
        split: Split::by_class(&classes, part),
        classes,
        samples,
        pairs,
        preprocess: PREPROCESS,
    }
}

/// Three lists of two people each, as many people in none. People are 20 apart and their
/// two photographs 2, in the last list 14: the threshold from others does not fit it.
fn in_lists() -> Dataset {
    let mut samples = vec![];
    for class in 0..8u32 {
        let apart = if (4..6).contains(&class) { 14 } else { 2 };
        let first = 20 * class as u8;
        samples.push(sample(class, Kind::Genuine, first, 1));
        samples.push(sample(class, Kind::Genuine, first + apart, 200 - first));
    }
    let list = |number: u32| {
        let first = 4 * number;
        let pair = |left, right, same| Pair {
            samples: [first + left, first + right],
            same,
        };
        PairList {
            name: format!("fold {number}"),
            pairs: vec![
                pair(0, 1, true),
                pair(2, 3, true),
                pair(0, 2, false),
                pair(1, 3, false),
            ],
        }
    };
    let lists = (0..3).map(list).collect();
    let dataset = dataset(samples, lists, |_| Part::Train);
    Dataset {
        split: Split::by_list(&dataset, 2),
        ..dataset
    }
}

fn lists(report: &Report) -> &pair_lists::Details {
    match &report.details {
        Details::PairLists(details) => details,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_list_is_judged_at_what_is_best_on_the_others() {
    let options = pair_lists::Options::default();
    let report = pair_lists::evaluate(&mut FirstPixel::new(), &in_lists(), &options).unwrap();
    let details = lists(&report);
    let accuracies: Vec<f64> = details.lists.iter().map(|list| list.accuracy).collect();
    // For the first two lists thresholds from 14 to 20 are best on the others; the third
    // is judged between 2 and 20, at 11, which rejects its genuine pairs.
    assert_eq!(accuracies, [1.0, 1.0, 0.5]);
    assert_eq!(details.lists[2].threshold, 11.0);
    assert_eq!(report.accuracy, 2.5 / 3.0);
    // Of 1, 1 and 1/2: the deviation is sqrt(1/12).
    let expected = (1.0f64 / 12.0).sqrt() / 3.0f64.sqrt();
    assert!((details.standard_error.unwrap() - expected).abs() < 1e-12);
    // At one threshold for all, such as 17, no pair is wrong.
    assert_eq!((report.eer, details.accuracy_at_eer), (Some(0.0), 1.0));
    assert_eq!((report.far, report.comparisons), (None, 12));
}

/// What the model learnt from does not judge it.
#[test]
fn a_model_of_this_split_is_judged_on_its_test_part() {
    let options = pair_lists::Options {
        is_own: true,
        threshold: Some(17.0),
    };
    let report = pair_lists::evaluate(&mut FirstPixel::new(), &in_lists(), &options).unwrap();
    let details = lists(&report);
    assert_eq!(details.lists.len(), 1);
    assert_eq!(
        (details.lists[0].list.as_str(), details.threshold_from),
        ("fold 2", "validation")
    );
    // The list before it chooses 11.
    assert_eq!(report.accuracy, 0.5);
    assert_eq!((report.far, report.frr), (Some(0.0), Some(0.0)));
}

#[test]
fn one_list_needs_a_threshold_from_elsewhere() {
    let mut dataset = in_lists();
    dataset.pairs.truncate(1);
    dataset.split = Split::all_judge(&dataset.classes);
    let judge = |threshold| {
        let options = pair_lists::Options {
            is_own: false,
            threshold,
        };
        pair_lists::evaluate(&mut FirstPixel::new(), &dataset, &options)
    };
    assert_eq!(judge(Some(1.0)).unwrap().accuracy, 0.5);
    let refused = format!("{:#}", judge(None).unwrap_err());
    assert!(refused.contains("to choose a threshold"), "{refused}");
}

/// Folds are the published lists; each is judged by a network of its own, at the threshold
/// of the list that chose.
#[test]
fn published_lists_are_the_folds_of_a_cross_validation() {
    let dataset = in_lists();
    let mut judged = vec![];
    let report = cross_validation::evaluate(&dataset, 5, &mut |fold, folded| {
        let test = folded.split.samples(folded, Part::Test);
        judged.push((fold, test));
        Ok(Box::new(FirstPixel::new()))
    })
    .unwrap();
    assert_eq!(
        judged,
        [
            (0, vec![0, 1, 2, 3]),
            (1, vec![4, 5, 6, 7]),
            (2, vec![8, 9, 10, 11])
        ]
    );
    let network = &report.methods[0];
    let accuracy = network.accuracy.as_ref().unwrap();
    // The third list chooses 17 for the first, the second 11 for the third.
    assert_eq!(accuracy.lists, [1.0, 1.0, 0.5]);
    assert_eq!(
        (report.genuine_comparisons, report.impostor_comparisons),
        (6, 6)
    );
    assert_eq!(network.eer, 0.0);
}

/// Signers whose genuine signatures lie within 4, forgeries 6 to 8 away, others 20.
fn signers() -> Dataset {
    let mut samples = vec![];
    for class in 0..12u32 {
        let centre = 20 * class as u8 + 4;
        for offset in [0, 1, 2, 4, 3, 1] {
            samples.push(sample(class, Kind::Genuine, centre + offset, 0));
        }
        for offset in [8, 9, 10] {
            samples.push(sample(class, Kind::Forged, centre + offset, 0));
        }
    }
    dataset(samples, vec![], |class| match class.name.parse::<u32>() {
        Ok(0..4) => Part::Train,
        Ok(4..8) => Part::Validation,
        _ => Part::Test,
    })
}

fn verify(options: verification::Options) -> (Report, verification::Details) {
    let report = verification::evaluate(&mut FirstPixel::new(), &signers(), &options).unwrap();
    match report.details.clone() {
        Details::Verification(details) => (report, *details),
        other => panic!("{other:?}"),
    }
}

#[test]
fn forgeries_and_strangers_are_judged_apart() {
    let options = verification::Options {
        shots: 3,
        far_target: 0.1,
        ..verification::Options::default()
    };
    let (report, details) = verify(options);
    assert_eq!(details.impostors, "skilled forgeries");
    assert_eq!((report.eer, details.eer_random), (Some(0.0), 0.0));
    assert_eq!((report.far, report.frr), (Some(0.0), Some(0.0)));
    assert_eq!(
        (details.genuine_comparisons, details.impostor_comparisons),
        (12, 12)
    );
    assert_eq!(details.random_impostors.comparisons, 12);
    assert_eq!(details.eer_user_thresholds, 0.0);
    let ways: Vec<Fusion> = details.fusions.iter().map(|way| way.fusion).collect();
    assert_eq!(
        ways,
        [
            Fusion::Prototype,
            Fusion::Nearest,
            Fusion::Mean,
            Fusion::Relative
        ]
    );
    let calibration = details.calibration.unwrap();
    // Probes at 3 from the prototype are genuine, at 7 forged.
    assert!(calibration.platt.probability(3.0) > 0.5 && calibration.platt.probability(7.0) < 0.5);
    let curves: Vec<_> = details
        .curves
        .iter()
        .map(|(impostors, _)| *impostors)
        .collect();
    assert_eq!(curves, ["skilled forgeries", "samples of other classes"]);
}

/// The mean of distances is another number than the distance to the mean: offsets 0, 1
/// and 2 are 3 from a probe at 4 on the mean, the nearest of them 2.
#[test]
fn shots_become_one_distance_as_asked() {
    let nearest = verification::Options {
        shots: 3,
        far_target: 0.1,
        fusion: Some(Fusion::Nearest),
        ..verification::Options::default()
    };
    let (_, nearest) = verify(nearest);
    assert_eq!(nearest.fusion, Fusion::Nearest);
    // The nearest forgery is at 8 - 2; everything below is accepted.
    assert_eq!(nearest.threshold, 6.0f32.next_down());
}

/// Distances normalized by a cohort need thresholds of their own, and judge as well here.
#[test]
fn a_cohort_changes_distances_and_their_thresholds() {
    for normalization in [Normalization::Z, Normalization::T, Normalization::S] {
        let options = verification::Options {
            shots: 3,
            far_target: 0.1,
            cohort: Some((4, normalization)),
            ..verification::Options::default()
        };
        let (report, details) = verify(options);
        assert_eq!(details.threshold_from, "validation");
        // Nearer than the cohort, in its deviations.
        assert!(details.threshold < 0.0, "{}", details.threshold);
        assert_eq!(details.cohort, Some((4, normalization)));
        assert!(report.eer.unwrap() <= 0.5);
    }
    let too_large = verification::Options {
        shots: 3,
        cohort: Some((5, Normalization::S)),
        ..verification::Options::default()
    };
    let refused = verification::evaluate(&mut FirstPixel::new(), &signers(), &too_large);
    assert!(refused.unwrap_err().to_string().contains("2 to 4"));
}
