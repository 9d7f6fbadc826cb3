//! Cortex-M with the DSP extension: 3x3 windows of four channels at a time.
//!
//! Bytes of four channels are a word, of inputs and of filters; `uxtb16` and `sxtb16` make
//! two pairs of 16-bit numbers of it, whose halves are multiplied by themselves: ten
//! instructions for four products. That inputs count from their zero point is in the bias.
//!
//! A window that reaches into the padding is moved inside the input and its filter with it:
//! taps that leave count nothing, and zeros come in on the other side. Pixels whose windows
//! move by the same distance are computed together.

use core::arch::naked_asm;
use core::ops::Range;

use shared::artifact::plan::Conv2d;

use super::scalar;
use crate::conv2d::Filters;
use crate::dsp::{four_bytes, four_reals, four_steps, has};

/// Rows and columns of a window.
const SIDE: usize = 3;
const TAPS: usize = SIDE * SIDE;
/// Channels of a word.
const FOUR: usize = 4;

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub(super) fn depthwise_conv2d(
    conv: &Conv2d,
    filters: &Filters<'_>,
    input: &[u8],
    output: &mut [u8],
) {
    let channels = usize::from(conv.output.channels);
    let is_ours = conv.kernel.map(usize::from) == [SIDE; 2]
        && channels.is_multiple_of(FOUR)
        && conv.input.channels == conv.output.channels
        && usize::from(conv.input.height.min(conv.input.width)) >= SIDE
        && input.len() >= conv.input.len()
        && output.len() >= conv.output.len();
    if !is_ours {
        return scalar::depthwise_conv2d(conv, filters, input, output);
    }
    for first in (0..channels).step_by(FOUR) {
        if let Some(mut block) = Block::new(conv, filters, first) {
            block.compute(input, output);
        }
    }
}

/// Four channels of a layer.
struct Block<'a> {
    conv: &'a Conv2d,
    /// The first channel.
    first: usize,
    /// The filters of four channels, tap by tap, and their biases.
    weights: [[u8; FOUR]; TAPS],
    bias: [i32; FOUR],
    job: Job,
}

/// What a line of pixels is computed of; the processor reads it by its layout.
#[repr(C)]
struct Job {
    weights: [[u8; FOUR]; TAPS],
    bias: [i32; FOUR],
    multipliers: [f32; FOUR],
    zero_point: u32,
    /// Bytes from one pixel's window to the next one's.
    input_step: usize,
    output: *mut u8,
    /// Bytes from one output pixel to the next.
    output_step: usize,
    /// Pixels, one or more.
    count: usize,
}

/// Output rows or columns whose windows are moved by the same distance.
struct Segment {
    outputs: Range<usize>,
    /// How far: the first tap inside.
    moved: isize,
    /// Where the first one's window begins then.
    start: usize,
}

/// The segments of an axis, from the beginning to the end.
fn segments(conv: &Conv2d, axis: usize) -> impl Iterator<Item = Segment> + use<> {
    let [stride, padding] = [conv.stride, conv.padding].map(|of| usize::from(of[axis]) as isize);
    let of = |place: shared::artifact::plan::Place| match axis {
        0 => usize::from(place.height),
        _ => usize::from(place.width),
    };
    let (outputs, last) = (of(conv.output), (of(conv.input) - SIDE) as isize);
    let window = move |at: usize| {
        let origin = at as isize * stride - padding;
        let inside = origin.max(0).min(last);
        (inside - origin, inside as usize)
    };
    let mut next = 0;
    core::iter::from_fn(move || {
        let first = next;
        if first >= outputs {
            return None;
        }
        let (moved, start) = window(first);
        next += 1;
        while next < outputs && window(next).0 == moved {
            next += 1;
        }
        Some(Segment {
            outputs: first..next,
            moved,
            start,
        })
    })
}

impl<'a> Block<'a> {
    fn new(conv: &'a Conv2d, filters: &Filters<'_>, first: usize) -> Option<Self> {
        let channels = usize::from(conv.output.channels);
        let mut weights = [[0; FOUR]; TAPS];
        for (tap, four) in weights.iter_mut().enumerate() {
            let from = tap * channels + first;
            *four = *filters.weights.get(from..)?.first_chunk()?;
        }
        let of = |all: &[u8]| all.as_chunks::<4>().0.get(first..)?.first_chunk().copied();
        let bias: [[u8; 4]; FOUR] = of(filters.bias)?;
        let multipliers: [[u8; 4]; FOUR] = of(filters.multipliers)?;
        Some(Self {
            conv,
            first,
            weights,
            bias: bias.map(i32::from_le_bytes),
            job: Job {
                weights,
                bias: [0; FOUR],
                multipliers: multipliers.map(f32::from_le_bytes),
                zero_point: conv.output_zero_point.into(),
                input_step: 0,
                output: core::ptr::null_mut(),
                output_step: 0,
                count: 0,
            },
        })
    }

    /// Computes all pixels of an output that is as long as the layer states, as is the
    /// input.
    fn compute(&mut self, input: &[u8], output: &mut [u8]) {
        let conv = self.conv;
        let channels = usize::from(conv.output.channels);
        // Bytes from a row to the next.
        let [row_in, row_out] =
            [conv.input.width, conv.output.width].map(|width| usize::from(width) * channels);
        let [down, right] = conv.stride.map(usize::from);
        let [down, right] = [down.wrapping_mul(row_in), right.wrapping_mul(channels)];
        for rows in segments(conv, 0) {
            for columns in segments(conv, 1) {
                self.take_filter(rows.moved, columns.moved);
                let mut window = input
                    .as_ptr()
                    .wrapping_add(rows.start * row_in + columns.start * channels + self.first);
                let mut pixel = output.as_mut_ptr().wrapping_add(
                    rows.outputs.start * row_out + columns.outputs.start * channels + self.first,
                );
                // Lines are the longer way.
                let (tall, wide) = (rows.outputs.len(), columns.outputs.len());
                let (lines, count, to_line, to_pixel) = if tall > wide {
                    (wide, tall, (right, channels), (down, row_out))
                } else {
                    (tall, wide, (down, row_out), (right, channels))
                };
                self.job.input_step = to_pixel.0;
                self.job.output_step = to_pixel.1;
                for _ in 0..lines {
                    self.job.count = count;
                    self.job.output = pixel;
                    // SAFETY: the windows of these pixels lie inside the input, the pixels
                    // inside the output.
                    unsafe { pixels(&mut self.job, window, channels, row_in) };
                    window = window.wrapping_add(to_line.0);
                    pixel = pixel.wrapping_add(to_line.1);
                }
            }
        }
    }

    /// Takes the filter for windows that are moved.
    fn take_filter(&mut self, down: isize, right: isize) {
        let mut sums = [0i32; FOUR];
        for row in 0..SIDE {
            for column in 0..SIDE {
                let [y, x] = [
                    row.wrapping_add_signed(down),
                    column.wrapping_add_signed(right),
                ];
                let four = match y < SIDE && x < SIDE {
                    true => self.weights.get(y * SIDE + x).copied().unwrap_or_default(),
                    false => [0; FOUR],
                };
                for (sum, weight) in sums.iter_mut().zip(four) {
                    *sum += i32::from(weight as i8);
                }
                if let Some(place) = self.job.weights.get_mut(row * SIDE + column) {
                    *place = four;
                }
            }
        }
        let zero_point = i32::from(self.conv.input_zero_point);
        for ((bias, own), sum) in self.job.bias.iter_mut().zip(self.bias).zip(sums) {
            *bias = own.wrapping_sub(sum.wrapping_mul(zero_point));
        }
    }
}

/// Computes `count` pixels, whose windows begin at `input`, and moves `output` behind them.
///
/// # Safety
/// Windows have words `channels` bytes from each other in a row, and rows `row` bytes from
/// each other; outputs have room for a word for each pixel.
#[unsafe(naked)]
unsafe extern "C" fn pixels(job: &mut Job, input: *const u8, channels: usize, row: usize) {
    // r0 job, which begins with the weights; r1 window, r2 channels, r3 row; r4 to r7 sums;
    // r8 to r11 words; r12 row of the window, r14 twice the channels. Rounding is as in
    // `conv2d::dsp`.
    naked_asm!(
        has!(),
        ".macro tap",
        "uxtb16 r10, r8",
        "uxtb16 r8, r8, ror #8",
        "sxtb16 r11, r9",
        "sxtb16 r9, r9, ror #8",
        "smlabb r4, r10, r11, r4",
        "smlatt r6, r10, r11, r6",
        "smlabb r5, r8, r9, r5",
        "smlatt r7, r8, r9, r7",
        ".endm",
        ".macro row_of_taps weights",
        "ldr r8, [r12]",
        "ldr r9, [r0, #\\weights]",
        "tap",
        "ldr r8, [r12, r2]",
        "ldr r9, [r0, #\\weights + 4]",
        "tap",
        "ldr r8, [r12, r14]",
        "ldr r9, [r0, #\\weights + 8]",
        "tap",
        ".endm",
        "push {{r4-r11, lr}}",
        "lsl r14, r2, #1",
        "add r8, r0, #52",
        "vldm r8, {{s4-s7}}",
        "1:",
        "add r8, r0, #36",
        "ldm r8, {{r4-r7}}",
        "mov r12, r1",
        "row_of_taps 0",
        "add r12, r12, r3",
        "row_of_taps 12",
        "add r12, r12, r3",
        "row_of_taps 24",
        four_reals!(),
        "vmul.f32 s0, s0, s4",
        "vmul.f32 s1, s1, s5",
        "vmul.f32 s2, s2, s6",
        "vmul.f32 s3, s3, s7",
        four_steps!(),
        // Zero point, step of the input, output and its step.
        "add r12, r0, #68",
        "ldm r12, {{r8-r11}}",
        four_bytes!(),
        "orr r4, r4, r5, lsl #8",
        "orr r4, r4, r6, lsl #16",
        "orr r4, r4, r7, lsl #24",
        "str r4, [r10]",
        "add r10, r10, r11",
        "str r10, [r0, #76]",
        "add r1, r1, r9",
        "ldr r8, [r0, #84]",
        "subs r8, r8, #1",
        "str r8, [r0, #84]",
        "bne 1b",
        "pop {{r4-r11, pc}}",
        ".purgem tap",
        ".purgem row_of_taps",
    )
}
