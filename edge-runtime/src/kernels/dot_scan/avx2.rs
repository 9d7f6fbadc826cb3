//! AVX2: exact products in int16, summed in pairs to int32.
//!
//! `vpmaddubsw`, which multiplies bytes, saturates at 16 bits. Instead a register of
//! bytes becomes two of int16, the even components and the odd, and so does the query;
//! `vpmaddwd` then adds components 0 and 2, or 1 and 3, of the same row.
#![allow(
    unsafe_code,
    reason = "vector loads and stores, and a call that needs a feature"
)]

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_cmpgt_epi32, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srli_epi16,
    _mm256_storeu_si256,
};

use super::{Collector, Line, Queries, ROWS, scalar};

/// Queries that are taken together: with two registers of sums each, and the even and
/// odd halves of a line and of a query, they fill the 16 registers.
const QUERIES: usize = 4;

/// The rows of a block fill two registers of int32.
const HALVES: usize = 2;

/// Whether this processor has the instructions.
pub fn is_supported() -> bool {
    std::is_x86_feature_detected!("avx2")
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

#[target_feature(enable = "avx2")]
fn scan(lines: &[Line], queries: &Queries, collector: &mut impl Collector) {
    let blocks = lines.chunks_exact(queries.line_count().max(1));
    for (index, block) in blocks.enumerate() {
        let mut query = 0;
        while query + QUERIES <= queries.count() {
            scan_tile::<QUERIES>(block, index, queries, query, collector);
            query += QUERIES;
        }
        while query < queries.count() {
            scan_tile::<1>(block, index, queries, query, collector);
            query += 1;
        }
    }
}

/// Compares `Q` queries, the first of which is the one at `query`, with the block at
/// `index`.
#[inline]
#[target_feature(enable = "avx2")]
fn scan_tile<const Q: usize>(
    block: &[Line],
    index: usize,
    queries: &Queries,
    query: usize,
    collector: &mut impl Collector,
) {
    let sums = tile::<Q>(block, queries, query);
    for (place, &[low, high]) in sums.iter().enumerate() {
        let floor = _mm256_set1_epi32(collector.floor(query + place));
        let low_exceeds = _mm256_cmpgt_epi32(low, floor);
        let high_exceeds = _mm256_cmpgt_epi32(high, floor);
        if _mm256_movemask_epi8(_mm256_or_si256(low_exceeds, high_exceeds)) != 0 {
            collector.collect(query + place, index, &store([low, high]));
        }
    }
}

/// The inner products of `Q` queries with the 16 rows of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn tile<const Q: usize>(block: &[Line], queries: &Queries, query: usize) -> [[__m256i; HALVES]; Q] {
    let mut sums = [[_mm256_setzero_si256(); HALVES]; Q];
    for (place, sums) in sums.iter_mut().enumerate() {
        *sums = [_mm256_set1_epi32(queries.bias[query + place]); HALVES];
    }
    let low_bytes = _mm256_set1_epi16(0x00ff);
    for (line, values) in block.iter().zip(queries.lines()) {
        let rows = load(line);
        let even = rows.map(|rows| _mm256_and_si256(rows, low_bytes));
        let odd = rows.map(|rows| _mm256_srli_epi16::<8>(rows));
        for (place, sums) in sums.iter_mut().enumerate() {
            let values = i32::from_le_bytes(values[query + place].map(i8::cast_unsigned));
            let values = _mm256_set1_epi32(values);
            let even_values = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(values));
            let odd_values = _mm256_srai_epi16::<8>(values);
            for (half, sum) in sums.iter_mut().enumerate() {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(even[half], even_values));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(odd[half], odd_values));
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(line: &Line) -> [__m256i; HALVES] {
    let from: *const __m256i = line.as_ptr().cast();
    // SAFETY: a line is 64 readable bytes; the loads ask for no alignment.
    unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store([low, high]: [__m256i; HALVES]) -> [i32; ROWS] {
    let mut scores = [0; ROWS];
    let to: *mut __m256i = scores.as_mut_ptr().cast();
    // SAFETY: `scores` is 64 writable bytes; the stores ask for no alignment.
    unsafe {
        _mm256_storeu_si256(to, low);
        _mm256_storeu_si256(to.add(1), high);
    }
    scores
}
