//! From enrolled samples to answers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use proptest::prelude::*;
use samples::artifact;
use shared::artifact::Artifact;
use shared::decision::{Identification, Policy, Unknown, Verification, identify, probability};
use shared::support_set::{Candidate, Comparison, Fusion, SupportSet, SupportSetError, claimed};
use shared::template::{Learned, SubjectId, Template, TemplateError};
use shared::{Distance, EmbeddingFormat, ModelId};

const MODEL: ModelId = ModelId([1; 32]);

fn comparison(fusion: Fusion) -> Comparison {
    Comparison {
        embedding: EmbeddingFormat {
            dim: 2,
            normalized: false,
            zero_point: 128,
            scale: 1.0,
        },
        distance: Distance::Manhattan,
        fusion,
    }
}

fn template(name: &str, model: ModelId, shots: &[[i8; 2]]) -> Template<3, 4> {
    let mut template = Template::new(model, SubjectId::new(name).unwrap(), 0, 2).unwrap();
    for shot in shots {
        template.push(shot).unwrap();
    }
    template
}

#[test]
fn a_support_set_holds_one_template_per_subject_of_its_model() {
    let mut set = SupportSet::<2, 3, 4>::new(MODEL, comparison(Fusion::Nearest));
    set.insert(template("ada", MODEL, &[[0, 0]])).unwrap();
    set.insert(template("grace", MODEL, &[[9, 9]])).unwrap();
    set.insert(template("ada", MODEL, &[[1, 1], [2, 2]]))
        .unwrap();
    assert_eq!(set.get("ada").unwrap().shot_count(), 2);
    let full = set.insert(template("eve", MODEL, &[[3, 3]]));
    assert_eq!(full, Err(SupportSetError::Full { capacity: 2 }));
    let other = set.insert(template("ada", ModelId([2; 32]), &[[1, 1]]));
    assert!(matches!(other, Err(SupportSetError::OtherModel { .. })));
    assert!(set.remove("ada") && !set.remove("ada"));
    assert_eq!(set.templates().len(), 1);
}

#[test]
fn shots_are_fused_as_the_model_says() {
    let shots = [[0, 0], [10, 0], [2, 0]];
    for (fusion, expected) in [
        (Fusion::Nearest, 2.0),
        (Fusion::Mean, (4.0 + 6.0 + 2.0) / 3.0),
        (Fusion::Prototype, 0.0),
        (Fusion::Relative, 4.0 - (10.0 + 2.0 + 8.0) / 3.0),
    ] {
        let mut set = SupportSet::<1, 3, 4>::new(MODEL, comparison(fusion));
        set.insert(template("ada", MODEL, &shots)).unwrap();
        let distance = set
            .candidates(&set.comparison().probe(&[4, 0]))
            .next()
            .unwrap()
            .distance;
        assert_eq!(distance, expected, "{fusion:?}");
    }
    let none = comparison(Fusion::Mean).distance_to(&[0, 0], std::iter::empty());
    assert_eq!(none, f32::INFINITY);
}

#[test]
fn a_learnt_prototype_is_compared_whatever_the_fusion_and_counts_its_samples() {
    let learned = Learned {
        scale: 8.0,
        samples: 5,
    };
    let subject = SubjectId::new("ada").unwrap();
    let template = Template::with_prototype(MODEL, subject, 0, &[3, 4], learned).unwrap();
    for fusion in [
        Fusion::Nearest,
        Fusion::Mean,
        Fusion::Prototype,
        Fusion::Relative,
    ] {
        let mut set = SupportSet::<1, 3, 4>::new(MODEL, comparison(fusion));
        set.insert(template.clone()).unwrap();
        let probe = set.comparison().probe(&[4, 3]);
        let candidate = set.candidates(&probe).next().unwrap();
        assert_eq!((candidate.distance, candidate.shots), (2.0, 5));
        let cosine = set.comparison().cosine(&[4, 3], &template);
        assert!((cosine - 24.0 / 25.0).abs() < 1e-6);
        assert_eq!(set.comparison().cosine(&[4, 3, 2], &template), 0.0);
    }
}

proptest! {
    /// The softmax as a textbook writes it, in double precision, is the oracle.
    #[test]
    fn probabilities_are_a_softmax(
        cosines in prop::collection::vec(-1.0f32..=1.0, 1..20),
        scale in 0.1f32..40.0,
    ) {
        let exp = |cosine: f32| (f64::from(scale) * f64::from(cosine)).exp();
        let sum: f64 = cosines.iter().copied().map(exp).sum();
        let mut total = 0.0;
        for &own in &cosines {
            let found = probability(own, cosines.iter().copied(), scale);
            prop_assert!((f64::from(found) - exp(own) / sum).abs() < 1e-4);
            total += found;
        }
        prop_assert!((total - 1.0).abs() < 1e-4);
    }

    #[test]
    fn probabilities_stay_within_their_range(own in -1.0f32..=1.0, other in -1.0f32..=1.0, scale in 1e-30f32..f32::MAX) {
        let found = probability(own, [own, other].into_iter(), scale);
        prop_assert!((0.0..=1.0).contains(&found));
    }
}

#[test]
fn verification_accepts_at_the_threshold_and_never_what_is_no_number() {
    let accepted = |distance| {
        let threshold = 0.5;
        Verification {
            distance,
            threshold,
        }
        .accepted()
    };
    assert!(accepted(0.5) && accepted(0.0));
    assert!(!accepted(0.5f32.next_up()) && !accepted(f32::NAN) && !accepted(f32::INFINITY));
}

#[test]
fn identification_wants_one_near_subject() {
    let names = ["ada", "grace", "eve"].map(|name| SubjectId::new(name).unwrap());
    let answer_with = |margin: f32, distances: [f32; 3]| {
        let candidates = names
            .iter()
            .zip(distances)
            .map(|(subject, distance)| Candidate {
                subject,
                distance,
                shots: 1,
            });
        let policy = Policy {
            threshold: 1.0,
            margin,
        };
        match identify(candidates, |_| policy) {
            Identification::Match {
                subject, margin, ..
            } => format!("{subject} {margin}"),
            Identification::Unknown(Unknown::NobodyEnrolled) => "nobody".into(),
            Identification::Unknown(Unknown::TooFar { nearest, .. }) => format!("far {nearest}"),
            Identification::Unknown(Unknown::Ambiguous {
                nearest, runner_up, ..
            }) => {
                format!("{nearest} or {runner_up}")
            }
        }
    };
    let answer = |distances| answer_with(0.25, distances);
    assert_eq!(answer_with(0.0, [0.5, 0.5, 0.75]), "ada or grace");
    assert_eq!(answer_with(0.0, [0.75, 0.5, 0.625]), "grace 0.125");
    assert_eq!(answer([0.5, 0.25, 1.5]), "grace 0.25");
    assert_eq!(answer([0.5, 0.375, 1.5]), "grace or ada");
    assert_eq!(answer([0.5, 0.5, 0.5]), "ada or grace");
    assert_eq!(answer([1.5, 2.0, 1.25]), "far eve");
    assert_eq!(answer([f32::NAN; 3]).split(' ').next(), Some("far"));
    let nobody = identify(std::iter::empty(), |_| Policy {
        threshold: 9.0,
        margin: 0.0,
    });
    assert_eq!(nobody, Identification::Unknown(Unknown::NobodyEnrolled));
}

#[test]
fn the_operating_point_is_at_least_as_strict_as_asked() {
    let bytes = artifact();
    let points = *Artifact::parse(&bytes).unwrap().operating_points();
    let shots = |far, shots| points.choose(far, shots).unwrap().shots;
    assert_eq!(
        [shots(0.1, 1), shots(0.1, 4), shots(0.1, 5), shots(0.5, 9)],
        [1, 1, 5, 5]
    );
    // Nothing as strict was measured, so nothing is promised.
    assert_eq!(points.choose(0.01, 1), None);
    assert_eq!(
        (points.strictest_target(), points.usual_target()),
        (0.1, 0.1)
    );
}

#[test]
fn names_are_short_and_printable() {
    for name in [
        "",
        "a\0",
        "a\nb",
        "ada ",
        "\u{a0}ada",
        "\u{202e}ada",
        "a\u{200b}da",
        &"n".repeat(33),
    ] {
        assert_eq!(
            SubjectId::new(name),
            Err(TemplateError::Subject),
            "{name:?}"
        );
    }
    assert!(SubjectId::new(&"n".repeat(32)).is_ok() && SubjectId::new("Grete Müller").is_ok());
}

proptest! {
    #[test]
    fn the_claimed_one_is_the_one_of_that_name(
        names in proptest::collection::btree_set("[a-c]{1,3}", 0..7),
        claim in "[a-c]{0,3}",
        probe: [i8; 2],
        fusion in prop_oneof![
            Just(Fusion::Prototype),
            Just(Fusion::Nearest),
            Just(Fusion::Mean),
            Just(Fusion::Relative)
        ],
    ) {
        let comparison = comparison(fusion);
        let probe = comparison.probe(&probe);
        let shots = [[1, 2], [-7, 9], [40, 0]];
        let templates: Vec<Template<3, 4>> = names
            .iter()
            .enumerate()
            .map(|(at, name)| template(name, MODEL, &shots[at % 3..]))
            .collect();
        let expected = templates
            .iter()
            .find(|template| template.subject() == claim)
            .map(|template| probe.candidate(template))
            .map(|candidate| (candidate.distance, candidate.shots));
        prop_assert_eq!(claimed(&probe, templates.iter(), &claim), expected);
    }
}
