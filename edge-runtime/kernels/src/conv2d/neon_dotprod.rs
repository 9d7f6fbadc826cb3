//! Four channels to a register, four products of signed bytes a lane.

use core::arch::aarch64::*;
use core::array::from_fn;

use super::neon::{PIXELS, Row, dispatch};
use super::packed::{Pack, Tile, Tiles};
use crate::sdot::sdot_lane;

pub(super) struct NeonDotprod;

impl Tiles for NeonDotprod {
    const LANES: usize = 4;
    const GROUPS: usize = PIXELS.len();
    const PACKED: usize = 16;
    const PACK: Option<Pack> = None;
    const OFFSET: u8 = 128;

    fn pixels(groups: usize) -> usize {
        PIXELS[groups - 1]
    }

    #[target_feature(enable = "neon,dotprod")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
        // SAFETY: as the caller promises.
        unsafe { run(pixels, groups, tile) }
    }
}

#[target_feature(enable = "neon,dotprod")]
unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
    // SAFETY: as the caller promises.
    unsafe { dispatch::<NeonDotprod>(pixels, groups, tile) }
}

impl Row for NeonDotprod {
    #[inline(always)]
    unsafe fn add<const PIXELS: usize, const GROUPS: usize>(
        sums: &mut [[int32x4_t; GROUPS]; PIXELS],
        row: *const u8,
        pixel_step: usize,
        steps: usize,
        weights: *const u8,
    ) {
        // SAFETY: the caller promises `steps * 4` bytes of each pixel, of which 16 are read
        // while four steps are left, and a register of weights for each group and step.
        unsafe {
            let (mut row, mut weights, mut left) = (row, weights, steps);
            while left >= 4 {
                let values: [int8x16_t; PIXELS] =
                    from_fn(|pixel| signed(vld1q_u8(row.add(pixel * pixel_step))));
                multiply::<0, _, _>(sums, &values, weights);
                multiply::<1, _, _>(sums, &values, weights.add(GROUPS * 16));
                multiply::<2, _, _>(sums, &values, weights.add(2 * GROUPS * 16));
                multiply::<3, _, _>(sums, &values, weights.add(3 * GROUPS * 16));
                row = row.add(16);
                weights = weights.add(4 * GROUPS * 16);
                left -= 4;
            }
            while left > 0 {
                let values: [int8x16_t; PIXELS] = from_fn(|pixel| {
                    let bytes = row.add(pixel * pixel_step).cast::<u32>();
                    signed(vreinterpretq_u8_u32(vdupq_n_u32(bytes.read_unaligned())))
                });
                multiply::<0, _, _>(sums, &values, weights);
                row = row.add(4);
                weights = weights.add(GROUPS * 16);
                left -= 1;
            }
        }
    }
}

/// Bytes less 128.
#[inline(always)]
unsafe fn signed(bytes: uint8x16_t) -> int8x16_t {
    // SAFETY: as the caller promises.
    unsafe { vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(NeonDotprod::OFFSET))) }
}

/// Adds the products of the bytes in lane `LANE` of `values`.
///
/// # Safety
/// As [`Row::add`], for one step.
#[inline(always)]
unsafe fn multiply<const LANE: usize, const PIXELS: usize, const GROUPS: usize>(
    sums: &mut [[int32x4_t; GROUPS]; PIXELS],
    values: &[int8x16_t; PIXELS],
    weights: *const u8,
) {
    // SAFETY: the caller promises `GROUPS` registers of weights.
    unsafe {
        let filters: [int8x16_t; GROUPS] =
            from_fn(|group| vld1q_s8(weights.add(group * 16).cast()));
        for (sums, &values) in sums.iter_mut().zip(values) {
            for (sum, filter) in sums.iter_mut().zip(filters) {
                *sum = sdot_lane::<LANE>(*sum, filter, values);
            }
        }
    }
}
