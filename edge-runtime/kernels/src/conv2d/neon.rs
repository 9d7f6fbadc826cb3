//! Four channels to a register, 16-bit products.
//!
//! A byte and a weight become 16-bit integers, whose product is added to 32 bits: exact
//! for every uint8 and every int8, -128 included, since nothing is held in less than the
//! 32 bits of the product. (Products of bytes as such would have to be of signed ones,
//! and two of them, `2 * 128 * 128`, can pass what 16 bits hold.)

use core::arch::aarch64::*;
use core::array::from_fn;

use super::packed::{Pack, Tile, Tiles};
use crate::requantize::neon::store;

pub(super) struct Neon;

/// The most pixels of a tile of so many groups: sums, filters and values of one step fit
/// into 32 registers.
pub(super) const PIXELS: [usize; 4] = [8, 8, 6, 4];

impl Tiles for Neon {
    const LANES: usize = 4;
    const GROUPS: usize = PIXELS.len();
    const PACKED: usize = 32;
    const PACK: Option<Pack> = Some(pack);
    const OFFSET: u8 = 0;

    fn pixels(groups: usize) -> usize {
        PIXELS[groups - 1]
    }

    #[target_feature(enable = "neon")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
        // SAFETY: as the caller promises.
        unsafe { run(pixels, groups, tile) }
    }
}

#[target_feature(enable = "neon")]
unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
    // SAFETY: as the caller promises.
    unsafe { dispatch::<Neon>(pixels, groups, tile) }
}

/// What NEON and its dot product instructions do differently.
pub(super) trait Row: Tiles {
    /// Adds the products of one row of taps to the sums of `PIXELS` pixels, `pixel_step`
    /// bytes from each other, by `GROUPS` groups of channels.
    ///
    /// # Safety
    /// It is inlined into a function that is compiled for the instructions, which the
    /// processor has; each pixel has `steps * 4` bytes and there are `steps * GROUPS`
    /// packed filters.
    unsafe fn add<const PIXELS: usize, const GROUPS: usize>(
        sums: &mut [[int32x4_t; GROUPS]; PIXELS],
        row: *const u8,
        pixel_step: usize,
        steps: usize,
        weights: *const u8,
    );
}

impl Row for Neon {
    #[inline(always)]
    unsafe fn add<const PIXELS: usize, const GROUPS: usize>(
        sums: &mut [[int32x4_t; GROUPS]; PIXELS],
        row: *const u8,
        pixel_step: usize,
        steps: usize,
        weights: *const u8,
    ) {
        // SAFETY: the caller promises the bytes that are read here.
        unsafe {
            for step in 0..steps {
                let weights = weights.add(step * GROUPS * Self::PACKED);
                let filters: [[int16x8_t; 2]; GROUPS] = from_fn(|group| {
                    [0, 16].map(|at| vld1q_s16(weights.add(group * 32 + at).cast()))
                });
                for (pixel, sums) in sums.iter_mut().enumerate() {
                    let bytes = row.add(pixel * pixel_step + step * 4).cast::<u32>();
                    let bytes = vcreate_u8(bytes.read_unaligned().into());
                    let values = vget_low_s16(vreinterpretq_s16_u16(vmovl_u8(bytes)));
                    for (sum, [first, last]) in sums.iter_mut().zip(filters) {
                        *sum = vmlal_lane_s16::<0>(*sum, vget_low_s16(first), values);
                        *sum = vmlal_high_lane_s16::<1>(*sum, first, values);
                        *sum = vmlal_lane_s16::<2>(*sum, vget_low_s16(last), values);
                        *sum = vmlal_high_lane_s16::<3>(*sum, last, values);
                    }
                }
            }
        }
    }
}

/// # Safety
/// As [`Tiles::run`]; it is inlined into a function that is compiled for the instructions.
#[inline(always)]
pub(super) unsafe fn dispatch<R: Row>(pixels: usize, groups: usize, tile: &Tile<'_>) {
    macro_rules! dispatch {
        ($($groups:literal: $($pixels:literal),+;)+) => {
            match (groups, pixels) {
                // SAFETY: as the caller promises.
                $($(($groups, $pixels) => unsafe { compute::<R, $pixels, $groups>(tile) },)+)+
                _ => unreachable!("tiles are no larger than the constants say"),
            }
        };
    }
    dispatch! {
        1: 1, 2, 3, 4, 5, 6, 7, 8;
        2: 1, 2, 3, 4, 5, 6, 7, 8;
        3: 1, 2, 3, 4, 5, 6;
        4: 1, 2, 3, 4;
    }
}

/// A tile of `PIXELS` by `GROUPS` registers.
///
/// # Safety
/// As [`dispatch`], for a tile of this size.
#[inline(always)]
unsafe fn compute<R: Row, const PIXELS: usize, const GROUPS: usize>(tile: &Tile<'_>) {
    // SAFETY: the caller promises rows of `steps * 4` bytes for each pixel,
    // `rows * steps * GROUPS` packed filters, constants of `GROUPS` registers, and an output
    // of `channels` bytes for each pixel, at most the `GROUPS * 4` that are computed.
    unsafe {
        let bias: [int32x4_t; GROUPS] = from_fn(|group| vld1q_s32(tile.bias.add(group * 4)));
        let mut sums = [bias; PIXELS];
        let mut weights = tile.weights;
        for &row in tile.rows {
            R::add(&mut sums, row, tile.pixel_step, tile.steps, weights);
            weights = weights.add(tile.steps * GROUPS * R::PACKED);
        }
        let mut multipliers = [vdupq_n_f32(0.0); 4];
        for (group, multipliers) in multipliers.iter_mut().enumerate().take(GROUPS) {
            *multipliers = vld1q_f32(tile.multipliers.add(group * 4));
        }
        for (pixel, sums) in sums.into_iter().enumerate() {
            let mut all = [vdupq_n_s32(0); 4];
            all[..GROUPS].copy_from_slice(&sums);
            let output = tile.output.add(pixel * tile.output_step);
            store(all, &multipliers, tile.zero_point, output, tile.channels);
        }
    }
}

/// Weights as words, byte by byte of the four.
fn pack(weights: &[[i8; 4]], packed: &mut [u8]) {
    for (byte, packed) in packed.chunks_exact_mut(8).enumerate() {
        for (quad, packed) in weights.iter().zip(packed.chunks_exact_mut(2)) {
            packed.copy_from_slice(&i16::from(quad[byte]).to_le_bytes());
        }
    }
}
