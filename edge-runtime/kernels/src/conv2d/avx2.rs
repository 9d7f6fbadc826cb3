//! Eight channels to a register, 16-bit products.

use core::arch::x86_64::*;
use core::array::from_fn;

use super::packed::{Pack, Tile, Tiles};
use crate::registers::{Dot, Words};
use crate::requantize::avx2::store;

pub(super) struct Avx2;

impl Tiles for Avx2 {
    const LANES: usize = 8;
    const GROUPS: usize = 2;
    const PACKED: usize = Words::PACKED;
    const PACK: Option<Pack> = Some(Words::pack);
    const OFFSET: u8 = 0;

    fn pixels(groups: usize) -> usize {
        [6, 4][groups - 1]
    }

    #[target_feature(enable = "avx2")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
        // SAFETY: as the caller promises.
        unsafe { run(pixels, groups, tile) }
    }
}

#[target_feature(enable = "avx2")]
unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
    // SAFETY: as the caller promises.
    unsafe {
        match (groups, pixels) {
            (1, 1) => compute::<Words, 1, 1>(tile),
            (1, 2) => compute::<Words, 2, 1>(tile),
            (1, 3) => compute::<Words, 3, 1>(tile),
            (1, 4) => compute::<Words, 4, 1>(tile),
            (1, 5) => compute::<Words, 5, 1>(tile),
            (1, _) => compute::<Words, 6, 1>(tile),
            (_, 1) => compute::<Words, 1, 2>(tile),
            (_, 2) => compute::<Words, 2, 2>(tile),
            (_, 3) => compute::<Words, 3, 2>(tile),
            _ => compute::<Words, 4, 2>(tile),
        }
    }
}

/// A tile of `PIXELS` by `GROUPS` registers of eight lanes.
///
/// # Safety
/// It is inlined into a function that is compiled for the instructions of `D`, which the
/// processor has; the tile's pointers reach as far as their fields say.
#[inline(always)]
pub(super) unsafe fn compute<D: Dot, const PIXELS: usize, const GROUPS: usize>(tile: &Tile<'_>) {
    // SAFETY: the caller promises rows of `steps * 4` bytes for each pixel,
    // `rows * steps * GROUPS` packed filters, constants of `GROUPS` registers, and an output
    // of `channels` bytes for each pixel.
    unsafe {
        let bias: [__m256i; GROUPS] =
            from_fn(|group| _mm256_loadu_si256(tile.bias.add(group * 8).cast()));
        let mut sums = [bias; PIXELS];
        let mut weights = tile.weights;
        for &row in tile.rows {
            let mut at = row;
            for _ in 0..tile.steps {
                let filters: [D::Filter; GROUPS] =
                    from_fn(|group| D::filter(weights.add(group * D::PACKED)));
                for (pixel, sums) in sums.iter_mut().enumerate() {
                    let bytes = at.add(pixel * tile.pixel_step).cast::<i32>();
                    let values = D::values(_mm256_set1_epi32(bytes.read_unaligned()));
                    for (sum, filter) in sums.iter_mut().zip(filters) {
                        *sum = D::add(*sum, values, filter);
                    }
                }
                at = at.add(4);
                weights = weights.add(GROUPS * D::PACKED);
            }
        }
        for (pixel, sums) in sums.into_iter().enumerate() {
            for (group, sum) in sums.into_iter().enumerate() {
                let multipliers = _mm256_loadu_ps(tile.multipliers.add(group * 8));
                let output = tile.output.add(pixel * tile.output_step + group * 8);
                store(
                    sum,
                    multipliers,
                    tile.zero_point,
                    output,
                    tile.channels - group * 8,
                );
            }
        }
    }
}
