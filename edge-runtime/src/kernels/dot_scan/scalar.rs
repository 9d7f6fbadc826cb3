//! The reference: plain loops, the oracle of every other instruction set.

use super::{COMPONENTS, Collector, Line, OFFSET, Queries, ROWS};

/// As [`dot_scan`](super::dot_scan) says.
pub fn dot_scan(lines: &[Line], queries: &Queries, collector: &mut impl Collector) {
    let blocks = lines.chunks_exact(queries.line_count().max(1));
    for (index, block) in blocks.enumerate() {
        for query in 0..queries.count() {
            let scores = scores(block, queries, query);
            let floor = collector.floor(query);
            if scores.iter().any(|&score| score > floor) {
                collector.collect(query, index, &scores);
            }
        }
    }
}

/// `sum (stored - 128) * query` for each row of a block.
fn scores(block: &[Line], queries: &Queries, query: usize) -> [i32; ROWS] {
    let mut sums = [0i32; ROWS];
    for (line, line_of_queries) in block.iter().zip(queries.lines()) {
        let parts = line.as_chunks::<COMPONENTS>().0;
        for (sum, stored) in sums.iter_mut().zip(parts) {
            for (&stored, &value) in stored.iter().zip(&line_of_queries[query]) {
                *sum += i32::from(i16::from(stored) - i16::from(OFFSET)) * i32::from(value);
            }
        }
    }
    sums
}
