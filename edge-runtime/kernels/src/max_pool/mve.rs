//! Cortex-M with Helium: sixteen channels at a time.

use core::arch::naked_asm;

use shared::artifact::plan::MaxPool;

use crate::at_least_one;
use crate::mve::{Axis, has};

/// As [`max_pool`](super::scalar::max_pool).
pub fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    let [down, across] = Axis::of_pool(pool);
    let channels = at_least_one(pool.output.channels);
    let row = across.input * channels;
    let mut pixels = output.chunks_exact_mut(channels);
    for y in 0..down.output {
        let (rows, top) = down.taps(y);
        for (x, pixel) in (0..across.output).zip(&mut pixels) {
            let (columns, left) = across.taps(x);
            let window = Window {
                rows: rows.count,
                columns: columns.count,
                channels,
                to_row: row - columns.count * channels,
            };
            let from = top * row + left * channels;
            window.compute(input.get(from..).unwrap_or_default(), pixel);
        }
    }
}

/// What of a window lies inside the input; the processor reads it by its layout.
#[repr(C)]
struct Window {
    rows: usize,
    columns: usize,
    channels: usize,
    /// Bytes from the end of a row to the next one.
    to_row: usize,
}

impl Window {
    /// Computes the channels of a `pixel`, whose window begins where `values` do.
    #[inline(always)]
    fn compute(&self, values: &[u8], pixel: &mut [u8]) {
        let run = self.columns * self.channels;
        let reach = self.rows * (run + self.to_row);
        if run == 0 || reach == 0 || values.len() + self.to_row < reach {
            return pixel.fill(0);
        }
        // SAFETY: rows, columns and channels are some, and the last row ends `to_row` before
        // the reach.
        unsafe { keep_largest(self, values.as_ptr(), pixel.as_mut_ptr()) };
    }
}

/// Computes the channels of a pixel.
///
/// # Safety
/// The window is there, which begins at `input`, and has a row, a column and a channel or
/// more; the output has all channels.
#[unsafe(naked)]
unsafe extern "C" fn keep_largest(window: &Window, input: *const u8, output: *mut u8) {
    // r0 where values are read, r1 window, r2 output, r3 channels left; r4 and r5 rows and
    // columns, r6 channels, r7 bytes to the next row, r12 rows left.
    naked_asm!(
        has!(),
        "push {{r4-r7, lr}}",
        "ldm r0, {{r4-r7}}",
        "mov r3, r6",
        "1:",
        "vctp.8 r3",
        "vmov.i8 q0, #0",
        "mov r0, r1",
        "mov r12, r4",
        "2:",
        "dls lr, r5",
        "3:",
        "vpst",
        "vldrbt.u8 q1, [r0]",
        "vmax.u8 q0, q0, q1",
        "add r0, r0, r6",
        "le lr, 3b",
        "add r0, r0, r7",
        "subs r12, r12, #1",
        "bne 2b",
        "vpst",
        "vstrbt.8 q0, [r2], #16",
        "add r1, r1, #16",
        "subs r3, r3, #16",
        "bgt 1b",
        "pop {{r4-r7, pc}}",
    )
}
