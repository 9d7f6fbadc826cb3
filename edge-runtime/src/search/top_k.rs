//! The k best of a stream of scores, in the caller's memory.

/// A row of a gallery and how near it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Which, counted from 0.
    pub row: usize,
    /// The inner product with the query, in steps squared: L^2 for equal
    /// embeddings of unit length, L steps, up to the rounding of their components.
    pub score: i32,
}

/// The best matches so far, in descending order; of equal ones those that came first.
///
/// Keeping them sorted moves up to k of them for each match that gets in. Of `n` in
/// random order about `k (1 + ln(n / k))` do: too few to matter beside reading `n` rows.
#[derive(Debug)]
pub(super) struct TopK<'m> {
    places: &'m mut [Match],
    found: usize,
    floor: i32,
}

impl<'m> TopK<'m> {
    /// Keeps as many as there are `places`.
    pub(super) fn new(places: &'m mut [Match]) -> Self {
        let mut empty = Self {
            places,
            found: 0,
            floor: 0,
        };
        empty.floor = empty.score_to_exceed();
        empty
    }

    /// The score that a later match must exceed to get in.
    pub(super) fn floor(&self) -> i32 {
        self.floor
    }

    fn score_to_exceed(&self) -> i32 {
        if self.found < self.places.len() {
            return i32::MIN;
        }
        self.places.last().map_or(i32::MAX, |worst| worst.score)
    }

    /// Takes in a match whose score exceeds the floor, for the worst one if all places
    /// are taken.
    pub(super) fn offer(&mut self, candidate: Match) {
        if candidate.score <= self.floor {
            return;
        }
        let kept = self.places.get(..self.found).unwrap_or_default();
        let rank = kept.partition_point(|kept| kept.score >= candidate.score);
        self.found = self.places.len().min(self.found + 1);
        if let Some(worse) = self.places.get_mut(rank..self.found) {
            worse.rotate_right(1);
            if let Some(place) = worse.first_mut() {
                *place = candidate;
            }
        }
        self.floor = self.score_to_exceed();
    }
}
