//! Cortex-M with the DSP extension: two products of 16-bit numbers added at once (`smlad`).
//!
//! The inputs of two output pixels are widened to 16 bits less their zero point, taps in the
//! padding as zeros, into a [`Column`] that lies as registers take it; then all output
//! channels, two at a time, read the column and their filters, which stay where they are:
//!
//! ```text
//! column, four taps:  A0 A2 | A1 A3 | B0 B2 | B1 B3     (pixels A, B; halves of words)
//! filter, four taps:  w0 w1 w2 w3  ->  w0 w2 | w1 w3    (`sxtb16`)
//! ```
//!
//! That are 15 instructions for 16 products. Where there is a single pixel, as in a fully
//! connected layer, they are 20.

use core::arch::naked_asm;

use shared::artifact::plan::Conv2d;

use super::column::Column;
use super::{Filters, scalar};
use crate::at_least_one;
use crate::dsp::{four_bytes, four_reals, four_steps, has};

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub(super) fn conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let Some(mut column) = Column::new(conv, input) else {
        return scalar::conv2d(conv, filters, input, output);
    };
    let layer = Layer::new(conv, filters, &column);
    let channels = at_least_one(conv.output.channels);
    let columns = usize::from(conv.output.width);
    let mut pixels = output.chunks_exact_mut(channels);
    let (mut y, mut x) = (0, 0);
    let mut step = || {
        let here = (y, x);
        x += 1;
        if x == columns {
            (y, x) = (y + 1, 0);
        }
        here
    };
    while let Some(first) = pixels.next() {
        let (row, at) = step();
        column.fill(false, row, at);
        match pixels.next() {
            Some(second) => {
                let (row, at) = step();
                column.fill(true, row, at);
                layer.compute_two(&column, first, second);
            }
            None => layer.compute_one(&column, first),
        }
    }
}

/// What all pixels have in common.
struct Layer<'a> {
    filters: &'a Filters<'a>,
    /// Channels that are computed in pairs.
    paired: usize,
    /// Whether filters begin at multiples of four bytes.
    is_aligned: bool,
    job: Job,
}

impl<'a> Layer<'a> {
    fn new(conv: &Conv2d, filters: &'a Filters<'a>, column: &Column<'_>) -> Self {
        let filter_len = conv.filter_len();
        let weights = filters.weights;
        // Filters are read in whole steps, which must not pass the end.
        let past = 4 * column.steps() - filter_len;
        let readable = weights.len().saturating_sub(past) / filter_len.max(1);
        let channels = usize::from(conv.output.channels);
        let constants = filters.bias.len().min(filters.multipliers.len()) / 4;
        let pairs = readable.min(channels).min(constants) / 2;
        Self {
            filters,
            paired: 2 * pairs,
            is_aligned: (weights.as_ptr() as usize | filter_len).is_multiple_of(4),
            job: Job {
                column: column.words(),
                steps: column.steps(),
                a: weights.as_ptr(),
                b: weights.as_ptr().wrapping_add(filter_len),
                to_next: (2 * filter_len).wrapping_sub(4 * column.steps()),
                bias: filters.bias.as_ptr(),
                multipliers: filters.multipliers.as_ptr(),
                zero_point: conv.output_zero_point.into(),
                pairs,
            },
        }
    }

    fn compute_two(&self, column: &Column<'_>, first: &mut [u8], second: &mut [u8]) {
        if self.paired > 0 {
            // SAFETY: the column has four words for each step; filters, biases and
            // multipliers are there for two times `pairs` channels, of which outputs have a
            // byte each.
            unsafe { two_pixels(&self.job, first.as_mut_ptr(), second.as_mut_ptr()) };
        }
        if self.paired < first.len() {
            self.compute_rest(column, false, first);
            self.compute_rest(column, true, second);
        }
    }

    fn compute_one(&self, column: &Column<'_>, output: &mut [u8]) {
        if self.paired > 0 {
            let place = output.as_mut_ptr();
            // SAFETY: as above; without a second pixel its bytes, which are none, are
            // overwritten by the first's.
            unsafe {
                match self.is_aligned {
                    true => one_pixel(&self.job, place),
                    false => two_pixels(&self.job, place, place),
                }
            }
        }
        self.compute_rest(column, false, output);
    }

    /// Computes what is left after the pairs.
    #[cold]
    fn compute_rest(&self, column: &Column<'_>, second: bool, output: &mut [u8]) {
        for (channel, output) in output.iter_mut().enumerate().skip(self.paired) {
            *output = column.output(second, self.filters, channel);
        }
    }
}

/// What pixels are computed of; the processor reads it by its layout.
#[repr(C)]
struct Job {
    column: *const u32,
    /// Times four taps.
    steps: usize,
    /// The filters of a pair of channels.
    a: *const u8,
    b: *const u8,
    /// Bytes from where a pair of filters was read to until the next.
    to_next: usize,
    bias: *const u8,
    multipliers: *const u8,
    zero_point: u32,
    /// Pairs of channels, one or more.
    pairs: usize,
}

/// Computes two pixels.
///
/// # Safety
/// There are `16 * steps` bytes at `column`, which is aligned; for each of the two times
/// `pairs` channels `4 * steps` weights, a bias and a multiplier, and a byte at `first` and
/// at `second`.
#[unsafe(naked)]
unsafe extern "C" fn two_pixels(job: &Job, first: *mut u8, second: *mut u8) {
    // r0 column, r1 and r2 filters, r3 steps; r4 to r7 sums: of filter a and both pixels,
    // then of filter b; r8 to r11 four taps of both pixels; r12 and r14 weights.
    // Conversion rounds to nearest, halves to even, unless the floating-point unit was told
    // otherwise, and to the nearest number there is, as does the addition.
    naked_asm!(
        has!(),
        ".macro four_taps",
        "ldm r0!, {{r8-r11}}",
        "ldr r12, [r1], #4",
        "sxtb16 r14, r12",
        "sxtb16 r12, r12, ror #8",
        "smlad r4, r8, r14, r4",
        "smlad r5, r10, r14, r5",
        "smlad r4, r9, r12, r4",
        "smlad r5, r11, r12, r5",
        "ldr r12, [r2], #4",
        "sxtb16 r14, r12",
        "sxtb16 r12, r12, ror #8",
        "smlad r6, r8, r14, r6",
        "smlad r7, r10, r14, r7",
        "smlad r6, r9, r12, r6",
        "smlad r7, r11, r12, r7",
        ".endm",
        // On the stack: job, bias, multipliers, zero point, second, first, pairs.
        "push {{r4-r11, lr}}",
        "sub sp, sp, #28",
        "ldrd r4, r5, [r0, #20]",
        "ldrd r8, r11, [r0, #28]",
        "mov r9, r2",
        "mov r10, r1",
        "mov r3, r0",
        "stm sp, {{r3-r5}}",
        "add r14, sp, #12",
        "stm r14, {{r8-r11}}",
        "ldrd r1, r2, [r0, #8]",
        "1:",
        "ldr r14, [sp, #4]",
        "ldr r4, [r14], #4",
        "ldr r6, [r14], #4",
        "str r14, [sp, #4]",
        "mov r5, r4",
        "mov r7, r6",
        "ldr r12, [sp]",
        "ldrd r0, r3, [r12]",
        "subs r3, r3, #4",
        "blo 3f",
        "2:",
        "four_taps",
        "four_taps",
        "four_taps",
        "four_taps",
        "subs r3, r3, #4",
        "bhs 2b",
        "3:",
        "adds r3, r3, #4",
        "beq 5f",
        "4:",
        "four_taps",
        "subs r3, r3, #1",
        "bne 4b",
        "5:",
        "ldr r12, [sp]",
        "ldr r8, [r12, #16]",
        "add r1, r1, r8",
        "add r2, r2, r8",
        "ldr r9, [sp, #8]",
        "ldr r10, [r9], #4",
        "ldr r11, [r9], #4",
        "str r9, [sp, #8]",
        "vmov s4, s5, r10, r11",
        four_reals!(),
        "vmul.f32 s0, s0, s4",
        "vmul.f32 s1, s1, s4",
        "vmul.f32 s2, s2, s5",
        "vmul.f32 s3, s3, s5",
        four_steps!(),
        "add r14, sp, #12",
        "ldm r14, {{r8-r11}}",
        four_bytes!(),
        "strb r5, [r9], #1",
        "strb r7, [r9], #1",
        "strb r4, [r10], #1",
        "strb r6, [r10], #1",
        "subs r11, r11, #1",
        "stm r14, {{r8-r11}}",
        "bne 1b",
        "add sp, sp, #28",
        "pop {{r4-r11, pc}}",
        ".purgem four_taps",
    )
}

/// Computes one pixel.
///
/// # Safety
/// As [`two_pixels`]; filters begin at multiples of four bytes.
#[unsafe(naked)]
unsafe extern "C" fn one_pixel(job: &Job, output: *mut u8) {
    // r0 column, r1 and r2 filters, r3 steps; r4 and r5 sums; r6, r7, r10 and r11 eight
    // taps; r8, r9 and r12 weights.
    naked_asm!(
        has!(),
        ".macro eight_taps",
        "ldrd r6, r7, [r0], #16",
        "ldrd r10, r11, [r0], #16",
        "ldrd r8, r9, [r1], #8",
        "sxtb16 r12, r8",
        "sxtb16 r8, r8, ror #8",
        "smlad r4, r6, r12, r4",
        "smlad r4, r7, r8, r4",
        "sxtb16 r12, r9",
        "sxtb16 r9, r9, ror #8",
        "smlad r4, r10, r12, r4",
        "smlad r4, r11, r9, r4",
        "ldrd r8, r9, [r2], #8",
        "sxtb16 r12, r8",
        "sxtb16 r8, r8, ror #8",
        "smlad r5, r6, r12, r5",
        "smlad r5, r7, r8, r5",
        "sxtb16 r12, r9",
        "sxtb16 r9, r9, ror #8",
        "smlad r5, r10, r12, r5",
        "smlad r5, r11, r9, r5",
        ".endm",
        // On the stack: job, bias, multipliers, zero point, output, pairs.
        "push {{r4-r11, lr}}",
        "sub sp, sp, #28",
        "ldrd r4, r5, [r0, #20]",
        "ldrd r8, r10, [r0, #28]",
        "mov r9, r1",
        "mov r3, r0",
        "stm sp, {{r3-r5}}",
        "add r14, sp, #12",
        "stm r14, {{r8-r10}}",
        "ldrd r1, r2, [r0, #8]",
        "1:",
        "ldr r12, [sp, #4]",
        "ldr r4, [r12], #4",
        "ldr r5, [r12], #4",
        "str r12, [sp, #4]",
        "ldr r14, [sp]",
        "ldrd r0, r3, [r14]",
        "subs r3, r3, #4",
        "blo 3f",
        "2:",
        "eight_taps",
        "eight_taps",
        "subs r3, r3, #4",
        "bhs 2b",
        "3:",
        "adds r3, r3, #4",
        "beq 5f",
        "4:",
        "ldrd r6, r7, [r0], #16",
        "ldr r8, [r1], #4",
        "ldr r9, [r2], #4",
        "sxtb16 r12, r8",
        "sxtb16 r8, r8, ror #8",
        "smlad r4, r6, r12, r4",
        "smlad r4, r7, r8, r4",
        "sxtb16 r12, r9",
        "sxtb16 r9, r9, ror #8",
        "smlad r5, r6, r12, r5",
        "smlad r5, r7, r9, r5",
        "subs r3, r3, #1",
        "bne 4b",
        "5:",
        "ldr r8, [r14, #16]",
        "add r1, r1, r8",
        "add r2, r2, r8",
        "ldr r9, [sp, #8]",
        "ldr r10, [r9], #4",
        "ldr r11, [r9], #4",
        "str r9, [sp, #8]",
        "vmov s2, s3, r10, r11",
        "vmov s0, s1, r4, r5",
        "vcvt.f32.s32 s0, s0",
        "vcvt.f32.s32 s1, s1",
        "vmul.f32 s0, s0, s2",
        "vmul.f32 s1, s1, s3",
        "vcvtr.s32.f32 s0, s0",
        "vcvtr.s32.f32 s1, s1",
        "vmov r4, r5, s0, s1",
        "add r12, sp, #12",
        "ldm r12, {{r8-r10}}",
        "qadd r4, r4, r8",
        "qadd r5, r5, r8",
        "usat r4, #8, r4",
        "usat r5, #8, r5",
        "strb r4, [r9], #1",
        "strb r5, [r9], #1",
        "subs r10, r10, #1",
        "stm r12, {{r8-r10}}",
        "bne 1b",
        "add sp, sp, #28",
        "pop {{r4-r11, pc}}",
        ".purgem eight_taps",
    )
}
