//! Cortex-M with Helium: eight channels at a time, widened to 16 bits.
//!
//! The even channels and the odd ones are multiplied by themselves (`vmullb`, `vmullt`): seven
//! instructions for eight products. That inputs count from their zero point is in the bias.
//!
//! Taps in the padding are left out of the filter, and pixels that lack the same taps are
//! computed together.

use core::arch::naked_asm;
use core::mem::MaybeUninit;
use core::ops::Range;

use shared::artifact::plan::Conv2d;

use super::scalar;
use crate::conv2d::Filters;
use crate::mve::{Axis, Taps, has};

/// Channels that are computed at once.
const EIGHT: usize = 8;
/// The longest filter that has a place.
const MOST_TAPS: usize = 64;

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub(super) fn depthwise_conv2d(
    conv: &Conv2d,
    filters: &Filters<'_>,
    input: &[u8],
    output: &mut [u8],
) {
    let channels = usize::from(conv.output.channels);
    let constants = filters.bias.len().min(filters.multipliers.len()) / 4;
    let [down, across] = Axis::of_conv(conv);
    let is_ours = conv.taps() <= MOST_TAPS
        && (EIGHT..=constants).contains(&channels)
        && conv.input.channels == conv.output.channels
        && filters.weights.len() >= conv.taps() * channels
        && input.len() >= conv.input.len()
        && output.len() >= conv.output.len()
        && down.sees_input()
        && across.sees_input();
    if !is_ours {
        return scalar::depthwise_conv2d(conv, filters, input, output);
    }
    let mut job = Job::new(conv);
    for rows in segments(&down) {
        for columns in segments(&across) {
            let area = Area::new([&down, &across], [&rows, &columns], channels);
            job.take_area(&area);
            for first in (0..channels).step_by(EIGHT) {
                // Of the last eight some may have been computed already.
                let first = first.min(channels - EIGHT);
                job.take_constants(filters, first);
                // SAFETY: buffers and filters are as long as the layer states, segments lie
                // inside them, and there are eight channels from the first on.
                unsafe {
                    take_filter(&mut job, filters.weights.as_ptr().add(area.tap + first));
                    area.compute(&job, input, output, first);
                }
            }
        }
    }
}

/// Output rows or columns that lack the same taps.
struct Segment {
    outputs: Range<usize>,
    taps: Taps,
    /// Where in the input the first one's first tap is.
    start: usize,
}

/// The segments of an axis, from the beginning to the end.
fn segments(axis: &Axis) -> impl Iterator<Item = Segment> {
    let mut next = 0;
    core::iter::from_fn(move || {
        let first = next;
        if first >= axis.output {
            return None;
        }
        let (taps, start) = axis.taps(first);
        while next < axis.output && axis.taps(next).0 == taps {
            next += 1;
        }
        Some(Segment {
            outputs: first..next,
            taps,
            start,
        })
    })
}

/// Pixels that lack the same taps, in lines along rows or columns, whichever are longer.
/// Distances are in bytes.
struct Area {
    /// Where in the filter the first tap is, in the input the first window, in the output the
    /// first pixel.
    tap: usize,
    window: usize,
    pixel: usize,
    /// Lines, and pixels of a line.
    lines: usize,
    count: usize,
    /// From the window and pixel of a line to the next line's, and along a line.
    to_line: [usize; 2],
    to_pixel: [usize; 2],
    /// Rows and columns of taps.
    taps: [usize; 2],
    /// From the end of a row of taps to the next one, in the input and in the filter.
    to_row: [usize; 2],
}

impl Area {
    fn new([down, across]: [&Axis; 2], [rows, columns]: [&Segment; 2], channels: usize) -> Self {
        // Of the input, the output and the filter.
        let [row_in, row_out, row_of_taps] =
            [across.input, across.output, across.kernel].map(|width| width * channels);
        let to_below = [down.stride * row_in, row_out];
        let to_right = [across.stride * channels, channels];
        let (tall, wide) = (rows.outputs.len(), columns.outputs.len());
        let (lines, count, to_line, to_pixel) = if tall > wide {
            (wide, tall, to_right, to_below)
        } else {
            (tall, wide, to_below, to_right)
        };
        let seen = columns.taps.count * channels;
        Self {
            tap: rows.taps.first * row_of_taps + columns.taps.first * channels,
            window: rows.start * row_in + columns.start * channels,
            pixel: rows.outputs.start * row_out + columns.outputs.start * channels,
            lines,
            count,
            to_line,
            to_pixel,
            taps: [rows.taps.count, columns.taps.count],
            to_row: [row_in - seen, row_of_taps - seen],
        }
    }

    /// Computes eight channels from the `first` on.
    ///
    /// # Safety
    /// The job is that of the area and these channels; windows lie inside the input, pixels
    /// inside the output.
    unsafe fn compute(&self, job: &Job, input: &[u8], output: &mut [u8], first: usize) {
        let mut window = input.as_ptr().wrapping_add(self.window + first);
        let mut pixel = output.as_mut_ptr().wrapping_add(self.pixel + first);
        for _ in 0..self.lines {
            // SAFETY: as the caller promises.
            unsafe { pixels(job, window, pixel, self.count) };
            window = window.wrapping_add(self.to_line[0]);
            pixel = pixel.wrapping_add(self.to_line[1]);
        }
    }
}

/// What a line of pixels is computed of; the processor reads it by its layout.
#[repr(C)]
struct Job {
    /// Of the even channels, then of the odd ones, less what the input's zero point adds.
    bias: [i32; EIGHT],
    multipliers: [[u8; 4]; EIGHT],
    zero_point: u32,
    /// Bytes from a tap to the next, and from the end of a row of them to the next row.
    to_tap: usize,
    to_row: usize,
    /// Rows and columns of taps, one or more.
    taps: [usize; 2],
    /// Bytes from a pixel's window to the next one's, and from its output to the next.
    to_pixel: [usize; 2],
    /// As the layer has it.
    own_bias: [[u8; 4]; EIGHT],
    input_zero_point: u32,
    /// As `to_row`, in the layer's filter.
    to_row_of_filter: usize,
    /// The weights of eight channels, tap by tap.
    filter: [MaybeUninit<u64>; MOST_TAPS],
}

impl Job {
    fn new(conv: &Conv2d) -> Self {
        Self {
            bias: [0; EIGHT],
            multipliers: [[0; 4]; EIGHT],
            zero_point: conv.output_zero_point.into(),
            to_tap: conv.input.channels.into(),
            to_row: 0,
            taps: [0; 2],
            to_pixel: [0; 2],
            own_bias: [[0; 4]; EIGHT],
            input_zero_point: conv.input_zero_point.into(),
            to_row_of_filter: 0,
            filter: [MaybeUninit::uninit(); MOST_TAPS],
        }
    }

    fn take_area(&mut self, area: &Area) {
        self.taps = area.taps;
        self.to_pixel = area.to_pixel;
        [self.to_row, self.to_row_of_filter] = area.to_row;
    }

    /// Takes biases and multipliers of eight channels from the `first` on.
    fn take_constants(&mut self, filters: &Filters<'_>, first: usize) {
        let of = |all: &[u8]| all.as_chunks::<4>().0.get(first..)?.first_chunk().copied();
        self.own_bias = of(filters.bias).unwrap_or_default();
        self.multipliers = of(filters.multipliers).unwrap_or_default();
    }
}

/// Takes the area's part of a filter, which begins at `weights`, and makes the bias.
///
/// # Safety
/// There are eight weights at each tap, and no more taps than have a place.
#[unsafe(naked)]
unsafe extern "C" fn take_filter(job: &mut Job, weights: *const u8) {
    // r0 job; r1 weights, r2 their place; r3 the input's zero point; r4 bytes to the next tap,
    // r12 to the next row; r6 and r7 rows and columns of taps; q0 sums of weights.
    naked_asm!(
        has!(),
        "push {{r4-r7, lr}}",
        "add r2, r0, #68",
        "ldm r2, {{r4-r7}}",
        "ldrd r3, r12, [r0, #124]",
        "add r2, r0, #136",
        "vmov.i16 q0, #0",
        "1:",
        "dls lr, r7",
        "2:",
        "vldrb.s16 q1, [r1]",
        "add r1, r1, r4",
        "vadd.i16 q0, q0, q1",
        "vstrb.16 q1, [r2], #8",
        "le lr, 2b",
        "add r1, r1, r12",
        "subs r6, r6, #1",
        "bne 1b",
        "vmovlt.s16 q1, q0",
        "vmovlb.s16 q0, q0",
        "vmul.i32 q0, q0, r3",
        "vmul.i32 q1, q1, r3",
        "add r1, r0, #92",
        "vld20.32 {{q2, q3}}, [r1]",
        "vld21.32 {{q2, q3}}, [r1]",
        "vsub.i32 q0, q2, q0",
        "vsub.i32 q1, q3, q1",
        "vstrw.32 q0, [r0]",
        "vstrw.32 q1, [r0, #16]",
        "pop {{r4-r7, pc}}",
    )
}

/// Computes `count` pixels, one or more, whose windows begin at `input`.
///
/// # Safety
/// Windows have eight bytes at each tap of the filter; outputs have room for eight bytes for
/// each pixel.
#[unsafe(naked)]
unsafe extern "C" fn pixels(job: &Job, input: *const u8, output: *mut u8, count: usize) {
    // r0 job, r1 window, r2 output, r3 pixels left; r4 tap, r5 its weights, r6 bytes to the
    // next tap, r7 to the next row, r8 and r9 rows and columns of taps, r10 and r11 bytes to
    // the next window and pixel, r12 rows left; q0 and q1 sums, q5 and q6 multipliers, q7 zero
    // point. Rows of three taps are written out.
    naked_asm!(
        has!(),
        ".macro tap",
        "vldrb.u16 q2, [r4]",
        "add r4, r4, r6",
        "vldrb.s16 q3, [r5], #8",
        "vmullb.s16 q4, q2, q3",
        "vadd.i32 q0, q0, q4",
        "vmullt.s16 q2, q2, q3",
        "vadd.i32 q1, q1, q2",
        ".endm",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "add r12, r0, #32",
        "vld20.32 {{q5, q6}}, [r12]",
        "vld21.32 {{q5, q6}}, [r12]",
        "add r12, r0, #64",
        "ldm r12, {{r5-r11}}",
        "vdup.32 q7, r5",
        "1:",
        "vldrw.u32 q0, [r0]",
        "vldrw.u32 q1, [r0, #16]",
        "mov r4, r1",
        "add r5, r0, #136",
        "cmp r9, #3",
        "bne 3f",
        "dls lr, r8",
        "2:",
        "tap",
        "tap",
        "tap",
        "add r4, r4, r7",
        "le lr, 2b",
        "b 6f",
        "3:",
        "mov r12, r8",
        "4:",
        "dls lr, r9",
        "5:",
        "tap",
        "le lr, 5b",
        "add r4, r4, r7",
        "subs r12, r12, #1",
        "bne 4b",
        "6:",
        "vcvt.f32.s32 q0, q0",
        "vcvt.f32.s32 q1, q1",
        "vmul.f32 q0, q0, q5",
        "vmul.f32 q1, q1, q6",
        // As `four_bytes`, of even channels and odd ones.
        "vcvtn.s32.f32 q0, q0",
        "vcvtn.s32.f32 q1, q1",
        "vqadd.s32 q0, q0, q7",
        "vqadd.s32 q1, q1, q7",
        "vqmovunb.s32 q0, q0",
        "vqmovunt.s32 q0, q1",
        "vqmovnb.u16 q0, q0",
        "vstrb.16 q0, [r2]",
        "add r1, r1, r10",
        "add r2, r2, r11",
        "subs r3, r3, #1",
        "bne 1b",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
        ".purgem tap",
    )
}
