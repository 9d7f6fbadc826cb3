//! The reference: plain loops, the oracle of every other instruction set.

use super::{COMPONENTS, Collector, OFFSET, Queries, ROWS, Stripe};

/// As [`dot_scan`](super::dot_scan) says.
pub fn dot_scan(stripes: &[Stripe], queries: &Queries, collector: &mut impl Collector) {
    for (index, block) in queries.blocks(stripes).enumerate() {
        for query in 0..queries.count() {
            let scores = scores(block, queries, query);
            let exceeding = exceeding(&scores, collector.floor(query));
            if exceeding != 0 {
                collector.collect(query, index, &scores, exceeding);
            }
        }
    }
}

/// Bit `i` says whether the score at `i` exceeds `floor`.
pub(super) fn exceeding(scores: &[i32; ROWS], floor: i32) -> u64 {
    let bits = scores.iter().rev().map(|&score| u64::from(score > floor));
    bits.fold(0, |word, bit| word << 1 | bit)
}

/// `sum (stored - 128) * query` for each row of a block.
fn scores(block: &[Stripe], queries: &Queries, query: usize) -> [i32; ROWS] {
    let mut sums = [0i32; ROWS];
    for (stripe, values) in block.iter().zip(queries.stripes()) {
        let values = values.get(query).copied().unwrap_or_default();
        let parts = stripe.as_chunks::<COMPONENTS>().0;
        for (sum, stored) in sums.iter_mut().zip(parts) {
            *sum = sum.wrapping_add(dot(*stored, values));
        }
    }
    sums
}

/// Wrapping, which does not happen, keeps debug builds fast.
fn dot(stored: [u8; COMPONENTS], values: [i8; COMPONENTS]) -> i32 {
    let pairs = stored.into_iter().zip(values);
    pairs.fold(0i32, |sum, (stored, value)| {
        let component = i32::from(stored) - i32::from(OFFSET);
        sum.wrapping_add(component * i32::from(value))
    })
}
