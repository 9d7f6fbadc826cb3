//! Thirty-two channels to a block, 16-bit products.

use core::arch::x86_64::*;
use core::array::from_fn;

use super::packed::{Tile, Tiles};
use crate::registers::{Dot, Words};
use crate::requantize::avx2::store_interleaved;

pub(super) struct Avx2;

impl Tiles for Avx2 {
    const CHANNELS: usize = 32;
    const PACKED: usize = 4 * Words::PACKED;
    const BLOCKS: usize = 2;
    const OFFSET: u8 = 0;

    fn pack(weights: &[[i8; 4]], packed: &mut [u8]) {
        let registers = weights
            .chunks_exact(8)
            .zip(packed.chunks_exact_mut(Words::PACKED));
        registers.for_each(|(weights, packed)| Words::pack(weights, packed));
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const u8; 4], interleaved: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { interleave(rows, interleaved) }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(blocks: usize, tile: &Tile) {
        // SAFETY: as the caller promises.
        unsafe { run(blocks, tile) }
    }
}

#[target_feature(enable = "avx2")]
pub(super) unsafe fn interleave(rows: [*const u8; 4], interleaved: *mut u8) {
    // SAFETY: the caller promises 32 bytes in each row and 128 in the target.
    unsafe {
        let [a, b, c, d] = rows.map(|row| _mm256_loadu_si256(row.cast()));
        let (low_ab, high_ab) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
        let (low_cd, high_cd) = (_mm256_unpacklo_epi8(c, d), _mm256_unpackhi_epi8(c, d));
        let registers = [
            _mm256_unpacklo_epi16(low_ab, low_cd),
            _mm256_unpackhi_epi16(low_ab, low_cd),
            _mm256_unpacklo_epi16(high_ab, high_cd),
            _mm256_unpackhi_epi16(high_ab, high_cd),
        ];
        for (index, register) in registers.into_iter().enumerate() {
            _mm256_storeu_si256(interleaved.add(index * 32).cast(), register);
        }
    }
}

#[target_feature(enable = "avx2")]
unsafe fn run(blocks: usize, tile: &Tile) {
    // SAFETY: as the caller promises.
    unsafe {
        match blocks {
            1 => compute::<Words, 1>(tile),
            _ => compute::<Words, 2>(tile),
        }
    }
}

/// A tile of `BLOCKS` blocks, each of four registers of eight lanes.
///
/// # Safety
/// It is inlined into a function that is compiled for the instructions of `D`, which the
/// processor has; the tile's pointers reach as far as their fields say.
#[inline(always)]
pub(super) unsafe fn compute<D: Dot, const BLOCKS: usize>(tile: &Tile) {
    // SAFETY: the caller promises `taps` columns of 128 bytes for each block and four rows,
    // as many packed filters, constants of four registers, and an output of `channels` bytes
    // for each block.
    unsafe {
        let bias: [__m256i; 4] =
            from_fn(|index| _mm256_loadu_si256(tile.bias.add(index * 8).cast()));
        let mut sums = [bias; BLOCKS];
        let mut weights = tile.weights;
        for four in 0..tile.fours {
            let mut column = tile.columns.add(four * tile.rows_step);
            for _ in 0..tile.taps {
                for index in 0..4 {
                    let filter = D::filter(weights.add(index * D::PACKED));
                    for (block, sums) in sums.iter_mut().enumerate() {
                        let bytes = column.add(block * tile.block_step + index * 32);
                        let values = D::values(_mm256_loadu_si256(bytes.cast()));
                        sums[index] = D::add(sums[index], values, filter);
                    }
                }
                weights = weights.add(4 * D::PACKED);
                // Past the last tap nothing need be there.
                column = column.wrapping_add(tile.column_step);
            }
        }
        let multipliers: [__m256; 4] =
            from_fn(|index| _mm256_loadu_ps(tile.multipliers.add(index * 8)));
        for (block, sums) in sums.into_iter().enumerate() {
            let output = tile.output.add(block * tile.output_step);
            store_interleaved(sums, &multipliers, tile.zero_point, output, tile.channels);
        }
    }
}
