//! Sixty-four channels to a block.

use core::arch::x86_64::*;
use core::array::from_fn;

use super::packed::{Tile, Tiles};
use crate::requantize::avx512::{Requantize, store_interleaved};

pub(super) struct Avx512Vnni;

impl Tiles for Avx512Vnni {
    const CHANNELS: usize = 64;
    const PACKED: usize = 256;
    const BLOCKS: usize = 4;
    const OFFSET: u8 = 0;

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

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(blocks: usize, tile: &Tile) {
        // SAFETY: as the caller promises.
        unsafe {
            match blocks {
                1 => run::<1>(tile),
                2 => run::<2>(tile),
                3 => run::<3>(tile),
                _ => run::<4>(tile),
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn interleave(rows: [*const u8; 4], interleaved: *mut u8) {
    // SAFETY: the caller promises 64 bytes in each row and 256 in the target.
    unsafe {
        let [a, b, c, d] = rows.map(|row| _mm512_loadu_si512(row.cast()));
        let (low_ab, high_ab) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
        let (low_cd, high_cd) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
        let registers = [
            _mm512_unpacklo_epi16(low_ab, low_cd),
            _mm512_unpackhi_epi16(low_ab, low_cd),
            _mm512_unpacklo_epi16(high_ab, high_cd),
            _mm512_unpackhi_epi16(high_ab, high_cd),
        ];
        for (index, register) in registers.into_iter().enumerate() {
            _mm512_storeu_si512(interleaved.add(index * 64).cast(), register);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn run<const BLOCKS: usize>(tile: &Tile) {
    // SAFETY: the caller promises that the tile's pointers reach as far as is read and
    // written here: `taps` columns of 256 bytes for each block and four rows, as many
    // packed registers, constants of four registers, and an output of `channels` bytes for
    // each block.
    unsafe {
        let bias: [__m512i; 4] = from_fn(|index| _mm512_loadu_epi32(tile.bias.add(index * 16)));
        let mut sums = [bias; BLOCKS];
        let mut weights = tile.weights;
        for four in 0..tile.fours {
            let mut column = tile.columns.add(four * tile.rows_step);
            for _ in 0..tile.taps {
                let filters: [__m512i; 4] =
                    from_fn(|index| _mm512_load_si512(weights.add(index * 64).cast()));
                for (block, sums) in sums.iter_mut().enumerate() {
                    let values = column.add(block * tile.block_step);
                    for (index, (sum, filter)) in sums.iter_mut().zip(filters).enumerate() {
                        let values = _mm512_loadu_si512(values.add(index * 64).cast());
                        *sum = _mm512_dpbusd_epi32(*sum, values, filter);
                    }
                }
                weights = weights.add(256);
                // Past the last tap nothing need be there.
                column = column.wrapping_add(tile.column_step);
            }
        }
        let constants = Requantize::new(tile.zero_point);
        let multipliers: [__m512; 4] =
            from_fn(|index| _mm512_loadu_ps(tile.multipliers.add(index * 16)));
        for (block, sums) in sums.into_iter().enumerate() {
            let output = tile.output.add(block * tile.output_step);
            store_interleaved(sums, &multipliers, &constants, output, tile.channels);
        }
    }
}
