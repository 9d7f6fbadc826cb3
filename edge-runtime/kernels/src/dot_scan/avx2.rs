//! AVX2: exact products in int16, summed in pairs to int32.
//!
//! `vpmaddubsw`, which multiplies bytes, saturates at 16 bits. Instead a register of
//! bytes becomes two of int16, the even components and the odd, and so does the query;
//! `vpmaddwd` then adds components 0 and 2, or 1 and 3, of the same row.
#![allow(unsafe_code, reason = "bytes become registers; a call needs a feature")]

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cmpgt_epi32,
    _mm256_madd_epi16, _mm256_movemask_ps, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srli_epi16,
};

use crate::InstructionSet;

use super::{Collector, Queries, ROWS, Stripe, scalar};

/// Registers of a stripe, and of the sums of a query.
const REGISTERS: usize = 8;

/// Registers that are taken together, and queries: 8 sums, the even and odd halves of
/// two registers of rows and of a query, and two products fill the 16 registers.
const TAKEN: usize = 2;
const QUERIES: usize = 4;

/// As [`dot_scan`](super::dot_scan) says.
pub fn dot_scan(stripes: &[Stripe], queries: &Queries, collector: &mut impl Collector) {
    if InstructionSet::Avx2.is_supported() {
        // SAFETY: the processor has what `scan` is compiled for.
        unsafe { scan(stripes, queries, collector) }
    } else {
        scalar::dot_scan(stripes, queries, collector);
    }
}

#[target_feature(enable = "avx2")]
fn scan(stripes: &[Stripe], queries: &Queries, collector: &mut impl Collector) {
    for (index, block) in queries.blocks(stripes).enumerate() {
        let mut query = 0;
        while query + QUERIES <= queries.count() {
            scan_block::<QUERIES>(block, index, queries, query, collector);
            query += QUERIES;
        }
        while query < queries.count() {
            scan_block::<1>(block, index, queries, query, collector);
            query += 1;
        }
    }
}

/// Compares `Q` queries, the first of which is the one at `query`, with the block at
/// `index`.
#[inline]
#[target_feature(enable = "avx2")]
fn scan_block<const Q: usize>(
    block: &[Stripe],
    index: usize,
    queries: &Queries,
    query: usize,
    collector: &mut impl Collector,
) {
    let mut sums = [[_mm256_setzero_si256(); REGISTERS]; Q];
    for part in 0..REGISTERS / TAKEN {
        let products = multiply::<Q>(block, part, queries, query);
        for (sums, products) in sums.iter_mut().zip(products) {
            sums.as_chunks_mut().0[part] = products;
        }
    }
    for (place, sums) in sums.iter().enumerate() {
        let floor = _mm256_set1_epi32(collector.floor(query + place));
        let mut exceeding = 0;
        for &sums in sums.iter().rev() {
            let lanes = _mm256_castsi256_ps(_mm256_cmpgt_epi32(sums, floor));
            exceeding = exceeding << 8 | u64::from(_mm256_movemask_ps(lanes).cast_unsigned());
        }
        if exceeding != 0 {
            collector.collect(query + place, index, &to_scores(*sums), exceeding);
        }
    }
}

/// The inner products of `Q` queries with the rows of a block that the `part`th
/// [`TAKEN`] registers of each stripe hold.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply<const Q: usize>(
    block: &[Stripe],
    part: usize,
    queries: &Queries,
    query: usize,
) -> [[__m256i; TAKEN]; Q] {
    let mut sums = [[_mm256_setzero_si256(); TAKEN]; Q];
    for (place, sums) in sums.iter_mut().enumerate() {
        *sums = [_mm256_set1_epi32(queries.bias[query + place]); TAKEN];
    }
    let low_bytes = _mm256_set1_epi16(0x00ff);
    for (stripe, values) in block.iter().zip(queries.stripes()) {
        let rows = to_registers(stripe.as_chunks().0[part]);
        let even = rows.map(|rows| _mm256_and_si256(rows, low_bytes));
        let odd = rows.map(|rows| _mm256_srli_epi16::<8>(rows));
        for (place, sums) in sums.iter_mut().enumerate() {
            let values = i32::from_le_bytes(values[query + place].map(i8::cast_unsigned));
            let values = _mm256_set1_epi32(values);
            let even_values = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(values));
            let odd_values = _mm256_srai_epi16::<8>(values);
            for ((sum, even), odd) in sums.iter_mut().zip(even).zip(odd) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(even, even_values));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(odd, odd_values));
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2")]
fn to_registers(part: [u8; size_of::<Stripe>() * TAKEN / REGISTERS]) -> [__m256i; TAKEN] {
    // SAFETY: registers are of any bits, and both are 64 bytes.
    unsafe { core::mem::transmute::<[u8; _], [__m256i; TAKEN]>(part) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn to_scores(sums: [__m256i; REGISTERS]) -> [i32; ROWS] {
    // SAFETY: integers are of any bits, and both are 256 bytes.
    unsafe { core::mem::transmute::<[__m256i; REGISTERS], [i32; ROWS]>(sums) }
}
