//! What samplers draw, against what they promise.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use host_trainer::config::SamplerConfig;
use host_trainer::dataset::ClassSamples;
use host_trainer::sampler::{Draw, Sampler};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

/// Twelve classes of six samples; every third class has three forgeries.
fn population() -> Vec<ClassSamples> {
    (0..12)
        .map(|class| ClassSamples {
            class: class as u32,
            genuine: (0..6).map(|sample| class * 10 + sample).collect(),
            forged: match class % 3 {
                0 => (6..9).map(|sample| class * 10 + sample).collect(),
                _ => vec![],
            },
        })
        .collect()
}

fn sampler(config: SamplerConfig) -> Sampler {
    Sampler::new(config, population(), 4, Device::Cpu).unwrap()
}

fn samples(draw: Draw) -> Vec<usize> {
    match draw {
        Draw::Samples(samples) | Draw::Episode { samples, .. } => samples,
        Draw::Pairs(pairs) => panic!("expected samples, found {pairs:?}"),
    }
}

#[test]
fn p_by_k_draws_distinct_samples_of_p_classes() {
    let sampler = sampler(SamplerConfig::PByK {
        classes: 5,
        samples: 4,
    });
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..50 {
        let drawn = samples(sampler.draw(&mut random));
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 20);
        let classes: BTreeSet<usize> = drawn.iter().map(|sample| sample / 10).collect();
        assert_eq!(classes.len(), 5);
        for class in classes {
            let of_class = drawn.iter().filter(|&&sample| sample / 10 == class);
            let forged = of_class.clone().filter(|&&sample| sample % 10 >= 6).count();
            assert_eq!(of_class.count(), 4);
            assert_eq!(forged, usize::from(class % 3 == 0));
        }
    }
}

#[test]
fn pairs_are_half_of_one_class() {
    let sampler = sampler(SamplerConfig::Pairs { pairs: 20 });
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut forged, mut others) = (0, 0);
    for _ in 0..50 {
        let Draw::Pairs(pairs) = sampler.draw(&mut random) else {
            panic!("expected pairs");
        };
        assert_eq!(pairs.iter().filter(|pair| pair.same).count(), 10);
        for pair in pairs {
            let is_same = pair.left / 10 == pair.right / 10;
            assert!(pair.left % 10 < 6 && pair.left != pair.right);
            match (pair.same, is_same) {
                (true, _) => assert!(is_same && pair.right % 10 < 6),
                (false, true) => {
                    assert!(pair.right % 10 >= 6);
                    forged += 1;
                }
                (false, false) => {
                    assert!(pair.right % 10 < 6);
                    others += 1;
                }
            }
        }
    }
    // A third of the classes has forgeries, which make half of their impostors.
    assert!(
        (50..120).contains(&forged) && others > 350,
        "{forged} {others}"
    );
}

#[test]
fn episodes_go_class_after_class_without_forgeries() {
    let sampler = sampler(SamplerConfig::Episodes {
        ways: 4,
        shots: 2,
        queries: 3,
    });
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..50 {
        let drawn = samples(sampler.draw(&mut random));
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 20);
        let ways: BTreeSet<usize> = drawn.chunks(5).map(|way| way[0] / 10).collect();
        assert_eq!(ways.len(), 4);
        for way in drawn.chunks(5) {
            assert!(
                way.iter()
                    .all(|sample| sample / 10 == way[0] / 10 && sample % 10 < 6)
            );
        }
    }
}

/// Classes that were taught to be alike come together, and none is forgotten.
#[test]
fn hard_classes_come_in_groups_of_neighbours() {
    let mut sampler = sampler(SamplerConfig::HardClasses {
        classes: 4,
        samples: 2,
        group: 2,
    });
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut together = 0;
    for round in 0..200 {
        let drawn = samples(sampler.draw(&mut random));
        let classes: BTreeSet<usize> = drawn.iter().map(|sample| sample / 10).collect();
        assert_eq!((drawn.len(), classes.len()), (8, 4));
        seen.extend(&classes);
        // Classes 2n and 2n + 1 have one direction each pair of them, and lengths that
        // differ, which must not matter.
        let rows: Vec<f32> = drawn
            .iter()
            .flat_map(|sample| {
                let angle = (sample / 20) as f32;
                let length = 1.0 + (sample / 10) as f32;
                [angle.cos() * length, angle.sin() * length, 0.0, 0.0]
            })
            .collect();
        let embeddings = Tensor::from_slice(&rows)
            .reshape([-1, 4])
            .to_kind(Kind::Float);
        sampler.observe(&drawn, &embeddings);
        if round >= 100 {
            together += classes
                .iter()
                .filter(|&&class| classes.contains(&(class ^ 1)))
                .count();
        }
    }
    assert_eq!(seen.len(), 12);
    // Drawn at random, a class would have its neighbour with it in 3 of 11 batches.
    assert!(together > 300, "{together}");
}
