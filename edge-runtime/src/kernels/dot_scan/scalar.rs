//! The reference: plain loops, the oracle of every other instruction set.

use super::{COMPONENTS, Collector, OFFSET, Queries, ROWS, Stripe};

/// As [`dot_scan`](super::dot_scan) says.
pub fn dot_scan(stripes: &[Stripe], queries: &Queries, collector: &mut impl Collector) {
    for (index, block) in queries.blocks(stripes).enumerate() {
        for query in 0..queries.count() {
            let scores = scores(block, queries, query);
            let floor = collector.floor(query);
            let exceeding = scores
                .iter()
                .rev()
                .fold(0, |bits, &score| bits << 1 | u64::from(score > floor));
            if exceeding != 0 {
                collector.collect(query, index, &scores, exceeding);
            }
        }
    }
}

/// `sum (stored - 128) * query` for each row of a block.
fn scores(block: &[Stripe], queries: &Queries, query: usize) -> [i32; ROWS] {
    let mut sums = [0i32; ROWS];
    for (stripe, values) in block.iter().zip(queries.stripes()) {
        let parts = stripe.as_chunks::<COMPONENTS>().0;
        for (sum, stored) in sums.iter_mut().zip(parts) {
            for (&stored, &value) in stored.iter().zip(&values[query]) {
                *sum += i32::from(i16::from(stored) - i16::from(OFFSET)) * i32::from(value);
            }
        }
    }
    sums
}
