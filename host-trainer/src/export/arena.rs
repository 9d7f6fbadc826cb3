//! Where activations lie while the network runs: every value gets an offset in one
//! arena, which is to be short. Known as dynamic storage allocation, it is NP-hard
//! (Garey and Johnson, "Computers and intractability", 1979, problem SR2), but networks
//! are small.

mod search;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

/// Offsets are multiples of this, for kernels that load many bytes at once.
const ALIGNMENT: usize = 16;

/// A value that must lie somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Bytes, at least 1.
    pub len: usize,
    /// The step that writes it.
    pub first: usize,
    /// The last step that reads it.
    pub last: usize,
}

impl Lifetime {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn lives_at(&self, step: usize) -> bool {
        self.first <= step && step <= self.last
    }

    /// Bytes until the next value can begin.
    fn aligned_len(&self) -> usize {
        self.len.next_multiple_of(ALIGNMENT)
    }
}

/// An offset for every value, so that no two that live at the same time overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// First byte of each value, a multiple of 16.
    pub offsets: Vec<usize>,
    /// Bytes of the arena.
    pub peak: usize,
}

/// The most bytes that live during one step: no arena is shorter.
pub fn live_bytes(values: &[Lifetime]) -> usize {
    most_of_a_step(values, |live| live.iter().map(|value| value.len).sum())
}

/// Places values by the best of three greedy orders and, where that is longer than it
/// might have to be, by a bounded search, which is exact unless it reaches its bound.
/// The same values get the same places.
pub fn plan(values: &[Lifetime]) -> Placement {
    let greedy = greedy(values);
    search::improve(values, greedy, least_peak(values))
}

/// The shortest arena of three greedy orders, each value at its lowest free place:
/// largest first (Pisarchyk and Lee, "Efficient memory management for deep neural net
/// inference", 2020, section 5.2), largest product of size and lifetime first, and as
/// given.
pub(super) fn greedy(values: &[Lifetime]) -> Placement {
    let keys: [fn(&Lifetime) -> usize; 3] = [
        |value| value.len,
        |value| value.len * (1 + value.last - value.first),
        |_| 0,
    ];
    let placements = keys.iter().map(|key| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by_key(|&index| Reverse(key(&values[index])));
        first_fit(values, &order)
    });
    let shortest = placements.min_by_key(|placement| placement.peak);
    shortest.unwrap_or_default()
}

/// Places values in `order`, each at the lowest place that is free while it lives.
fn first_fit(values: &[Lifetime], order: &[usize]) -> Placement {
    let mut placed: Vec<Option<usize>> = vec![None; values.len()];
    for &index in order {
        let value = &values[index];
        let mut taken: Vec<(usize, usize)> = values
            .iter()
            .zip(&placed)
            .filter(|(other, _)| value.meets(other))
            .filter_map(|(other, offset)| offset.map(|offset| (offset, offset + other.len)))
            .collect();
        taken.sort_unstable();
        let mut place = 0;
        for (start, end) in taken {
            if start >= place + value.len {
                break;
            }
            place = place.max(end.next_multiple_of(ALIGNMENT));
        }
        placed[index] = Some(place);
    }
    Placement::new(values, placed.into_iter().flatten().collect())
}

impl Placement {
    fn new(values: &[Lifetime], offsets: Vec<usize>) -> Self {
        let ends = offsets
            .iter()
            .zip(values)
            .map(|(from, value)| from + value.len);
        let peak = ends.max().unwrap_or(0);
        Self { offsets, peak }
    }
}

/// What no placement at multiples of [`ALIGNMENT`] is shorter than: of the values that
/// live during a step all are padded but the topmost.
fn least_peak(values: &[Lifetime]) -> usize {
    most_of_a_step(values, |live| stacked(live.iter().copied()))
}

/// Bytes of values on top of each other, in the best order.
fn stacked<'a>(values: impl Iterator<Item = &'a Lifetime>) -> usize {
    let padded = values.map(|value| (value.aligned_len(), value.aligned_len() - value.len));
    let (sum, padding) = padded.fold((0, 0), |(sum, most), (len, padding)| {
        (sum + len, most.max(padding))
    });
    sum - padding
}

/// The largest `bytes` of the values that live during one step.
fn most_of_a_step(values: &[Lifetime], bytes: impl Fn(&[&Lifetime]) -> usize) -> usize {
    // No step has more live values than one that writes a value.
    let steps = values.iter().map(|value| value.first);
    let live =
        |step| -> Vec<&Lifetime> { values.iter().filter(|value| value.lives_at(step)).collect() };
    steps.map(|step| bytes(&live(step))).max().unwrap_or(0)
}
