//! Sixteen channels to a block, four products of signed bytes a lane.

use core::arch::aarch64::*;
use core::array::from_fn;

use super::neon::{Column, dispatch};
use super::packed::{Tile, Tiles};
use crate::sdot::sdot;

pub(super) struct NeonDotprod;

impl Tiles for NeonDotprod {
    const CHANNELS: usize = 16;
    const PACKED: usize = 64;
    const BLOCKS: usize = 4;
    const OFFSET: u8 = 128;

    fn pack(weights: &[[i8; 4]], packed: &mut [u8]) {
        for (quad, packed) in weights.iter().zip(packed.chunks_exact_mut(4)) {
            packed.copy_from_slice(&quad.map(|weight| weight as u8));
        }
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const u8; 4], interleaved: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { interleave(rows, interleaved) }
    }

    #[target_feature(enable = "neon,dotprod")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(blocks: usize, tile: &Tile) {
        // SAFETY: as the caller promises.
        unsafe { run(blocks, tile) }
    }
}

/// The bytes are made signed here, once for all the columns that they will be read as.
#[target_feature(enable = "neon")]
unsafe fn interleave(rows: [*const u8; 4], interleaved: *mut u8) {
    let offset = vdupq_n_u8(NeonDotprod::OFFSET);
    // SAFETY: the caller promises 16 bytes in each row and 64 in the target.
    unsafe {
        let [a, b, c, d] = rows.map(|row| veorq_u8(vld1q_u8(row), offset));
        let [ab, cd] = [(a, b), (c, d)].map(|(even, odd)| {
            [vzip1q_u8(even, odd), vzip2q_u8(even, odd)].map(|pairs| vreinterpretq_u16_u8(pairs))
        });
        let registers = [
            vzip1q_u16(ab[0], cd[0]),
            vzip2q_u16(ab[0], cd[0]),
            vzip1q_u16(ab[1], cd[1]),
            vzip2q_u16(ab[1], cd[1]),
        ];
        for (index, register) in registers.into_iter().enumerate() {
            vst1q_u8(interleaved.add(index * 16), vreinterpretq_u8_u16(register));
        }
    }
}

#[target_feature(enable = "neon,dotprod")]
unsafe fn run(blocks: usize, tile: &Tile) {
    // SAFETY: as the caller promises.
    unsafe { dispatch::<NeonDotprod>(blocks, tile) }
}

impl Column for NeonDotprod {
    #[inline(always)]
    unsafe fn add<const BLOCKS: usize>(
        sums: &mut [[int32x4_t; 4]; BLOCKS],
        column: *const u8,
        block_step: usize,
        weights: *const u8,
    ) {
        // SAFETY: the caller promises 64 bytes of each block and as many of weights.
        unsafe {
            let filters: [int8x16_t; 4] = from_fn(|index| vld1q_s8(weights.add(index * 16).cast()));
            for (block, sums) in sums.iter_mut().enumerate() {
                let values = column.add(block * block_step);
                for (index, (sum, filter)) in sums.iter_mut().zip(filters).enumerate() {
                    *sum = sdot(*sum, vld1q_s8(values.add(index * 16).cast()), filter);
                }
            }
        }
    }
}
