//! The same run and data give the same files; what was exported is what was trained.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use host_trainer::dataset::{DatasetName, Part, omniglot};
use host_trainer::engine::{EngineName, open};
use host_trainer::evaluate::cohort::Measure;
use host_trainer::evaluate::{Embedded, few_shot, omniglot_runs};
use host_trainer::export::card::{ModelCard, sha256};
use host_trainer::export::model::{Source, export};
use host_trainer::export::{ARTIFACT, CARD, FLOAT_ONNX, INT8_ONNX};
use host_trainer::head::{Head, Tuning};
use host_trainer::segmentation::export::SegmentationCard;
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use shared::Distance;
use shared::artifact::Artifact;
use shared::support_set::Fusion;
use tests::{data, options, root, run, signers};

const FILES: [&str; 4] = [ARTIFACT, FLOAT_ONNX, INT8_ONNX, CARD];

fn tower() -> TowerSpec {
    TowerSpec::Conv4(Conv4 {
        input: [16, 32],
        width: 8,
        embedding: 16,
        normalized: true,
    })
}

#[test]
fn the_same_run_gives_the_same_files() {
    let run = run(tower(), Distance::Euclidean, 1).unwrap();
    let dataset = signers(tower().input());
    let export = || {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("model");
        export(
            &Source::of_run(run.clone()).unwrap(),
            &dataset,
            &folder,
            &options(),
            &mut |_| (),
        )
        .unwrap();
        FILES.map(|file| fs::read(folder.join(file)).unwrap())
    };
    assert_eq!(export(), export());
}

#[test]
fn a_model_of_other_data_is_refused() {
    let run = run(tower(), Distance::Euclidean, 1).unwrap();
    let mut dataset = signers(tower().input());
    dataset.classes[3].name = "somebody else".into();
    let folder = tempfile::tempdir().unwrap();
    let refused = export(
        &Source::of_run(run.clone()).unwrap(),
        &dataset,
        folder.path(),
        &options(),
        &mut |_| (),
    )
    .unwrap_err();
    assert!(refused.to_string().contains("split"), "{refused}");
}

/// Files of two models in one folder are told apart before anything is compared.
#[test]
fn mixed_model_folders_are_refused() {
    let dataset = signers(tower().input());
    let [one, other] = [1, 2].map(|seed| {
        let folder = tempfile::tempdir().unwrap();
        let run = run(tower(), Distance::Euclidean, seed).unwrap();
        export(
            &Source::of_run(run.clone()).unwrap(),
            &dataset,
            folder.path(),
            &options(),
            &mut |_| (),
        )
        .unwrap();
        folder
    });
    fs::copy(other.path().join(INT8_ONNX), one.path().join(INT8_ONNX)).unwrap();
    fs::copy(other.path().join(FLOAT_ONNX), one.path().join(FLOAT_ONNX)).unwrap();
    for engine in [EngineName::Tract, EngineName::Ort] {
        let refused = open(one.path(), engine, None).err().unwrap();
        assert!(
            refused.to_string().contains("model.int8.onnx"),
            "{refused:#}"
        );
    }
    let float = Some(host_trainer::engine::Precision::Float);
    let refused = open(one.path(), EngineName::Ort, float).err().unwrap();
    assert!(
        refused.to_string().contains("one model folder"),
        "{refused:#}"
    );
    fs::remove_file(one.path().join(INT8_ONNX)).unwrap();
    let refused = open(one.path(), EngineName::Tract, None).err().unwrap();
    assert!(
        format!("{refused:#}").contains("model.int8.onnx"),
        "{refused:#}"
    );
    // The int8 engine needs no ONNX file, but the folder is not what was exported.
    assert!(open(one.path(), EngineName::Int8, None).is_err());
    let alone = tempfile::tempdir().unwrap();
    fs::copy(other.path().join(ARTIFACT), alone.path().join(ARTIFACT)).unwrap();
    let refused = open(alone.path(), EngineName::Int8, None).err().unwrap();
    assert!(format!("{refused:#}").contains("model.toml"), "{refused:#}");
}

/// The card of every committed model states its files and operating points.
#[test]
fn committed_cards_are_true() {
    for entry in fs::read_dir(root().join("models")).unwrap() {
        let folder = entry.unwrap().path();
        let (files, model_id, points) = match SegmentationCard::load(&folder) {
            Ok(card) => {
                assert!(!card.figures.is_empty() && !card.rebuild.is_empty());
                (card.files, card.model_id, 0)
            }
            Err(_) => {
                let card = ModelCard::load(&folder).unwrap();
                assert!(!card.figures.is_empty() && !card.rebuild.is_empty());
                (card.files, card.model_id, card.operating_points.len())
            }
        };
        for (file, stated) in &files {
            assert_eq!(
                &sha256(&fs::read(folder.join(file)).unwrap()),
                stated,
                "{file}"
            );
        }
        let bytes = fs::read(folder.join(ARTIFACT)).unwrap();
        let artifact = Artifact::parse(&bytes).unwrap();
        assert_eq!(artifact.model_id().to_string(), model_id);
        assert_eq!(artifact.operating_points().iter().count(), points);
    }
}

/// What the card of `models/omniglot` says, measured again on the int8 engine.
#[test]
fn the_omniglot_model_is_as_good_as_its_card_says() {
    let Some(data) = data("the_omniglot_model_is_as_good_as_its_card_says") else {
        return;
    };
    let model = root().join("models/omniglot");
    let mut int8 = open(&model, EngineName::Int8, None).unwrap();
    let runs = omniglot::all_runs(&data).unwrap();
    let report = omniglot_runs::evaluate(int8.as_mut(), &runs).unwrap();
    let stated = stated(&model, "omniglot-runs", "int8");
    assert!(
        (report.accuracy - stated).abs() < 1e-9,
        "{}",
        report.accuracy
    );
    assert!(report.accuracy >= 0.95, "{}", report.accuracy);

    let dataset = DatasetName::Omniglot.load(Some(&data)).unwrap();
    let report = few_shot::evaluate(int8.as_mut(), &dataset, &twenty_ways()).unwrap();
    assert!(report.accuracy >= 0.955, "{}", report.accuracy);
    let test = Embedded::new(int8.as_mut(), &dataset, Part::Test).unwrap();
    assert_eq!(test.tensors.len(), 13_180);
}

/// What the card of `models/omniglot-vinyals` says of 20-way 1-shot, measured again.
#[test]
fn the_vinyals_model_is_as_good_as_its_card_says() {
    let Some(data) = data("the_vinyals_model_is_as_good_as_its_card_says") else {
        return;
    };
    let model = root().join("models/omniglot-vinyals");
    let mut int8 = open(&model, EngineName::Int8, None).unwrap();
    let dataset = DatasetName::OmniglotVinyals.load(Some(&data)).unwrap();
    let report = few_shot::evaluate(int8.as_mut(), &dataset, &twenty_ways()).unwrap();
    // By way of text a figure may lose its last bit.
    let stated = stated(&model, "few-shot", "int8");
    assert!(
        (report.accuracy - stated).abs() < 1e-9,
        "{}",
        report.accuracy
    );
    assert!(report.accuracy >= 0.96, "{}", report.accuracy);
}

/// The 20-way 1-shot episodes whose figure cards state first.
fn twenty_ways() -> few_shot::Options {
    few_shot::Options {
        ways: 20,
        shots: 1,
        queries: 5,
        episodes: 1000,
        seed: 1,
        head: Some(Head::Fused(Fusion::Prototype)),
        tuning: Tuning::INDUCTIVE,
    }
}

/// On validation classes; a test part does not choose.
#[test]
fn a_fine_tuned_head_gains_from_several_samples_and_loses_nothing_with_one() {
    let Some(data) =
        data("a_fine_tuned_head_gains_from_several_samples_and_loses_nothing_with_one")
    else {
        return;
    };
    let mut int8 = open(&root().join("models/omniglot"), EngineName::Int8, None).unwrap();
    let dataset = DatasetName::Omniglot.load(Some(&data)).unwrap();
    let validation = Embedded::new(int8.as_mut(), &dataset, Part::Validation).unwrap();
    let measure = Measure::of(int8.facts());
    let gain = |shots, tuning| {
        let options = few_shot::Options {
            ways: 20,
            shots,
            queries: 5,
            episodes: 200,
            seed: 2,
            head: None,
            tuning,
        };
        let judge = |head| few_shot::judge(&validation, &measure, &head, &options).unwrap();
        let (before, after) = (
            judge(Head::Fused(Fusion::Prototype)),
            judge(Head::Finetune(tuning)),
        );
        let half_width = before.0 - before.1[0];
        (after.0 - before.0, half_width)
    };
    let (one_shot, half_width) = gain(1, Tuning::INDUCTIVE);
    assert!(one_shot > -half_width, "{one_shot}");
    for (shots, tuning) in [
        (5, Tuning::INDUCTIVE),
        (1, Tuning::TRANSDUCTIVE),
        (5, Tuning::TRANSDUCTIVE),
    ] {
        let (gain, _) = gain(shots, tuning);
        assert!(gain > 0.0, "{shots} {gain}");
    }
}

fn stated(model: &std::path::Path, protocol: &str, precision: &str) -> f64 {
    let card = ModelCard::load(model).unwrap();
    let is = |figures: &toml::Table, key: &str, value: &str| {
        figures.get(key).and_then(|found| found.as_str()) == Some(value)
    };
    let figures = card
        .figures
        .iter()
        .find(|figures| is(figures, "protocol", protocol) && is(figures, "precision", precision));
    figures.unwrap()["accuracy"].as_float().unwrap()
}
