//! NEON with the dot product instructions of Armv8.2: 16 products an instruction.
//!
//! `sdot` multiplies int8 with int8, so a stored byte becomes the component it stands for
//! and sums begin at 0.
#![allow(
    unsafe_code,
    reason = "bytes become registers, and a call that needs a feature"
)]

use core::arch::aarch64::{
    int32x4_t, uint8x16_t, vcgtq_s32, vdupq_n_s32, vdupq_n_u8, veorq_u8, vmaxvq_u32,
    vreinterpretq_s8_s32, vreinterpretq_s8_u8,
};

use crate::InstructionSet;
use crate::sdot::sdot;

use super::{Collector, OFFSET, Queries, ROWS, Stripe, scalar};

/// Registers of a stripe, and of the sums of a query.
const REGISTERS: usize = 16;

/// Registers that are taken together, and queries: 16 sums, the rows and a query leave
/// some of the 32 registers free, and what is loaded serves 4 products.
const TAKEN: usize = 4;
const QUERIES: usize = 4;

/// As [`dot_scan`](super::dot_scan) says.
pub fn dot_scan(stripes: &[Stripe], queries: &Queries, collector: &mut impl Collector) {
    if InstructionSet::NeonDotprod.is_supported() {
        // SAFETY: the processor has what `scan` is compiled for.
        unsafe { scan(stripes, queries, collector) }
    } else {
        scalar::dot_scan(stripes, queries, collector);
    }
}

#[target_feature(enable = "neon,dotprod")]
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
#[target_feature(enable = "neon,dotprod")]
fn scan_block<const Q: usize>(
    block: &[Stripe],
    index: usize,
    queries: &Queries,
    query: usize,
    collector: &mut impl Collector,
) {
    let mut sums = [[vdupq_n_s32(0); REGISTERS]; Q];
    for part in 0..REGISTERS / TAKEN {
        let products = multiply::<Q>(block, part, queries, query);
        for (sums, products) in sums.iter_mut().zip(products) {
            sums.as_chunks_mut().0[part] = products;
        }
    }
    for (place, sums) in sums.iter().enumerate() {
        let floor = collector.floor(query + place);
        let floors = vdupq_n_s32(floor);
        let exceed = |&sums: &int32x4_t| vmaxvq_u32(vcgtq_s32(sums, floors)) != 0;
        if sums.iter().any(exceed) {
            let scores = to_scores(*sums);
            let exceeding = scalar::exceeding(&scores, floor);
            collector.collect(query + place, index, &scores, exceeding);
        }
    }
}

/// The inner products of `Q` queries with the rows of a block that the `part`th
/// [`TAKEN`] registers of each stripe hold.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn multiply<const Q: usize>(
    block: &[Stripe],
    part: usize,
    queries: &Queries,
    query: usize,
) -> [[int32x4_t; TAKEN]; Q] {
    let mut sums = [[vdupq_n_s32(0); TAKEN]; Q];
    let offset = vdupq_n_u8(OFFSET);
    for (stripe, values) in block.iter().zip(queries.stripes()) {
        let stored = to_registers(stripe.as_chunks().0[part]);
        let rows = stored.map(|stored| vreinterpretq_s8_u8(veorq_u8(stored, offset)));
        for (place, sums) in sums.iter_mut().enumerate() {
            let values = i32::from_le_bytes(values[query + place].map(i8::cast_unsigned));
            let values = vreinterpretq_s8_s32(vdupq_n_s32(values));
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = sdot(*sum, rows, values);
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "neon")]
fn to_registers(part: [u8; size_of::<Stripe>() * TAKEN / REGISTERS]) -> [uint8x16_t; TAKEN] {
    // SAFETY: registers are of any bits, and both are 64 bytes.
    unsafe { core::mem::transmute::<[u8; _], [uint8x16_t; TAKEN]>(part) }
}

#[inline]
#[target_feature(enable = "neon")]
fn to_scores(sums: [int32x4_t; REGISTERS]) -> [i32; ROWS] {
    // SAFETY: integers are of any bits, and both are 256 bytes.
    unsafe { core::mem::transmute::<[int32x4_t; REGISTERS], [i32; ROWS]>(sums) }
}
