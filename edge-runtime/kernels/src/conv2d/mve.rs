//! Cortex-M with Helium: sixteen products of bytes added up at once (`vmladava`).
//!
//! The windows of four output pixels are copied ([`Windows`]), less 128, since both factors
//! are signed; then all output channels, one after the other, read them and their filters,
//! which stay where they are: sixteen weights are read once for four pixels. The sum of a
//! filter is taken with it, and makes up for counting from 128:
//!
//! ```text
//! sum (x - zero point) * w = sum (x - 128) * w + (128 - zero point) * sum w
//! ```
//!
//! That are 11 instructions for 64 products. Where there is a single pixel, as in a fully
//! connected layer, they are 5 for 16.

use core::arch::naked_asm;
use core::ptr;

use shared::artifact::plan::Conv2d;

use super::windows::{PIXELS, Windows};
use super::{Filters, scalar};
use crate::mve::{four_bytes, has};

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub(super) fn conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let job = Job::new(conv, filters);
    let windows = Windows::new(conv, input);
    let (Some(mut job), Some(mut windows)) = (job, windows) else {
        return scalar::conv2d(conv, filters, input, output);
    };
    let output = output.get_mut(..conv.output.len()).unwrap_or_default();
    let room = windows.room();
    job.take(&windows, room);
    let mut groups = output.chunks_exact_mut((room * job.channels).max(1));
    for pixels in &mut groups {
        windows.fill(room);
        // SAFETY: windows and pixels are as many as were taken.
        unsafe { job.compute(pixels, room) };
    }
    let rest = groups.into_remainder();
    let count = rest.len() / job.channels.max(1);
    if count > 0 {
        windows.fill(count);
        job.take(&windows, count);
        // SAFETY: as above.
        unsafe { job.compute(rest, count) };
    }
}

/// What pixels are computed of; the processor reads it by its layout.
#[repr(C)]
struct Job {
    windows: [*const u8; PIXELS],
    taps: usize,
    /// 128 less the zero point of the input.
    offset: i32,
    /// Bytes that the last vector of a filter reaches past its end.
    past: usize,
    /// The ends of the biases and of the multipliers.
    bias: *const u8,
    multipliers: *const u8,
    zero_point: u32,
    /// Where the pixels are, from the first one on.
    outputs: [usize; PIXELS],
    weights: *const u8,
    channels: usize,
}

impl Job {
    /// None where the filters are not those of a layer.
    fn new(conv: &Conv2d, filters: &Filters<'_>) -> Option<Self> {
        let taps = conv.filter_len();
        let channels = usize::from(conv.output.channels);
        let constants = filters.bias.len().min(filters.multipliers.len()) / 4;
        let is_whole = filters.weights.len() >= channels * taps && constants >= channels;
        (is_whole && channels > 0).then_some(Self {
            windows: [ptr::null(); PIXELS],
            taps,
            offset: 128 - i32::from(conv.input_zero_point),
            past: taps.next_multiple_of(16) - taps,
            bias: filters.bias.as_ptr().wrapping_add(4 * channels),
            multipliers: filters.multipliers.as_ptr().wrapping_add(4 * channels),
            zero_point: conv.output_zero_point.into(),
            outputs: [0; PIXELS],
            weights: filters.weights.as_ptr(),
            channels,
        })
    }

    /// Takes the first windows; the last one stands for those that are missing.
    fn take(&mut self, windows: &Windows<'_>, count: usize) {
        let places = self.windows.iter_mut().zip(&mut self.outputs);
        for (place, (window, output)) in places.enumerate() {
            let place = place.min(count.saturating_sub(1));
            *window = windows.at(place);
            *output = place * self.channels;
        }
    }

    /// Computes all channels of `count` pixels.
    ///
    /// # Safety
    /// The first `count` windows were filled and taken, one or more; filters and windows are
    /// where they were, and there are as many pixels.
    unsafe fn compute(&self, pixels: &mut [u8], count: usize) {
        // SAFETY: as the caller promises; `new` found weights, biases and multipliers for all
        // channels.
        unsafe {
            match count {
                1 => one_pixel(self, pixels.as_mut_ptr()),
                _ => four_pixels(self, pixels.as_mut_ptr()),
            }
        }
    }
}

/// A function that computes all channels of some pixels, made of how sixteen taps are
/// multiplied and how the pixels' sums become one register.
macro_rules! channels {
    ($taps:expr, $sums:expr) => {
        // r0, r2, r3 and r5 windows; r4, r6, r8 and r10 their sums; r1 filter, r12 its sum;
        // r7 output, r9 job, r11 channel, from the end; q3 where the pixels are. A
        // loop counts bytes: of its last ones none is read that is not the filter's.
        naked_asm!(
            has!(),
            "push {{r4-r11, lr}}",
            "mov r9, r0",
            "mov r7, r1",
            "add r0, r9, #40",
            "vldrw.u32 q3, [r0]",
            "ldrd r1, r11, [r9, #56]",
            "rsb r11, r11, #0",
            "1:",
            "ldm r9, {{r0, r2, r3, r5}}",
            "mov r4, #0",
            "mov r6, #0",
            "mov r8, #0",
            "mov r10, #0",
            "mov r12, #0",
            "ldr lr, [r9, #16]",
            "dlstp.8 lr, lr",
            "2:",
            $taps,
            "letp lr, 2b",
            $sums,
            // Offset, bytes past the end, biases, multipliers, zero point.
            "add r0, r9, #20",
            "ldm r0, {{r2, r3, r5, r6, r8}}",
            "sub r1, r1, r3",
            "ldr r4, [r5, r11, lsl #2]",
            "ldr r5, [r6, r11, lsl #2]",
            "mla r4, r12, r2, r4",
            "vadd.i32 q0, q0, r4",
            "vcvt.f32.s32 q0, q0",
            "vmul.f32 q0, q0, r5",
            four_bytes!("r8"),
            "vstrb.32 q0, [r7, q3]",
            "add r7, r7, #1",
            "adds r11, r11, #1",
            "bne 1b",
            "pop {{r4-r11, pc}}",
        )
    };
}

/// Computes four pixels.
///
/// # Safety
/// There are `taps` bytes at each window, one or more; for each of the `channels`, one or
/// more, `taps` weights, a bias, a multiplier, and a byte in each of the pixels behind
/// `output`.
#[unsafe(naked)]
unsafe extern "C" fn four_pixels(job: &Job, output: *mut u8) {
    channels!(
        "vldrb.u8 q0, [r1], #16\n \
         vldrb.u8 q1, [r0], #16\n \
         vaddva.s8 r12, q0\n \
         vldrb.u8 q2, [r2], #16\n \
         vmladava.s8 r4, q0, q1\n \
         vldrb.u8 q1, [r3], #16\n \
         vmladava.s8 r6, q0, q2\n \
         vldrb.u8 q2, [r5], #16\n \
         vmladava.s8 r8, q0, q1\n \
         vmladava.s8 r10, q0, q2",
        "vmov q0[2], q0[0], r4, r8\n \
         vmov q0[3], q0[1], r6, r10"
    )
}

/// Computes one pixel.
///
/// # Safety
/// As [`four_pixels`], which are all the same one.
#[unsafe(naked)]
unsafe extern "C" fn one_pixel(job: &Job, output: *mut u8) {
    channels!(
        "vldrb.u8 q0, [r1], #16\n \
         vldrb.u8 q1, [r0], #16\n \
         vaddva.s8 r12, q0\n \
         vmladava.s8 r4, q0, q1",
        "vdup.32 q0, r4"
    )
}
