//! Losses, miners and distances against loops that follow their formulas word by word.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use host_trainer::config::{LossConfig, Miner};
use host_trainer::distance::{all_pairs, row_wise};
use host_trainer::loss::cosine_softmax::{self, CosineSoftmax};
use host_trainer::loss::triplet::{Margin, triplet};
use host_trainer::loss::{
    Labels, Loss, contrastive, multi_similarity::multi_similarity, nt_xent::nt_xent,
    prototypical::prototypical, weighted_l1::WeightedL1,
};
use host_trainer::miner::{Mined, mine};
use proptest::prelude::*;
use shared::{Distance, Embedding};
use tch::{Device, Kind, Tensor};

const DIM: usize = 5;
const DISTANCES: [Distance; 4] = [
    Distance::Euclidean,
    Distance::SquaredEuclidean,
    Distance::Cosine,
    Distance::Manhattan,
];

/// A batch: embeddings, classes, whether genuine.
#[derive(Clone, Debug)]
struct Batch {
    values: Vec<f32>,
    classes: Vec<i64>,
    genuine: Vec<bool>,
}

impl Batch {
    fn len(&self) -> usize {
        self.classes.len()
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.values[index * DIM..(index + 1) * DIM]
    }

    fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.values).reshape([self.len() as i64, DIM as i64])
    }

    fn labels(&self) -> Labels {
        Labels {
            class: Tensor::from_slice(&self.classes),
            genuine: Tensor::from_slice(&self.genuine),
        }
    }

    /// The distance that devices compute, the oracle here.
    fn distance(&self, distance: Distance, a: usize, b: usize) -> f64 {
        let [a, b] = [a, b].map(|index| Embedding::Float(self.row(index)));
        f64::from(distance.between(a, b).unwrap())
    }
}

fn batches() -> impl Strategy<Value = Batch> {
    let sample = (
        prop::collection::vec(-1.0f32..1.0, DIM),
        0i64..4,
        prop::bool::weighted(0.8),
    );
    prop::collection::vec(sample, 4..16).prop_map(|samples| Batch {
        values: samples
            .iter()
            .flat_map(|(values, ..)| values.clone())
            .collect(),
        classes: samples.iter().map(|(_, class, _)| *class).collect(),
        genuine: samples.iter().map(|(.., genuine)| *genuine).collect(),
    })
}

fn margins() -> impl Strategy<Value = Margin> {
    prop_oneof![Just(Margin::Soft), (0.05f64..2.0).prop_map(Margin::Hard)]
}

/// Pairs of a batch by their labels: anchor, other, whether of one class.
fn pairs(batch: &Batch) -> Vec<(usize, usize, bool)> {
    let anchors = (0..batch.len()).filter(|&anchor| batch.genuine[anchor]);
    anchors
        .flat_map(|anchor| {
            let others = (0..batch.len()).filter(move |&other| other != anchor);
            others.map(move |other| {
                let same = batch.genuine[other] && batch.classes[other] == batch.classes[anchor];
                (anchor, other, same)
            })
        })
        .collect()
}

fn others(batch: &Batch, anchor: usize, same: bool) -> Vec<usize> {
    let of = pairs(batch).into_iter();
    of.filter(|&(a, _, s)| a == anchor && s == same)
        .map(|(_, other, _)| other)
        .collect()
}

/// What a miner chose, in order: anchor, positive, negative.
fn triplets(mined: &Mined) -> Vec<[usize; 3]> {
    let Mined::Triplets {
        anchors,
        positives,
        negatives,
        ..
    } = mined
    else {
        panic!("expected triplets, found {mined:?}");
    };
    let at = |tensor: &Tensor, index| tensor.int64_value(&[index]) as usize;
    (0..anchors.size()[0])
        .map(|index| [anchors, positives, negatives].map(|tensor| at(tensor, index)))
        .collect()
}

fn chosen(mask: &Tensor) -> Vec<(usize, usize)> {
    let places = mask.nonzero();
    (0..places.size()[0])
        .map(|row| {
            let at = |column| places.int64_value(&[row, column]) as usize;
            (at(0), at(1))
        })
        .collect()
}

fn mined(batch: &Batch, distance: Distance, miner: Miner) -> (Tensor, Mined) {
    let distances = all_pairs(distance, &batch.tensor(), &batch.tensor());
    let mined = mine(miner, &distances, distance, DIM as i64, &batch.labels());
    (distances, mined)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A tensor's number, against what a loop found; nothing to learn from costs nothing.
fn agrees(found: &Tensor, expected: Option<f64>, tolerance: f64) -> Result<(), TestCaseError> {
    let found = found.double_value(&[]);
    match expected {
        Some(expected) => prop_assert!(
            (found - expected).abs() < tolerance * (1.0 + expected.abs()),
            "{found} {expected}"
        ),
        None => prop_assert!(found == 0.0, "{found}"),
    }
    Ok(())
}

fn cost(gap: f64, margin: Margin) -> f64 {
    match margin {
        Margin::Hard(margin) => (gap + margin).max(0.0),
        Margin::Soft => gap.exp().ln_1p(),
    }
}

fn cosine(batch: &Batch, a: usize, b: usize) -> f64 {
    1.0 - batch.distance(Distance::Cosine, a, b)
}

fn unit(row: &[f32]) -> Vec<f64> {
    let length = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    row.iter()
        .map(|&v| f64::from(v) / (length + 1e-12).sqrt())
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `-ln softmax(logits)[own]`.
fn cross_entropy(logits: &[f64], own: usize) -> f64 {
    logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[own]
}

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
    fn batch_hard_takes_the_farthest_positive_and_the_nearest_negative(batch in batches()) {
        for distance in DISTANCES {
            let (_, mined) = mined(&batch, distance, Miner::BatchHard);
            let found = triplets(&mined);
            let mut anchors = vec![];
            for [anchor, positive, negative] in found {
                anchors.push(anchor);
                let apart = |other: usize| batch.distance(distance, anchor, other);
                let positives = others(&batch, anchor, true);
                let negatives = others(&batch, anchor, false);
                prop_assert!(positives.contains(&positive) && negatives.contains(&negative));
                prop_assert!(positives.iter().all(|&p| apart(p) <= apart(positive) + 1e-3));
                prop_assert!(negatives.iter().all(|&n| apart(n) >= apart(negative) - 1e-3));
            }
            let expected: Vec<usize> = (0..batch.len())
                .filter(|&a| !others(&batch, a, true).is_empty() && !others(&batch, a, false).is_empty())
                .collect();
            prop_assert_eq!(anchors, expected);
        }
    }

    #[test]
    fn semi_hard_negatives_are_farther_than_the_positive_where_any_is(batch in batches()) {
        for distance in DISTANCES {
            let (_, mined) = mined(&batch, distance, Miner::SemiHard);
            let found = triplets(&mined);
            let expected = pairs(&batch)
                .into_iter()
                .filter(|&(a, _, same)| same && !others(&batch, a, false).is_empty())
                .count();
            prop_assert_eq!(found.len(), expected);
            for [anchor, positive, negative] in found {
                let apart = |other: usize| batch.distance(distance, anchor, other);
                let negatives = others(&batch, anchor, false);
                prop_assert!(negatives.contains(&negative));
                let own = apart(positive);
                // Rounding decides about negatives as far as the positive.
                let farther: Vec<usize> =
                    negatives.iter().copied().filter(|&n| apart(n) > own + 1e-3).collect();
                if !farther.is_empty() {
                    prop_assert!(apart(negative) > own - 1e-3);
                    prop_assert!(farther.iter().all(|&n| apart(n) >= apart(negative) - 1e-3));
                } else if negatives.iter().all(|&n| apart(n) < own - 1e-3) {
                    prop_assert!(negatives.iter().all(|&n| apart(n) <= apart(negative) + 1e-3));
                }
            }
        }
    }

    #[test]
    fn multi_similarity_mines_pairs_harder_than_the_easiest_of_the_other_kind(batch in batches()) {
        let (_, mined) = mined(&batch, Distance::Cosine, Miner::MultiSimilarity);
        let (positives, negatives) = mined.pairs();
        let found = [chosen(&positives), chosen(&negatives)];
        for (anchor, other, same) in pairs(&batch) {
            let alike = |o: &usize| cosine(&batch, anchor, *o);
            let least = others(&batch, anchor, true).iter().map(alike).fold(f64::INFINITY, f64::min);
            let most = others(&batch, anchor, false).iter().map(alike).fold(f64::NEG_INFINITY, f64::max);
            let gap = match same {
                true => most + 0.1 - alike(&other),
                false => alike(&other) - (least - 0.1),
            };
            let is_found = found[usize::from(!same)].contains(&(anchor, other));
            prop_assert!(gap.abs() < 1e-3 || is_found == (gap > 0.0), "{anchor} {other} {gap}");
        }
        let all = found.iter().map(Vec::len).sum::<usize>();
        prop_assert!(all <= pairs(&batch).len());
    }

    #[test]
    fn distance_weighted_negatives_are_negatives(batch in batches()) {
        let (_, mined) = mined(&batch, Distance::Cosine, Miner::DistanceWeighted);
        let found = triplets(&mined);
        let positives = pairs(&batch).into_iter();
        let expected = positives.filter(|&(a, _, same)| same && !others(&batch, a, false).is_empty());
        prop_assert_eq!(found.len(), expected.count());
        for [anchor, positive, negative] in found {
            prop_assert!(others(&batch, anchor, true).contains(&positive));
            let negatives = others(&batch, anchor, false);
            prop_assert!(negatives.contains(&negative));
            let far = |n: usize| 2.0 - 2.0 * cosine(&batch, anchor, n) > 1.4 * 1.4 + 1e-3;
            prop_assert!(!far(negative) || negatives.iter().all(|&n| far(n) || 2.0 - 2.0 * cosine(&batch, anchor, n) > 1.95));
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

/// Triplets hold pairs too, for losses that look at pairs.
#[test]
fn pairs_of_triplets_are_those_they_hold() {
    let mined = Mined::Triplets {
        samples: 4,
        anchors: Tensor::from_slice(&[0i64, 0, 3]),
        positives: Tensor::from_slice(&[1i64, 1, 2]),
        negatives: Tensor::from_slice(&[2i64, 3, 0]),
    };
    let (positives, negatives) = mined.pairs();
    assert_eq!(chosen(&positives), [(0, 1), (3, 2)]);
    assert_eq!(chosen(&negatives), [(0, 2), (0, 3), (3, 0)]);
}

/// The density of distances on a sphere: draws over many bins are even.
#[test]
fn distance_weighted_draws_evenly_over_distances() {
    tch::manual_seed(5);
    let count = 4000;
    // An anchor, its positive, and points all over a sphere of 8 dimensions.
    let points = Tensor::randn([count, 8], (Kind::Float, Device::Cpu));
    let classes = Tensor::arange(count, (Kind::Int64, Device::Cpu));
    let _ = classes.narrow(0, 1, 1).fill_(0);
    let _ = points.get(1).copy_(&points.get(0));
    let labels = Labels {
        class: classes,
        genuine: Tensor::ones([count], (Kind::Bool, Device::Cpu)),
    };
    let distances = all_pairs(Distance::Cosine, &points, &points);
    let row = Vec::<f32>::try_from(distances.get(0)).unwrap();
    let mut bins = [0usize; 4];
    for _ in 0..40 {
        let mined = mine(
            Miner::DistanceWeighted,
            &distances,
            Distance::Cosine,
            8,
            &labels,
        );
        let of_first = triplets(&mined).into_iter().find(|t| t[0] == 0).unwrap();
        let apart = (2.0 * row[of_first[2]]).sqrt();
        // From 0.6 to 1.4, where there are points in every bin.
        bins[((f64::from(apart) - 0.6) / 0.2).clamp(0.0, 3.0) as usize] += 1;
    }
    // Drawn evenly over points, four fifths would be in the last bin.
    assert!(bins[3] < 24 && bins[0] > 2, "{bins:?}");
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
