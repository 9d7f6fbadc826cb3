//! AVX-512 with Vector Neural Network Instructions: 64 products an instruction.
#![allow(
    unsafe_code,
    reason = "vector loads and stores, and a call that needs a feature"
)]

use core::arch::x86_64::{
    __m512i, _mm512_cmpgt_epi32_mask, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_storeu_si512,
};

use super::{Collector, Line, Queries, ROWS, scalar};

/// Blocks that are taken together, and queries: 16 sums fill both multipliers' pipelines
/// (2 a cycle, 4 to 5 cycles each), and each line loaded serves 4 products, so that loads
/// do not limit.
const BLOCKS: usize = 4;
const QUERIES: usize = 4;

/// Whether this processor has the instructions.
pub fn is_supported() -> bool {
    std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vnni")
}

/// As [`dot_scan`](super::dot_scan) says.
pub fn dot_scan(lines: &[Line], queries: &Queries, collector: &mut impl Collector) {
    if is_supported() {
        // SAFETY: the processor has what `scan` is compiled for.
        unsafe { scan(lines, queries, collector) }
    } else {
        scalar::dot_scan(lines, queries, collector);
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn scan(lines: &[Line], queries: &Queries, collector: &mut impl Collector) {
    let line_count = queries.line_count().max(1);
    let groups = lines.chunks_exact(BLOCKS * line_count);
    let rest = groups.remainder();
    let mut block = 0;
    for group in groups {
        scan_blocks::<BLOCKS>(group, block, queries, collector);
        block += BLOCKS;
    }
    for single in rest.chunks_exact(line_count) {
        scan_blocks::<1>(single, block, queries, collector);
        block += 1;
    }
}

/// Compares every query with `B` blocks, the first of which is the one at `block`.
#[target_feature(enable = "avx512f,avx512vnni")]
fn scan_blocks<const B: usize>(
    lines: &[Line],
    block: usize,
    queries: &Queries,
    collector: &mut impl Collector,
) {
    let mut query = 0;
    while query + QUERIES <= queries.count() {
        scan_tile::<B, QUERIES>(lines, block, queries, query, collector);
        query += QUERIES;
    }
    while query < queries.count() {
        scan_tile::<B, 1>(lines, block, queries, query, collector);
        query += 1;
    }
}

/// Compares `Q` queries, the first of which is the one at `query`, with `B` blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn scan_tile<const B: usize, const Q: usize>(
    lines: &[Line],
    block: usize,
    queries: &Queries,
    query: usize,
    collector: &mut impl Collector,
) {
    let sums = tile::<B, Q>(lines, queries, query);
    for (place, sums) in sums.iter().enumerate() {
        for (offset, &sums) in sums.iter().enumerate() {
            let floor = _mm512_set1_epi32(collector.floor(query + place));
            if _mm512_cmpgt_epi32_mask(sums, floor) != 0 {
                collector.collect(query + place, block + offset, &store(sums));
            }
        }
    }
}

/// The inner products of `Q` queries with the 16 rows of each of `B` blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn tile<const B: usize, const Q: usize>(
    lines: &[Line],
    queries: &Queries,
    query: usize,
) -> [[__m512i; B]; Q] {
    let mut sums = [[_mm512_set1_epi32(0); B]; Q];
    for (place, sums) in sums.iter_mut().enumerate() {
        *sums = [_mm512_set1_epi32(queries.bias[query + place]); B];
    }
    let line_count = queries.line_count();
    for (index, values) in queries.lines().iter().enumerate() {
        let mut rows = [_mm512_set1_epi32(0); B];
        for (offset, rows) in rows.iter_mut().enumerate() {
            *rows = load(&lines[offset * line_count + index]);
        }
        for (place, sums) in sums.iter_mut().enumerate() {
            let values = i32::from_le_bytes(values[query + place].map(i8::cast_unsigned));
            let values = _mm512_set1_epi32(values);
            for (sum, &rows) in sums.iter_mut().zip(&rows) {
                *sum = _mm512_dpbusd_epi32(*sum, rows, values);
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &Line) -> __m512i {
    // SAFETY: a line is 64 readable bytes; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(sums: __m512i) -> [i32; ROWS] {
    let mut scores = [0; ROWS];
    // SAFETY: `scores` is 64 writable bytes; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(scores.as_mut_ptr().cast(), sums) };
    scores
}
