//! Sixteen channels to a block, 16-bit products.
//!
//! The products are as exact as those of the [convolution](crate::conv2d). Each
//! row is multiplied by itself, so "interleaved" rows just follow each other.

use core::arch::aarch64::*;
use core::array::from_fn;

use super::packed::{Tile, Tiles};
use crate::requantize::neon::store;

pub(super) struct Neon;

impl Tiles for Neon {
    const CHANNELS: usize = 16;
    const PACKED: usize = 128;
    const BLOCKS: usize = 4;
    const OFFSET: u8 = 0;

    fn pack(weights: &[[i8; 4]], packed: &mut [u8]) {
        for (row, packed) in packed.chunks_exact_mut(32).enumerate() {
            for (quad, packed) in weights.iter().zip(packed.chunks_exact_mut(2)) {
                packed.copy_from_slice(&i16::from(quad[row]).to_le_bytes());
            }
        }
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const u8; 4], interleaved: *mut u8) {
        for (index, row) in rows.into_iter().enumerate() {
            // SAFETY: the caller promises 16 bytes in each row and 64 in the target.
            unsafe { vst1q_u8(interleaved.add(index * 16), vld1q_u8(row)) };
        }
    }

    #[target_feature(enable = "neon")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(blocks: usize, tile: &Tile) {
        // SAFETY: as the caller promises.
        unsafe { run(blocks, tile) }
    }
}

#[target_feature(enable = "neon")]
unsafe fn run(blocks: usize, tile: &Tile) {
    // SAFETY: as the caller promises.
    unsafe { dispatch::<Neon>(blocks, tile) }
}

/// What NEON and its dot product instructions do differently.
pub(super) trait Column: Tiles {
    /// Adds the products of four rows of one column to the sums of `BLOCKS` blocks, whose
    /// columns are `block_step` bytes from each other.
    ///
    /// # Safety
    /// It is inlined into a function that is compiled for the instructions, which the
    /// processor has; each block has 64 bytes and there are packed filters of one column.
    unsafe fn add<const BLOCKS: usize>(
        sums: &mut [[int32x4_t; 4]; BLOCKS],
        column: *const u8,
        block_step: usize,
        weights: *const u8,
    );
}

impl Column for Neon {
    #[inline(always)]
    unsafe fn add<const BLOCKS: usize>(
        sums: &mut [[int32x4_t; 4]; BLOCKS],
        column: *const u8,
        block_step: usize,
        weights: *const u8,
    ) {
        // SAFETY: the caller promises 64 bytes of each block and 128 of weights.
        unsafe {
            for row in 0..4 {
                let weights = weights.add(row * 32);
                let [low, high] = [0, 16].map(|at| vld1q_s16(weights.add(at).cast()));
                for (block, [a, b, c, d]) in sums.iter_mut().enumerate() {
                    let bytes = vld1q_u8(column.add(block * block_step + row * 16));
                    let first = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
                    let last = vreinterpretq_s16_u16(vmovl_high_u8(bytes));
                    *a = vmlal_s16(*a, vget_low_s16(first), vget_low_s16(low));
                    *b = vmlal_high_s16(*b, first, low);
                    *c = vmlal_s16(*c, vget_low_s16(last), vget_low_s16(high));
                    *d = vmlal_high_s16(*d, last, high);
                }
            }
        }
    }
}

/// # Safety
/// As [`Tiles::run`]; it is inlined into a function that is compiled for the instructions.
#[inline(always)]
pub(super) unsafe fn dispatch<C: Column>(blocks: usize, tile: &Tile) {
    // SAFETY: as the caller promises.
    unsafe {
        match blocks {
            1 => compute::<C, 1>(tile),
            2 => compute::<C, 2>(tile),
            3 => compute::<C, 3>(tile),
            _ => compute::<C, 4>(tile),
        }
    }
}

/// A tile of `BLOCKS` blocks, each of four registers of four lanes.
///
/// # Safety
/// As [`dispatch`], for a tile of this size.
#[inline(always)]
unsafe fn compute<C: Column, const BLOCKS: usize>(tile: &Tile) {
    // SAFETY: the caller promises `taps` columns of 64 bytes for each block and four rows,
    // as many packed filters, constants of four registers, and an output of `channels` bytes
    // for each block.
    unsafe {
        let bias: [int32x4_t; 4] = from_fn(|index| vld1q_s32(tile.bias.add(index * 4)));
        let mut sums = [bias; BLOCKS];
        let mut weights = tile.weights;
        for four in 0..tile.fours {
            let mut column = tile.columns.add(four * tile.rows_step);
            for _ in 0..tile.taps {
                C::add(&mut sums, column, tile.block_step, weights);
                weights = weights.add(C::PACKED);
                // Past the last tap nothing need be there.
                column = column.wrapping_add(tile.column_step);
            }
        }
        let multipliers: [float32x4_t; 4] =
            from_fn(|index| vld1q_f32(tile.multipliers.add(index * 4)));
        for (block, sums) in sums.into_iter().enumerate() {
            let output = tile.output.add(block * tile.output_step);
            store(sums, &multipliers, tile.zero_point, output, tile.channels);
        }
    }
}
