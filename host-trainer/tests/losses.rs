//! Losses and distances against loops that follow their formulas word by word.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod batches;

use batches::{
    DIM, DISTANCES, agrees, batches, cosine, cost, cross_entropy, dot, margins, mean, mined,
    others, pairs, triplets, unit,
};
use host_trainer::config::{LossConfig, Miner};
use host_trainer::distance::{all_pairs, row_wise};
use host_trainer::loss::cosine_softmax::{self, CosineSoftmax};
use host_trainer::loss::triplet::triplet;
use host_trainer::loss::{
    Labels, Loss, contrastive, multi_similarity::multi_similarity, nt_xent::nt_xent,
    prototypical::prototypical, weighted_l1::WeightedL1,
};
use proptest::prelude::*;
use shared::{Distance, Embedding};
use tch::{Device, Kind, Tensor};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn distances_are_those_of_devices(batch in batches()) {
        for distance in DISTANCES {
            let found = all_pairs(distance, &batch.tensor(), &batch.tensor());
            for (a, b) in (0..batch.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let expected = batch.distance(distance, a, b);
                let found = found.double_value(&[a as i64, b as i64]);
                prop_assert!((found - expected).abs() < 1e-3, "{distance}: {found} {expected}");
            }
        }
    }

    #[test]
    fn corresponding_rows_are_the_diagonal(batch in batches()) {
        let turned = batch.tensor().roll([1], [0]);
        for distance in DISTANCES {
            let rows = row_wise(distance, &batch.tensor(), &turned);
            let diagonal = all_pairs(distance, &batch.tensor(), &turned).diagonal(0, 0, 1);
            let apart = (rows - diagonal).abs().max().double_value(&[]);
            prop_assert!(apart < 1e-3, "{distance}: {apart}");
        }
    }

    #[test]
    fn triplet_is_its_formula_for_every_miner(batch in batches(), margin in margins()) {
        for distance in DISTANCES {
            let (distances, chosen) = mined(&batch, distance, Miner::BatchHard);
            let of = |[a, p, n]: [usize; 3]| {
                cost(batch.distance(distance, a, p) - batch.distance(distance, a, n), margin)
            };
            let costs: Vec<f64> = triplets(&chosen).into_iter().map(of).collect();
            agrees(&triplet(&distances, &chosen, margin), mean(&costs), 2e-3)?;

            let (distances, all) = mined(&batch, distance, Miner::All);
            let mut costs = vec![];
            for anchor in (0..batch.len()).filter(|&a| batch.genuine[a]) {
                for positive in others(&batch, anchor, true) {
                    for negative in others(&batch, anchor, false) {
                        costs.push(of([anchor, positive, negative]));
                    }
                }
            }
            // A cost of rounding size counts on one side and not on the other.
            if costs.iter().all(|&cost| cost == 0.0 || cost > 1e-3) {
                let counted: Vec<f64> = costs.iter().copied().filter(|&c| c > 0.0).collect();
                agrees(&triplet(&distances, &all, margin), mean(&counted), 2e-3)?;
            }
        }
    }

    #[test]
    fn contrastive_is_its_formula(batch in batches(), margin in 0.1f64..2.0, positive in 0.0f64..0.1) {
        let half = batch.len() / 2;
        let same: Vec<bool> = (0..half).map(|row| batch.classes[row] == 0).collect();
        let rows = |from: usize| batch.tensor().narrow(0, from as i64, half as i64);
        let cost = |same: bool, apart: f64| {
            let off: f64 = if same { apart - positive } else { margin - apart };
            off.max(0.0).powi(2) / 2.0
        };
        for distance in DISTANCES {
            let costs: Vec<f64> = (0..half)
                .map(|row| cost(same[row], batch.distance(distance, row, half + row)))
                .collect();
            let flags = Tensor::from_slice(&same);
            let margins = [positive, margin];
            let loss = contrastive::pairs(&rows(0), &rows(half), &flags, distance, margins);
            agrees(&loss, mean(&costs), 2e-3)?;

            let (distances, mined) = mined(&batch, distance, Miner::All);
            let of = |wanted: bool| {
                let kind = pairs(&batch).into_iter().filter(|&(.., same)| same == wanted);
                let costs: Vec<f64> =
                    kind.map(|(a, b, same)| cost(same, batch.distance(distance, a, b))).collect();
                mean(&costs)
            };
            let expected = Some((of(true).unwrap_or(0.0) + of(false).unwrap_or(0.0)) / 2.0);
            agrees(&contrastive::mined(&distances, &mined, margins), expected, 2e-3)?;
        }
    }

    #[test]
    fn nt_xent_is_its_formula(batch in batches(), temperature in 0.2f64..2.0) {
        for distance in DISTANCES {
            let (distances, mined) = mined(&batch, distance, Miner::All);
            let term = |a: usize, b: usize| (-batch.distance(distance, a, b) / temperature).exp();
            let mut costs = vec![];
            for (anchor, positive, same) in pairs(&batch) {
                let negatives = others(&batch, anchor, false);
                if same && !negatives.is_empty() {
                    let own = term(anchor, positive);
                    let sum: f64 = negatives.iter().map(|&n| term(anchor, n)).sum();
                    costs.push(-(own / (own + sum)).ln());
                }
            }
            agrees(&nt_xent(&distances, &mined, temperature), mean(&costs), 5e-3)?;
        }
    }

    #[test]
    fn multi_similarity_is_its_formula(batch in batches(), base in -0.5f64..0.9) {
        let (alpha, beta) = (2.0, 10.0);
        let (distances, mined) = mined(&batch, Distance::Cosine, Miner::All);
        let mut costs = vec![];
        for anchor in 0..batch.len() {
            let sum = |same: bool, steepness: f64| -> f64 {
                let terms = others(&batch, anchor, same).into_iter();
                terms.map(|o| (steepness * (cosine(&batch, anchor, o) - base)).exp()).sum()
            };
            if pairs(&batch).iter().any(|&(a, ..)| a == anchor) {
                costs.push(sum(true, -alpha).ln_1p() / alpha + sum(false, beta).ln_1p() / beta);
            }
        }
        let cosines: Tensor = 1.0 - distances;
        let loss = multi_similarity(&cosines, &mined, [alpha, beta, base]);
        agrees(&loss, mean(&costs), 2e-3)?;
    }

    #[test]
    fn cosine_softmax_is_its_formula(
        batch in batches(),
        classes in prop::collection::vec(-1.0f32..1.0, 4 * DIM),
        scale in 1.0f64..20.0,
        margin in 0.0f64..0.5,
    ) {
        use cosine_softmax::Margin as Angular;
        for kind in [Angular::None, Angular::Cosine(margin), Angular::Angle(margin)] {
            let tensor = Tensor::from_slice(&classes).reshape([4, DIM as i64]);
            let loss = CosineSoftmax::of_classes(tensor, scale, kind);
            let mut costs = vec![];
            for sample in (0..batch.len()).filter(|&s| batch.genuine[s]) {
                let own = batch.classes[sample] as usize;
                let embedding = unit(batch.row(sample));
                let mut logits: Vec<f64> =
                    classes.chunks(DIM).map(|class| dot(&unit(class), &embedding)).collect();
                let angle = logits[own].clamp(-1.0, 1.0).acos();
                logits[own] = match kind {
                    Angular::None => logits[own],
                    Angular::Cosine(margin) => logits[own] - margin,
                    Angular::Angle(margin) if angle + margin < core::f64::consts::PI => (angle + margin).cos(),
                    Angular::Angle(margin) => logits[own] - margin * margin.sin(),
                };
                let scaled: Vec<f64> = logits.iter().map(|logit| logit * scale).collect();
                costs.push(cross_entropy(&scaled, own));
            }
            agrees(&loss.of(&batch.tensor(), &batch.labels()), mean(&costs), 5e-3)?;
        }
    }

    #[test]
    fn prototypical_is_its_formula(
        values in prop::collection::vec(-1.0f32..1.0, 3 * 5 * DIM),
        scale in 0.5f64..5.0,
    ) {
        // Three ways, two shots, three queries.
        let row = |way: usize, sample: usize| {
            let from = (way * 5 + sample) * DIM;
            &values[from..from + DIM]
        };
        let prototypes: Vec<Vec<f32>> = (0..3)
            .map(|way| (0..DIM).map(|d| (row(way, 0)[d] + row(way, 1)[d]) / 2.0).collect())
            .collect();
        let tensor = Tensor::from_slice(&values).reshape([15, DIM as i64]);
        for distance in DISTANCES {
            let mut costs = vec![];
            for (way, query) in (0..3).flat_map(|way| (2..5).map(move |query| (way, query))) {
                let probe = Embedding::Float(row(way, query));
                let logit = |prototype: &Vec<f32>| {
                    -scale * f64::from(distance.between(probe, Embedding::Float(prototype)).unwrap())
                };
                let logits: Vec<f64> = prototypes.iter().map(logit).collect();
                costs.push(cross_entropy(&logits, way));
            }
            let loss = prototypical(&tensor, 3, 2, distance, scale);
            agrees(&loss, mean(&costs), 5e-3)?;
        }
    }

    #[test]
    fn weighted_l1_is_a_logistic_regression_on_the_manhattan_distance(batch in batches()) {
        let half = batch.len() / 2;
        let same: Vec<bool> = (0..half).map(|row| batch.classes[row] == 0).collect();
        let rows = |from: usize| batch.tensor().narrow(0, from as i64, half as i64);
        // Fresh weights are 1, the bias 0.
        let costs: Vec<f64> = (0..half)
            .map(|row| {
                let logit = -batch.distance(Distance::Manhattan, row, half + row);
                let sign = if same[row] { 1.0 } else { -1.0 };
                (-sign * logit).exp().ln_1p()
            })
            .collect();
        let loss = WeightedL1::new(DIM as i64, Device::Cpu);
        let found = loss.of(&rows(0), &rows(half), &Tensor::from_slice(&same));
        agrees(&found, mean(&costs), 2e-3)?;
    }
}

/// Clusters far apart leave a miner nothing: the loss is zero, and so are its gradients.
#[test]
fn nothing_hard_is_no_error() {
    let values: Vec<f32> = (0..6)
        .flat_map(|sample| (0..DIM).map(move |d| if d == sample / 2 { 1.0 } else { 0.0 }))
        .collect();
    let losses = [
        LossConfig::Triplet { margin: Some(0.2) },
        LossConfig::Contrastive {
            margin: 0.5,
            positive_margin: 0.0,
        },
        LossConfig::NtXent { temperature: 0.05 },
        LossConfig::MultiSimilarity {
            alpha: 2.0,
            beta: 50.0,
            base: 0.5,
        },
    ];
    for config in losses {
        let embeddings = Tensor::from_slice(&values).reshape([6, DIM as i64]);
        let embeddings = embeddings.set_requires_grad(true);
        let labels = Labels {
            class: Tensor::from_slice(&[0i64, 0, 1, 1, 2, 2]),
            genuine: Tensor::from_slice(&[true; 6]),
        };
        let miner = Miner::MultiSimilarity;
        let sizes = [3, DIM as i64];
        let loss = Loss::new(config, Distance::Cosine, miner, sizes, Device::Cpu);
        let found = loss.of(&embeddings, &host_trainer::loss::Batch::Samples(labels));
        found.backward();
        assert_eq!(found.double_value(&[]), 0.0, "{config:?}");
        assert_eq!(embeddings.grad().abs().max().double_value(&[]), 0.0);
    }
}

/// Two equal embeddings and nothing to pull on must not give infinite gradients.
#[test]
fn gradients_are_finite_where_embeddings_meet() {
    let losses = [
        LossConfig::Triplet { margin: None },
        LossConfig::Contrastive {
            margin: 1.0,
            positive_margin: 0.0,
        },
        LossConfig::NtXent { temperature: 0.05 },
        LossConfig::MultiSimilarity {
            alpha: 2.0,
            beta: 50.0,
            base: 0.5,
        },
        LossConfig::ArcFace {
            scale: 20.0,
            margin: 0.3,
        },
    ];
    for (config, distance) in losses
        .into_iter()
        .flat_map(|loss| DISTANCES.map(|distance| (loss, distance)))
    {
        let embeddings = Tensor::ones([6, DIM as i64], (Kind::Float, Device::Cpu));
        let embeddings = embeddings.set_requires_grad(true);
        let labels = Labels {
            class: Tensor::from_slice(&[0i64, 0, 1, 1, 2, 2]),
            genuine: Tensor::from_slice(&[true; 6]),
        };
        let sizes = [3, DIM as i64];
        let loss = Loss::new(config, distance, Miner::All, sizes, Device::Cpu);
        loss.of(&embeddings, &host_trainer::loss::Batch::Samples(labels))
            .backward();
        let finite = embeddings.grad().isfinite().all().int64_value(&[]);
        assert!(finite == 1, "{config:?} {distance}");
    }
}
