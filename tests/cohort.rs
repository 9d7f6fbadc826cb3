//! A model with a cohort decides on the device by the distances that it was judged by.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::keys::Keys;
use edge_runtime::keys::file::FileKeys;
use edge_runtime::recognizer::Recognizer;
use edge_runtime::store::file::{FileStore, SHOTS as MOST_SHOTS};
use host_trainer::dataset::{Dataset, Kind, Part};
use host_trainer::engine::{EngineName, open};
use host_trainer::evaluate::cohort::Measure;
use host_trainer::evaluate::operating_points;
use host_trainer::evaluate::reference::Reference;
use host_trainer::evaluate::{Details, Embedded, verification};
use host_trainer::export::ARTIFACT;
use host_trainer::export::card::{CohortFacts, ModelCard};
use host_trainer::export::model::{Options, Source, export};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use shared::Distance;
use shared::artifact::Artifact;
use shared::cohort::Normalization;
use shared::embedding::MAX_DIM;
use shared::template::{SubjectId, Template};
use tests::{options, run, signers};

const SHOTS: usize = 3;

#[test]
fn a_device_with_a_cohort_measures_as_it_was_judged() {
    let tower = TowerSpec::Conv4(Conv4 {
        input: [16, 32],
        width: 8,
        embedding: 16,
        normalized: true,
    });
    let dataset = signers(tower.input());
    let run = run(tower, Distance::Euclidean, 1).unwrap();
    for normalization in [Normalization::Z, Normalization::T, Normalization::S] {
        let folder = tempfile::tempdir().unwrap();
        let asked = Options {
            cohort: Some((6, normalization)),
            ..options()
        };
        let source = Source::of_run(run.clone()).unwrap();
        export(&source, &dataset, folder.path(), &asked, &mut |_| ()).unwrap();
        says_so(folder.path(), &dataset, normalization);
        decides_so(folder.path(), &dataset);
    }
}

/// The card, the operating points and a verification of which nothing more is asked.
fn says_so(folder: &Path, dataset: &Dataset, normalization: Normalization) {
    let facts = CohortFacts {
        members: 6,
        normalization,
    };
    assert_eq!(ModelCard::load(folder).unwrap().cohort, Some(facts));

    let mut int8 = open(folder, EngineName::Int8, None).unwrap();
    let validation = Embedded::new(int8.as_mut(), dataset, Part::Validation).unwrap();
    let measure = Measure::of(int8.facts());
    let (points, _) = operating_points::measure(&validation, measure).unwrap();
    let bytes = fs::read(folder.join(ARTIFACT)).unwrap();
    let artifact = Artifact::parse(&bytes).unwrap();
    let stated: Vec<_> = artifact.operating_points().iter().collect();
    assert_eq!(stated, points);

    let options = verification::Options {
        shots: SHOTS,
        far_target: 0.1,
        operating_point: points.first().copied(),
        ..verification::Options::default()
    };
    let report = verification::evaluate(int8.as_mut(), dataset, &options).unwrap();
    let Details::Verification(details) = report.details else {
        panic!("expected a verification");
    };
    assert_eq!(details.cohort, Some((6, normalization)));
    assert_eq!(details.threshold_from, "artifact");
}

/// A device that enrols and verifies test classes, beside the evaluation's own distances.
fn decides_so(folder: &Path, dataset: &Dataset) {
    let mut int8 = open(folder, EngineName::Int8, None).unwrap();
    let test = Embedded::new(int8.as_mut(), dataset, Part::Test).unwrap();
    assert!(test.tensors.kinds.contains(&Kind::Forged));
    let measure = Measure::of(int8.facts());
    let bytes = fs::read(folder.join(ARTIFACT)).unwrap();
    let artifact = Artifact::parse(&bytes).unwrap();
    let point = artifact.operating_points().choose(0.1, SHOTS).unwrap();

    let home = tempfile::tempdir().unwrap();
    let secrets = FileKeys::open_or_begin(&home.path().join("key")).unwrap();
    let (place, keys) = (home.path().join("store"), Keys::new(&secrets));
    let store = FileStore::open(&place, artifact.model_id(), keys).unwrap();
    let engine = Int8Engine::new(artifact.clone(), vec![0; artifact.plan().arena_len()]).unwrap();
    let mut device = Recognizer::new(engine, &artifact, 0.1, store).unwrap();
    let picture = |place: usize| {
        let sample = &dataset.samples[test.tensors.indices[place] as usize];
        sample.picture().unwrap()
    };
    for class in test.tensors.by_class(SHOTS + 1).iter().take(3) {
        let name = format!("signer {}", class.class);
        let subject = SubjectId::new(&name).unwrap();
        let mut template: Template<MOST_SHOTS, MAX_DIM> = device.begin(subject, 0).unwrap();
        let (shots, own) = class.genuine.split_at(SHOTS);
        for &shot in shots {
            let added = device.add_anyway(&mut template, &picture(shot).image().unwrap());
            added.unwrap();
        }
        device.enroll_anyway(template).unwrap();
        let reference = Reference::new(&test.embeddings, shots, &measure);
        for &probe in own.iter().chain(&class.forged) {
            let picture = picture(probe);
            let (found, count) = device.verify(&name, &picture.image().unwrap()).unwrap();
            let distance = reference.distance(test.embeddings.get(probe));
            assert_eq!((found.distance, count), (distance, SHOTS));
            assert_eq!(found.threshold, point.threshold);
        }
    }
}
