//! What contradicts itself or the data is refused before training, with the reason.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod few_signers;

use few_signers::{TRIPLET, alone, config, dataset};
use host_trainer::config::SamplerConfig;
use host_trainer::train::Trainer;

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
