//! Training repeats itself to the byte, goes on where it stopped, and learns.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host_trainer::checkpoint::{Augment, LossConfig, RunConfig, TrainingConfig, WEIGHTS};
use host_trainer::dataset::synthetic_signatures::{RenderOptions, Signer, render};
use host_trainer::dataset::{Class, Dataset, Kind, Part, Sample, Source, Split};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use host_trainer::train::event::Event;
use host_trainer::train::{Trainer, resume};
use shared::Distance;
use shared::preprocess::{Crop, Fit, Preprocess, Quantization, Tone};

const SIGNERS: u32 = 16;
const GENUINE: u32 = 6;

/// Sixteen signers, the last eight for validation.
fn dataset() -> Dataset {
    let (mut classes, mut samples) = (vec![], vec![]);
    for index in 0..SIGNERS {
        let signer = Arc::new(Signer::new(7, index));
        for sample in 0..GENUINE + 3 {
            let signer = Arc::clone(&signer);
            let forged = sample >= GENUINE;
            samples.push(Sample {
                class: index,
                kind: if forged { Kind::Forged } else { Kind::Genuine },
                name: format!("{index}/{sample}"),
                source: Source::Generated(Arc::new(move || {
                    let sequence = match forged {
                        true => signer.forgery(sample, 0),
                        false => signer.genuine(sample),
                    };
                    render(&sequence, &RenderOptions::default())
                })),
            });
        }
        classes.push(Class {
            name: format!("signer {index}"),
            group: String::new(),
        });
    }
    let mut index = 0..SIGNERS;
    let split = Split::by_class(&classes, |_| match index.next() {
        Some(0..8) => Part::Train,
        _ => Part::Validation,
    });
    Dataset {
        name: "few signers".into(),
        terms: "none".into(),
        classes,
        samples,
        split,
        preprocess: Preprocess {
            width: 32,
            height: 16,
            tone: Tone::Ink,
            crop: Crop::Ink,
            fit: Fit::Contain,
            quantization: Quantization {
                scale: 1.0 / 255.0,
                zero_point: 0,
            },
        },
    }
}

fn config(dataset: &Dataset, loss: LossConfig, epochs: usize) -> RunConfig {
    RunConfig {
        dataset: dataset.name.clone(),
        terms: dataset.terms.clone(),
        split_sha256: dataset.split.hash(&dataset.classes),
        seed: 3,
        distance: Distance::Euclidean,
        training: TrainingConfig {
            loss,
            epochs,
            steps_per_epoch: 12,
            batch_classes: 6,
            batch_samples: 4,
            learning_rate: 3e-3,
            weight_decay: 1e-4,
            clip_norm: 10.0,
            augment: Augment::Affine,
            rotations: false,
        },
        preprocess: dataset.preprocess,
        tower: TowerSpec::Conv4(Conv4 {
            input: [16, 32],
            width: 8,
            embedding: 16,
            normalized: true,
        }),
    }
}

const TRIPLET: LossConfig = LossConfig::Triplet { margin: Some(0.5) };

/// libtorch has one generator for the whole process: one training at a time.
static GENERATOR: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // Batches this small gain nothing from more.
    tch::set_num_threads(1);
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Trains in `folder`; the losses of the epochs.
fn train(config: RunConfig, folder: &Path, resumed: bool) -> Vec<f64> {
    let mut trainer = Trainer::new(config, &dataset(), tch::Device::Cpu).unwrap();
    if resumed {
        resume::restore(&mut trainer, folder).unwrap();
    }
    let mut losses = vec![];
    trainer
        .run(folder, &mut |event| {
            if let Event::Epoch { loss, .. } = event {
                losses.push(*loss);
            }
        })
        .unwrap();
    losses
}

fn weights(folder: &Path) -> Vec<u8> {
    fs::read(folder.join(WEIGHTS)).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_gives_others() {
    let _alone = alone();
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let config = config(&dataset(), TRIPLET, 2);
    let other = RunConfig {
        seed: 4,
        ..config.clone()
    };
    let losses = train(config.clone(), folders[0].path(), false);
    assert_eq!(losses, train(config, folders[1].path(), false));
    assert_ne!(losses, train(other, folders[2].path(), false));
    assert_eq!(weights(folders[0].path()), weights(folders[1].path()));
    assert_ne!(weights(folders[0].path()), weights(folders[2].path()));
}

/// A training that fails in an epoch, as when it is killed, goes on from its last
/// checkpoint and ends as if nothing had happened.
#[test]
fn an_interrupted_training_goes_on_to_the_same_weights() {
    let _alone = alone();
    let config = config(&dataset(), TRIPLET, 4);
    let whole = tempfile::tempdir().unwrap();
    let losses = train(config.clone(), whole.path(), false);

    let interrupted = tempfile::tempdir().unwrap();
    let path = interrupted.path();
    let killed = std::panic::catch_unwind(|| {
        let mut trainer = Trainer::new(config.clone(), &dataset(), tch::Device::Cpu).unwrap();
        let mut epochs = 0;
        let _ = trainer.run(path, &mut |event| {
            epochs += usize::from(matches!(event, Event::Epoch { .. }));
            assert!(epochs < 3, "killed");
        });
    });
    assert!(killed.is_err());
    let rest = train(config, path, true);
    assert_eq!(rest, losses[losses.len() - rest.len()..]);
    assert!(!rest.is_empty() && rest.len() < losses.len());
    assert_eq!(weights(whole.path()), weights(path));
}

#[test]
fn both_losses_learn() {
    let _alone = alone();
    for loss in [TRIPLET, LossConfig::Contrastive { margin: 1.0 }] {
        let folder = tempfile::tempdir().unwrap();
        let losses = train(config(&dataset(), loss, 12), folder.path(), false);
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert!(last < 0.8 * first, "{loss:?}: {losses:?}");
    }
}

#[test]
fn settings_that_do_not_fit_the_data_are_told() {
    let _alone = alone();
    let mut config = config(&dataset(), TRIPLET, 1);
    config.training.batch_classes = 9;
    let refused = Trainer::new(config.clone(), &dataset(), tch::Device::Cpu).unwrap_err();
    assert!(refused.to_string().contains("found 8"), "{refused}");
    config.training.batch_classes = 4;
    config.training.rotations = true;
    let refused = Trainer::new(config, &dataset(), tch::Device::Cpu).unwrap_err();
    assert!(refused.to_string().contains("square"), "{refused}");
}
