//! The pairs of samples that are hardest to tell: impostors that look alike, genuine
//! ones that do not.

use rayon::prelude::*;
use shared::support_set::Comparison;

use super::spread::spread;
use crate::dataset::Kind;
use crate::evaluate::Embedded;

/// Pairs of each sort.
const SHOWN: usize = 12;

/// Of more samples, evenly spread ones are compared: the work grows with the square.
pub const MOST_SAMPLES: usize = 20_000;

/// Two samples, as indices into [`Embedded`], and their distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// One.
    pub left: usize,
    /// The other.
    pub right: usize,
    /// How far apart their embeddings are.
    pub distance: f32,
}

/// The hardest pairs of samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hardest {
    /// Different classes, or a genuine sample with an imitation of its class: nearest
    /// first, one per pair of classes.
    pub impostors: Vec<Pair>,
    /// Genuine samples of one class: farthest first, one per class.
    pub genuine: Vec<Pair>,
    /// Samples that were compared.
    pub samples: usize,
}

impl Hardest {
    /// Compares all samples, each with each.
    pub fn new(embedded: &Embedded, comparison: Comparison) -> Self {
        let all: Vec<usize> = (0..embedded.tensors.len()).collect();
        let chosen = spread(&all, MOST_SAMPLES);
        let tensors = &embedded.tensors;
        let sort = |left: usize, right: usize| {
            let same = tensors.classes[left] == tensors.classes[right];
            match (same, tensors.kinds[left], tensors.kinds[right]) {
                (true, Kind::Genuine, Kind::Genuine) => Some(Sort::Genuine),
                (false, Kind::Genuine, Kind::Genuine) => Some(Sort::Impostor),
                (true, Kind::Genuine, Kind::Forged) => Some(Sort::Impostor),
                _ => None,
            }
        };
        // The hardest of each sample: its nearest impostor, its farthest genuine one.
        let of_sample = |&left: &usize| {
            let mut hardest: [Option<Pair>; 2] = [None, None];
            for &right in chosen.iter().filter(|&&right| right != left) {
                let Some(sort) = sort(left, right) else {
                    continue;
                };
                let embeddings = [left, right].map(|index| embedded.embeddings.get(index));
                let distance = comparison.distance.between(embeddings[0], embeddings[1]);
                let pair = Pair {
                    left,
                    right,
                    distance: distance.unwrap_or(f32::INFINITY),
                };
                let place = &mut hardest[sort as usize];
                if place.is_none_or(|old| sort.is_harder(&pair, &old)) {
                    *place = Some(pair);
                }
            }
            hardest
        };
        let hardest: Vec<[Option<Pair>; 2]> = chosen.par_iter().map(of_sample).collect();
        let class = |index: usize| tensors.classes[index];
        let shown = |sort: Sort| {
            let mut pairs: Vec<Pair> = hardest.iter().filter_map(|h| h[sort as usize]).collect();
            pairs.sort_by(|a, b| match sort {
                Sort::Impostor => a.distance.total_cmp(&b.distance),
                Sort::Genuine => b.distance.total_cmp(&a.distance),
            });
            let mut seen = std::collections::BTreeSet::new();
            pairs.retain(|pair| {
                let (left, right) = (class(pair.left), class(pair.right));
                seen.insert((left.min(right), left.max(right)))
            });
            pairs.truncate(SHOWN);
            pairs
        };
        Self {
            impostors: shown(Sort::Impostor),
            genuine: shown(Sort::Genuine),
            samples: chosen.len(),
        }
    }
}

#[derive(Clone, Copy)]
enum Sort {
    Impostor,
    Genuine,
}

impl Sort {
    fn is_harder(self, new: &Pair, old: &Pair) -> bool {
        match self {
            Self::Impostor => new.distance < old.distance,
            Self::Genuine => new.distance > old.distance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::judged::tests::embedded;
    use super::*;

    /// The naive loop over all pairs is the oracle.
    #[test]
    fn the_hardest_pairs_are_found() {
        for forged in [0, 2] {
            let (embedded, comparison) = embedded(9, 4, forged);
            let found = Hardest::new(&embedded, comparison);
            let (mut nearest, mut farthest) = (f32::INFINITY, 0.0f32);
            let tensors = &embedded.tensors;
            for left in 0..tensors.len() {
                for right in 0..left {
                    let [a, b] = [left, right].map(|index| embedded.embeddings.get(index));
                    let distance = comparison.distance.between(a, b).unwrap_or(f32::NAN);
                    let same = tensors.classes[left] == tensors.classes[right];
                    let forged = [left, right].map(|index| tensors.kinds[index] == Kind::Forged);
                    match (same, forged) {
                        (true, [false, false]) => farthest = farthest.max(distance),
                        (false, [false, false]) | (true, [true, false]) => {
                            nearest = nearest.min(distance);
                        }
                        _ => {}
                    }
                }
            }
            assert_eq!(found.impostors[0].distance, nearest);
            assert_eq!(found.genuine[0].distance, farthest);
            assert_eq!(found.genuine.len(), 9);
            assert_eq!(found.impostors.len(), 12.min(found.impostors.len()));
            let ascending = found.impostors.windows(2);
            assert!(
                ascending
                    .into_iter()
                    .all(|pair| pair[0].distance <= pair[1].distance)
            );
        }
    }
}
