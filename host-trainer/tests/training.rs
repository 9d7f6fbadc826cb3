//! Training repeats itself to the byte, goes on where it stopped, and learns.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod few_signers;

use std::fs;
use std::path::Path;

use few_signers::{TRIPLET, alone, config, dataset};
use host_trainer::checkpoint::{Run, WEIGHTS, read_tensors};
use host_trainer::config::{
    Augment, LossConfig, Miner, OptimizerConfig, Precision, RunConfig, SamplerConfig,
};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use host_trainer::train::event::Event;
use host_trainer::train::{Trainer, resume};
use shared::{Distance, Preprocess};

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
    resize(&mut config.preprocess, [16, 16]);
    let refused = Trainer::new(config, &dataset(), tch::Device::Cpu).unwrap_err();
    assert!(refused.to_string().contains("--embedding"), "{refused}");
}

fn resize(preprocess: &mut Preprocess, [height, width]: [u16; 2]) {
    let Preprocess::Picture(picture) = preprocess else {
        panic!("expected pictures, found {preprocess:?}");
    };
    (picture.height, picture.width) = (height, width);
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

/// What was learnt is where a training on other data begins: without a step it judges as
/// the run did.
#[test]
fn a_pretrained_run_begins_with_its_weights() {
    let _alone = alone();
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let config = config(&dataset(), TRIPLET, 2);
    train(config.clone(), first.path(), false);
    let run = Run::load(first.path()).unwrap();
    // A rate so small that nothing changes.
    let mut slow = config;
    slow.training.learning_rate = 1e-30;
    slow.training.epochs = 1;
    slow.training.optimizer = OptimizerConfig::AdamW { weight_decay: 0.0 };
    let device = tch::Device::Cpu;
    let mut trainer = Trainer::pretrained(slow.clone(), &run, &dataset(), device).unwrap();
    trainer.run(second.path(), &mut |_| {}).unwrap();
    let (after, _) = read_tensors(&second.path().join(WEIGHTS)).unwrap();
    let filters = |name: &&String| name.ends_with("conv1.weight");
    let name = after.keys().find(filters).unwrap();
    assert_eq!(after[name], run.parameters[name]);
    slow.tower.set_input([32, 32]);
    resize(&mut slow.preprocess, [32, 32]);
    let other = Trainer::pretrained(slow, &run, &dataset(), device);
    assert!(other.is_err(), "weights of another tower were taken");
}
