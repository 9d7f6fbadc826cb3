//! Sixteen channels to a register, four products a lane.

use core::arch::x86_64::*;
use core::array::from_fn;

use super::packed::{Pack, Tile, Tiles};
use crate::requantize::avx512::{Requantize, store, store_four};

pub(super) struct Avx512Vnni;

impl Tiles for Avx512Vnni {
    const LANES: usize = 16;
    const GROUPS: usize = 4;
    const PACKED: usize = 64;
    const PACK: Option<Pack> = None;
    const OFFSET: u8 = 0;

    fn pixels(groups: usize) -> usize {
        match groups {
            1 | 2 => 12,
            _ => 6,
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
        macro_rules! dispatch {
            ($($groups:literal: $($pixels:literal x $ways:literal),+;)+) => {
                match (groups, pixels) {
                    // SAFETY: as the caller promises.
                    $($(($groups, $pixels) => unsafe { run::<$pixels, $groups, $ways>(tile) },)+)+
                    _ => unreachable!("tiles are no larger than the constants say"),
                }
            };
        }
        dispatch! {
            1: 1 x 4, 2 x 4, 3 x 2, 4 x 2, 5 x 2, 6 x 1, 7 x 1, 8 x 1, 9 x 1, 10 x 1, 11 x 1, 12 x 1;
            2: 1 x 4, 2 x 2, 3 x 1, 4 x 1, 5 x 1, 6 x 1, 7 x 1, 8 x 1, 9 x 1, 10 x 1, 11 x 1, 12 x 1;
            4: 1 x 4, 2 x 1, 3 x 1, 4 x 1, 5 x 1, 6 x 1;
        }
    }
}

/// A tile of `PIXELS` by `GROUPS` registers; few sums are split `WAYS`, so that one
/// product need not wait for the one before.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn run<const PIXELS: usize, const GROUPS: usize, const WAYS: usize>(tile: &Tile<'_>) {
    // SAFETY: the caller promises that the tile's pointers reach as far as is read and
    // written here: rows of `steps * 4` bytes for each pixel, `rows * steps * GROUPS`
    // packed registers, constants of `GROUPS` registers, and an output of `channels` bytes
    // for each pixel.
    unsafe {
        let mut sums = [[[_mm512_setzero_si512(); GROUPS]; PIXELS]; WAYS];
        for pixel in &mut sums[0] {
            for (group, sum) in pixel.iter_mut().enumerate() {
                *sum = _mm512_loadu_epi32(tile.bias.add(group * 16));
            }
        }
        let mut weights = tile.weights;
        for &row in tile.rows {
            // Pixels are reached from the first of each four, as addresses can be written.
            let mut fours = [0, 4, 8].map(|pixel| row.wrapping_add(pixel * tile.pixel_step));
            let mut left = tile.steps;
            while left >= WAYS {
                for (step, sums) in sums.iter_mut().enumerate() {
                    let at = fours.map(|four| four.wrapping_add(4 * step));
                    let weights = weights.add(step * GROUPS * 64);
                    multiply(sums, at, tile.pixel_step, weights);
                }
                fours = fours.map(|four| four.wrapping_add(4 * WAYS));
                weights = weights.add(WAYS * GROUPS * 64);
                left -= WAYS;
            }
            while left > 0 {
                multiply(&mut sums[0], fours, tile.pixel_step, weights);
                fours = fours.map(|four| four.wrapping_add(4));
                weights = weights.add(GROUPS * 64);
                left -= 1;
            }
        }
        let constants = Requantize::new(tile.zero_point);
        let multipliers: [__m512; GROUPS] =
            from_fn(|group| _mm512_loadu_ps(tile.multipliers.add(group * 16)));
        // Apart from the sums, which must stay in registers, whatever becomes of the loops.
        let mut totals = sums[0];
        for way in &sums[1..] {
            for (totals, sums) in totals.iter_mut().zip(way) {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = _mm512_add_epi32(*total, *sum);
                }
            }
        }
        let mut pixel = 0;
        if tile.channels == 16 * GROUPS && 4 % GROUPS == 0 {
            // Four registers make a whole one of bytes.
            while pixel + 4 / GROUPS <= PIXELS {
                let four = from_fn(|i| totals[pixel + i / GROUPS][i % GROUPS]);
                let output = tile.output.add(pixel * tile.output_step);
                store_four(four, &multipliers, &constants, output, tile.output_step);
                pixel += 4 / GROUPS;
            }
        }
        while pixel < PIXELS {
            let output = tile.output.add(pixel * tile.output_step);
            store(
                totals[pixel],
                &multipliers,
                &constants,
                output,
                tile.channels,
            );
            pixel += 1;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn multiply<const PIXELS: usize, const GROUPS: usize>(
    sums: &mut [[__m512i; GROUPS]; PIXELS],
    fours: [*const u8; 3],
    pixel_step: usize,
    weights: *const u8,
) {
    // SAFETY: the caller promises four bytes for each pixel and `GROUPS` registers of
    // weights.
    unsafe {
        let filters: [__m512i; GROUPS] =
            from_fn(|group| _mm512_load_si512(weights.add(group * 64).cast()));
        for (pixel, sums) in sums.iter_mut().enumerate() {
            let at = fours[pixel / 4].wrapping_add(pixel % 4 * pixel_step);
            let values = at.cast::<i32>().read_unaligned();
            let values = _mm512_set1_epi32(values);
            for (sum, filter) in sums.iter_mut().zip(filters) {
                *sum = _mm512_dpbusd_epi32(*sum, values, filter);
            }
        }
    }
}
