//! A fine-tuned store, from a folder of pictures to answers on both engines of a device.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use edge_runtime::engine::Engine;
use edge_runtime::keys::Keys;
use edge_runtime::keys::file::{DEVICE_KEY, FileKeys};
use edge_runtime::loader::{LinuxEngine, Model};
use edge_runtime::picture::Picture;
use edge_runtime::recognizer::Recognizer;
use edge_runtime::store::TemplateStore;
use edge_runtime::store::file::{FileStore, SHOTS};
use shared::decision::Identification;
use shared::embedding::MAX_DIM;
use shared::template::SubjectId;

use program::{host_trainer, keys};

type FileRecognizer<'a> =
    Recognizer<'a, LinuxEngine<'a>, FileStore<SHOTS, MAX_DIM>, SHOTS, MAX_DIM>;

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/omniglot")
}

/// Folders of generated signatures, and more of the same people to ask about.
struct People {
    folder: tempfile::TempDir,
}

impl People {
    fn new(count: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("all");
        let mut arguments = vec!["synthesize", "--out", out.to_str().unwrap()];
        arguments.extend(["--signers", count, "--genuine", "5", "--forged", "1"]);
        let made = host_trainer(&arguments);
        assert!(made.status.success(), "{made:?}");
        let people = Self { folder };
        // The last two of each are kept apart.
        for signer in people.subjects("all") {
            for (part, numbers) in [("support", 0..3), ("queries", 3..5)] {
                let place = people.at(part).join(&signer);
                fs::create_dir_all(&place).unwrap();
                for number in numbers {
                    let name = format!("genuine-{number:02}.png");
                    fs::copy(people.at("all").join(&signer).join(&name), place.join(name)).unwrap();
                }
            }
        }
        people
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn subjects(&self, part: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(part)).unwrap();
        let folders = entries
            .map(|entry| entry.unwrap())
            .filter(|e| e.path().is_dir());
        let mut names: Vec<String> = folders
            .map(|e| e.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn finetune(&self, store: &str, more: &[&str]) -> Output {
        let (model, support, store) = (model(), self.at("support"), self.at(store));
        let mut arguments = vec!["finetune", model.to_str().unwrap(), "--json"];
        arguments.extend(["--data", support.to_str().unwrap()]);
        arguments.extend(["--out", store.to_str().unwrap()]);
        arguments.extend(more);
        host_trainer(&arguments)
    }

    fn probe(&self, subject: &str) -> Picture {
        let path = self.at("queries").join(subject).join("genuine-04.png");
        Picture::decode(&fs::read(path).unwrap()).unwrap()
    }
}

fn recognizer<'a>(model: &'a Model, engine: LinuxEngine<'a>, store: &Path) -> FileRecognizer<'a> {
    let artifact = model.artifact().unwrap();
    let secrets = FileKeys::open_or_begin(&keys().join(DEVICE_KEY)).unwrap();
    let store = FileStore::open(store, engine.model_id(), Keys::new(&secrets)).unwrap();
    Recognizer::new(engine, &artifact, 0.1, store).unwrap()
}

fn answer(recognizer: &mut FileRecognizer<'_>, picture: &Picture) -> String {
    match recognizer.identify(&picture.image().unwrap()).unwrap() {
        (
            Identification::Match {
                subject, distance, ..
            },
            probability,
        ) => {
            let probability = probability.unwrap();
            assert!(probability > 0.0 && probability <= 1.0);
            format!("{subject} {distance} {probability}")
        }
        (Identification::Unknown(reason), probability) => {
            assert_eq!(probability, None);
            format!("{reason:?}")
        }
    }
}

#[test]
fn a_fine_tuned_store_answers_alike_on_both_engines_and_goes_on_enrolling() {
    let people = People::new("4");
    let made = people.finetune("store", &[]);
    assert!(made.status.success(), "{made:?}");
    let said: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(
        (&said["head"], said["subjects"].as_array().unwrap().len()),
        (&"finetune".into(), 4)
    );
    assert_eq!(said["subjects"][0]["shots"], 3);

    let model = Model::open(&model()).unwrap();
    let store = people.at("store");
    let ask = |subject: &str| {
        let probe = people.probe(subject);
        let mut int8 = recognizer(&model, model.int8_engine().unwrap(), &store);
        let mut tract = recognizer(&model, model.tract_engine().unwrap(), &store);
        let answers = [answer(&mut int8, &probe), answer(&mut tract, &probe)];
        assert_eq!(answers[0], answers[1]);
        answers[0].clone()
    };
    let subjects = people.subjects("support");
    let before: Vec<String> = subjects.iter().map(|subject| ask(subject)).collect();
    let right = before
        .iter()
        .zip(&subjects)
        .filter(|(a, s)| a.starts_with(s.as_str()))
        .count();
    assert!(right >= 2, "{before:?}");

    // A further subject is enrolled on the device, from samples of its own.
    let mut device = recognizer(&model, model.int8_engine().unwrap(), &store);
    let mut template = device
        .begin(SubjectId::new("somebody else").unwrap(), 0)
        .unwrap();
    let picture = people.probe(&subjects[0]);
    device
        .add(&mut template, &picture.image().unwrap())
        .unwrap();
    device.enroll(template).unwrap();
    // Now two have that signature, and neither is answered.
    assert!(!ask(&subjects[0]).starts_with(&subjects[0]));
    assert!(device.remove("somebody else").unwrap());
    let after: Vec<String> = subjects.iter().map(|subject| ask(subject)).collect();
    assert_eq!(after, before);
    assert!(device.remove(&subjects[0]).unwrap());
    assert_eq!(device.store().templates().count(), 3);
    assert!(!ask(&subjects[0]).starts_with(&subjects[0]));
}

#[test]
fn the_same_samples_give_the_same_bytes_with_every_head() {
    let people = People::new("3");
    let queries = people.at("queries").join(&people.subjects("queries")[0]);
    let queries = queries.to_str().unwrap();
    let cases: [&[&str]; 5] = [
        &[],
        &["--head", "prototype"],
        &["--head", "auto"],
        &["--transductive", queries],
        &["--entropy", "0.5"],
    ];
    let mut stores = vec![];
    for (index, more) in cases.iter().enumerate() {
        let make = |store: &str| {
            let made = people.finetune(store, more);
            assert!(made.status.success(), "{made:?}");
            fs::read(people.at(store)).unwrap()
        };
        let store = make(&format!("store-{index}"));
        assert_eq!(store, make(&format!("again-{index}")));
        stores.push(store);
    }
    assert_ne!(stores[0], stores[3]);
}

#[test]
fn what_makes_no_store_is_refused_and_nothing_is_written() {
    let people = People::new("2");
    let refused = |store: &str, more: &[&str], words: &[&str]| {
        let output = people.finetune(store, more);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        for word in words {
            assert!(message.contains(word), "no {word:?} in {message}");
        }
    };
    refused(
        "store",
        &["--head", "nearest"],
        &["found nearest", "part of its model"],
    );
    let transductive = ["--head", "prototype", "--transductive", "x"];
    refused("store", &transductive, &["expected --head finetune"]);
    refused("store", &["--entropy=-1"], &["from 0 to 100"]);
    assert!(!people.at("store").exists());
    // A store with people in it is not overwritten.
    assert!(people.finetune("store", &[]).status.success());
    let before = fs::read(people.at("store")).unwrap();
    refused("store", &[], &["expected no store there"]);
    assert_eq!(fs::read(people.at("store")).unwrap(), before);
    // One class cannot be told from others, and a name must fit.
    let subjects = people.subjects("support");
    fs::remove_dir_all(people.at("support").join(&subjects[1])).unwrap();
    refused("other", &[], &["at least 2 classes", "found 1"]);
    let long = "n".repeat(40);
    fs::create_dir(people.at("support").join(&long)).unwrap();
    let picture = people
        .at("queries")
        .join(&subjects[1])
        .join("genuine-04.png");
    let place = people.at("support").join(&long);
    fs::copy(&picture, place.join("forged-1.png")).unwrap();
    refused("other", &[], &["imitation", &long]);
    fs::copy(&picture, place.join("1.png")).unwrap();
    refused("other", &[], &["names a subject", &long]);
    assert!(!people.at("other").exists());
}
