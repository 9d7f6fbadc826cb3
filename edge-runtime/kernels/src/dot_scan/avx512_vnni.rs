//! AVX-512 with Vector Neural Network Instructions: 64 products an instruction.
#![allow(unsafe_code, reason = "bytes become registers; a call needs a feature")]

use core::arch::x86_64::{
    __m512i, _MM_HINT_T1, _mm_prefetch, _mm512_cmpgt_epi32_mask, _mm512_dpbusd_epi32,
    _mm512_set1_epi32,
};
use core::slice::Iter;

use crate::InstructionSet;

use super::{Collector, Queries, ROWS, Stripe, scalar};

/// Registers of a stripe, and of the sums of a query.
const REGISTERS: usize = 4;

/// Queries that are taken together: 16 sums fill both multipliers' pipelines (two
/// instructions a cycle, of 5 cycles each), and what is loaded, rows or query, serves 4
/// products, so that loads do not limit.
const QUERIES: usize = 4;

/// What a processor moves between memory and its caches.
type CacheLine = [u8; 64];

/// How many blocks ahead is read from memory to the second-level cache. A batch spends so
/// long on a block that the processor's own prefetching, which follows loads, idles.
const AHEAD: usize = 2;

/// As [`dot_scan`](super::dot_scan) says.
pub fn dot_scan(stripes: &[Stripe], queries: &Queries, collector: &mut impl Collector) {
    if InstructionSet::Avx512Vnni.is_supported() {
        // SAFETY: the processor has what `scan` is compiled for.
        unsafe { scan(stripes, queries, collector) }
    } else {
        scalar::dot_scan(stripes, queries, collector);
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn scan(stripes: &[Stripe], queries: &Queries, collector: &mut impl Collector) {
    let mut later = queries.blocks(stripes).skip(AHEAD);
    for (index, block) in queries.blocks(stripes).enumerate() {
        let later = later.next().unwrap_or_default().as_flattened();
        let mut later = later.as_chunks().0.iter();
        let mut query = 0;
        while query + QUERIES <= queries.count() {
            scan_block::<QUERIES>(block, &mut later, index, queries, query, collector);
            query += QUERIES;
        }
        while query < queries.count() {
            scan_block::<1>(block, &mut later, index, queries, query, collector);
            query += 1;
        }
    }
}

/// Compares `Q` queries, the first of which is the one at `query`, with the block at
/// `index`.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn scan_block<const Q: usize>(
    block: &[Stripe],
    later: &mut Iter<'_, CacheLine>,
    index: usize,
    queries: &Queries,
    query: usize,
    collector: &mut impl Collector,
) {
    let sums = multiply::<Q>(block, later, queries, query);
    for (place, sums) in sums.iter().enumerate() {
        let floor = _mm512_set1_epi32(collector.floor(query + place));
        let mut exceeding = 0;
        for &sums in sums.iter().rev() {
            exceeding = exceeding << 16 | u64::from(_mm512_cmpgt_epi32_mask(sums, floor));
        }
        if exceeding != 0 {
            collector.collect(query + place, index, &to_scores(*sums), exceeding);
        }
    }
}

/// The inner products of `Q` queries with the rows of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn multiply<const Q: usize>(
    block: &[Stripe],
    later: &mut Iter<'_, CacheLine>,
    queries: &Queries,
    query: usize,
) -> [[__m512i; REGISTERS]; Q] {
    let mut sums = [[_mm512_set1_epi32(0); REGISTERS]; Q];
    for (place, sums) in sums.iter_mut().enumerate() {
        *sums = [_mm512_set1_epi32(queries.bias[query + place]); REGISTERS];
    }
    for (stripe, values) in block.iter().zip(queries.stripes()) {
        if let Some(line) = later.next() {
            prefetch(line);
        }
        let rows = to_registers(*stripe);
        for (place, sums) in sums.iter_mut().enumerate() {
            let values = i32::from_le_bytes(values[query + place].map(i8::cast_unsigned));
            let values = _mm512_set1_epi32(values);
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = _mm512_dpbusd_epi32(*sum, rows, values);
            }
        }
    }
    sums
}

#[inline]
fn prefetch(line: &CacheLine) {
    // SAFETY: it reads nothing, and the bytes exist.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn to_registers(stripe: Stripe) -> [__m512i; REGISTERS] {
    // SAFETY: registers are of any bits, and both are 256 bytes.
    unsafe { core::mem::transmute::<Stripe, [__m512i; REGISTERS]>(stripe) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn to_scores(sums: [__m512i; REGISTERS]) -> [i32; ROWS] {
    // SAFETY: integers are of any bits, and both are 256 bytes.
    unsafe { core::mem::transmute::<[__m512i; REGISTERS], [i32; ROWS]>(sums) }
}
