//! A training that takes a second: few signers, a small tower.
#![allow(dead_code, reason = "no program of the tests needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host_trainer::config::{LossConfig, RunConfig, SamplerConfig, TrainingConfig};
use host_trainer::dataset::synthetic_signatures::{RenderOptions, Signer, render};
use host_trainer::dataset::{Class, Dataset, Kind, Part, Sample, Source, Split};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use shared::Distance;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};

pub(crate) const SIGNERS: u32 = 16;
pub(crate) const GENUINE: u32 = 6;

/// Sixteen signers, the last eight for validation.
pub(crate) fn dataset() -> Dataset {
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
        pairs: vec![],
        preprocess: PicturePreprocess {
            width: 32,
            height: 16,
            colour: Colour::Grey,
            tone: Tone::Ink,
            crop: Crop::Ink,
            fit: Fit::Contain,
            quantization: Quantization {
                scale: 1.0 / 255.0,
                zero_point: 0,
            },
        }
        .into(),
    }
}

pub(crate) fn config(dataset: &Dataset, loss: LossConfig, epochs: usize) -> RunConfig {
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
            sampler: SamplerConfig::PByK {
                classes: 6,
                samples: 4,
            },
            ..TrainingConfig::default()
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

pub(crate) const TRIPLET: LossConfig = LossConfig::Triplet { margin: Some(0.5) };

/// libtorch has one generator for the whole process: one training at a time.
static GENERATOR: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    // Batches this small gain nothing from more.
    tch::set_num_threads(1);
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}
