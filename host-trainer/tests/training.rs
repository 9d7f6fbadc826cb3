//! Training repeats itself to the byte, goes on where it stopped, and learns.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host_trainer::checkpoint::{WEIGHTS, read_tensors};
use host_trainer::config::{
    Augment, LossConfig, Miner, OptimizerConfig, Precision, RunConfig, SamplerConfig,
    TrainingConfig,
};
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
        let _ = trainer.run(path, &mut |event| {
            let is_mid_epoch = matches!(event, Event::Step { step: 30, .. });
            assert!(!is_mid_epoch, "killed");
        });
    });
    assert!(killed.is_err());
    let rest = train(config, path, true);
    assert_eq!(rest, losses[losses.len() - rest.len()..]);
    assert!(!rest.is_empty() && rest.len() < losses.len());
    assert_eq!(weights(whole.path()), weights(path));
}

/// Everything with a state of its own: running mean, momentum, class vectors, centres.
#[test]
fn a_training_with_every_state_goes_on_to_the_same_weights() {
    let _alone = alone();
    let mut config = config(
        &dataset(),
        LossConfig::CosFace {
            scale: 16.0,
            margin: 0.1,
        },
        4,
    );
    config.training.miner = Miner::All;
    config.training.average = 0.9;
    config.training.augment = Augment {
        noise: 0.1,
        cutout: 0.2,
        ..Augment::ELASTIC
    };
    config.training.optimizer = OptimizerConfig::Sgd {
        momentum: 0.9,
        weight_decay: 1e-4,
    };
    config.training.learning_rate = 0.05;
    config.training.sampler = SamplerConfig::HardClasses {
        classes: 6,
        samples: 3,
        group: 2,
    };
    let whole = tempfile::tempdir().unwrap();
    train(config.clone(), whole.path(), false);
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
    train(config, path, true);
    // The texts beside the tensors come in any order.
    let kept = |folder: &Path| read_tensors(&folder.join(resume::RESUME)).unwrap();
    assert!(kept(whole.path()) == kept(path));
    assert_eq!(weights(whole.path()), weights(path));
}

/// Every loss with the sampler and miner that suit it, and each of the other miners.
#[test]
fn every_loss_learns() {
    use host_trainer::train::recipe::{self, Loss, Sampler};
    let _alone = alone();
    let losses = [
        Loss::Contrastive,
        Loss::Triplet,
        Loss::NtXent,
        Loss::MultiSimilarity,
        Loss::NormFace,
        Loss::CosFace,
        Loss::ArcFace,
        Loss::Prototypical,
        Loss::WeightedL1,
    ];
    let usual = |loss: Loss| {
        let distance = match loss {
            Loss::WeightedL1 => Distance::Manhattan,
            Loss::Contrastive | Loss::Triplet => Distance::Euclidean,
            _ => Distance::Cosine,
        };
        let mut config = config(&dataset(), recipe::loss(loss, distance), 12);
        let training = &mut config.training;
        (training.sampler, training.miner) = recipe::batches(training.loss, training.sampler);
        config.distance = distance;
        if loss == Loss::WeightedL1 {
            config.tower = without_norm(&config.tower);
        }
        config
    };
    let mut configs: Vec<RunConfig> = losses.map(usual).to_vec();
    for miner in [Miner::All, Miner::SemiHard, Miner::DistanceWeighted] {
        let mut config = usual(Loss::Triplet);
        config.training.miner = miner;
        configs.push(config);
    }
    let mut hard = usual(Loss::NtXent);
    hard.training.sampler = recipe::sampler(Sampler::HardClasses, hard.training.sampler);
    configs.push(hard);
    let mut half = usual(Loss::NtXent);
    half.training.precision = Precision::Bfloat16;
    configs.push(half);
    for config in configs {
        let folder = tempfile::tempdir().unwrap();
        let losses = train(config.clone(), folder.path(), false);
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert!(last < 0.9 * first, "{:?}: {losses:?}", config.training);
    }
}

fn without_norm(tower: &TowerSpec) -> TowerSpec {
    let TowerSpec::Conv4(conv4) = tower else {
        panic!("the towers of this test are Conv4");
    };
    TowerSpec::Conv4(Conv4 {
        normalized: false,
        ..conv4.clone()
    })
}

/// The weights that Koch's loss learns are in the tower that is kept: its last layer is
/// that of the training, scaled.
#[test]
fn learnt_component_weights_are_kept_in_the_tower() {
    let _alone = alone();
    let mut config = config(&dataset(), LossConfig::WeightedL1, 2);
    config.training.sampler = SamplerConfig::Pairs { pairs: 12 };
    config.training.miner = Miner::All;
    config.distance = Distance::Manhattan;
    config.tower = without_norm(&config.tower);
    config.training.epochs = 1;
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(config.clone(), &dataset(), tch::Device::Cpu).unwrap();
    trainer.run(folder.path(), &mut |_| ()).unwrap();
    let (kept, _) = read_tensors(&folder.path().join(WEIGHTS)).unwrap();
    let (last, _) = read_tensors(&folder.path().join(resume::RESUME)).unwrap();
    let raw = &last["loss/loss.components"].values;
    for name in ["embedding.weight", "embedding.bias"] {
        let (scaled, plain) = (&kept[name].values, &last[name].values);
        let row = plain.len() / raw.len();
        for (index, (scaled, plain)) in scaled.iter().zip(plain).enumerate() {
            let weight = raw[index / row].exp().ln_1p();
            assert!((scaled - plain * weight).abs() < 1e-5);
        }
        assert_ne!(scaled, plain);
    }
    // Without a layer to scale, it is refused before training.
    let TowerSpec::Conv4(conv4) = &config.tower else {
        panic!("the towers of this test are Conv4");
    };
    config.tower = TowerSpec::Conv4(Conv4 {
        input: [16, 16],
        embedding: 8,
        ..conv4.clone()
    });
    config.preprocess.width = 16;
    let refused = Trainer::new(config, &dataset(), tch::Device::Cpu).unwrap_err();
    assert!(refused.to_string().contains("--embedding"), "{refused}");
}

/// Training stops when nothing gets better, and says so.
#[test]
fn patience_comes_to_an_end() {
    let _alone = alone();
    let mut config = config(&dataset(), TRIPLET, 30);
    config.training.patience = 2;
    // So small that only running statistics move, until they have arrived.
    config.training.learning_rate = 1e-12;
    config.training.average = 0.999;
    let folder = tempfile::tempdir().unwrap();
    let (mut epochs, mut stopped) = (0, None);
    let mut trainer = Trainer::new(config, &dataset(), tch::Device::Cpu).unwrap();
    trainer
        .run(folder.path(), &mut |event| match event {
            Event::Epoch { epoch, .. } => epochs = *epoch,
            Event::Stopped { epoch } => stopped = Some(*epoch),
            _ => {}
        })
        .unwrap();
    assert!(epochs < 30, "{epochs}");
    assert_eq!(stopped, Some(epochs));
}

/// A rate that throws all embeddings together is noticed.
#[test]
fn a_collapse_is_told_with_its_remedy() {
    let _alone = alone();
    let mut config = config(&dataset(), TRIPLET, 6);
    config.training.learning_rate = 3.0;
    config.training.optimizer = OptimizerConfig::AdamW { weight_decay: 0.0 };
    let folder = tempfile::tempdir().unwrap();
    let mut warnings = vec![];
    let mut trainer = Trainer::new(config, &dataset(), tch::Device::Cpu).unwrap();
    let ended = trainer.run(folder.path(), &mut |event| {
        if let Event::Warning { message } = event {
            warnings.push(message.clone());
        }
    });
    // Either every sample gets one embedding, or numbers run away.
    let told = warnings
        .first()
        .cloned()
        .or(ended.err().map(|e| e.to_string()));
    let told = told.unwrap_or_default();
    assert!(told.contains("--learning-rate"), "{told:?}");
}

/// Choices that contradict each other are refused before training, with the reason.
#[test]
fn senseless_combinations_are_refused_with_the_reason() {
    let _alone = alone();
    let base = config(&dataset(), TRIPLET, 1);
    let cases: [(&[&str], &str); 11] = [
        (
            &[
                "distance=manhattan",
                "training.loss={name=\"norm-face\",scale=20.0}",
                "training.miner=all",
            ],
            "teaches angles",
        ),
        (
            &[
                "training.loss={name=\"weighted-l1\"}",
                "training.miner=all",
                "training.sampler={name=\"pairs\",pairs=8}",
            ],
            "manhattan",
        ),
        (
            &[
                "training.loss={name=\"prototypical\",scale=1.0}",
                "training.miner=all",
            ],
            "--sampler episodes",
        ),
        (
            &["training.loss={name=\"arc-face\",scale=20.0,margin=0.3}"],
            "--miner all",
        ),
        (
            &["training.miner=distance-weighted", "tower.normalized=false"],
            "sphere",
        ),
        (
            &[
                "training.miner=all",
                "training.sampler={name=\"pairs\",pairs=8}",
            ],
            "does not learn",
        ),
        (
            &["training.loss={name=\"contrastive\",margin=0.5,positive_margin=0.7}"],
            "below the margin",
        ),
        (&["training.learning_rate=-1"], "above 0"),
        (&["training.steps_per_epoch=0"], "at least 1"),
        (
            &[
                "training.rotations=true",
                "training.sampler={name=\"hard-classes\",classes=4,samples=2,group=2}",
            ],
            "turned",
        ),
        (&["preprocess.width=64"], "--input"),
    ];
    for (settings, reason) in cases {
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        let config = base.with(&settings).unwrap();
        let refused = config.check().unwrap_err().to_string();
        assert!(refused.contains(reason), "{settings:?}: {refused}");
        assert!(Trainer::new(config, &dataset(), tch::Device::Cpu).is_err());
    }
    for unknown in [
        "training.epoch=3",
        "nothing=1",
        "training.loss.alpha=1",
        "training.epochs",
    ] {
        assert!(base.with(&[unknown.to_owned()]).is_err(), "{unknown}");
    }
}

#[test]
fn settings_that_do_not_fit_the_data_are_told() {
    let _alone = alone();
    let mut config = config(&dataset(), TRIPLET, 1);
    let batches = |classes| SamplerConfig::PByK {
        classes,
        samples: 4,
    };
    config.training.sampler = batches(9);
    let refused = Trainer::new(config.clone(), &dataset(), tch::Device::Cpu).unwrap_err();
    assert!(refused.to_string().contains("found 8"), "{refused}");
    config.training.sampler = batches(4);
    config.training.rotations = true;
    let refused = Trainer::new(config, &dataset(), tch::Device::Cpu).unwrap_err();
    assert!(refused.to_string().contains("square"), "{refused}");
}
