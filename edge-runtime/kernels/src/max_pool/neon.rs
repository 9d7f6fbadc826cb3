//! Sixteen channels to a register, which keeps their maximum while the window is passed
//! over; the last ones one by one.

use core::arch::aarch64::*;

use shared::artifact::plan::MaxPool;

use super::channels_of;
use super::scalar::{self, window};

/// As [`max_pool`](super::scalar::max_pool).
///
/// # Panics
/// Where a buffer is not of the size that the pool states.
#[target_feature(enable = "neon")]
pub(super) fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    let channels = channels_of(pool, input, output);
    let [columns, width] = [pool.output.width, pool.input.width].map(usize::from);
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let [rows, across] = window(pool, index / columns, index % columns);
        let (blocks, rest) = pixel.as_chunks_mut::<16>();
        let first = blocks.len() * 16;
        for (block, out) in blocks.iter_mut().enumerate() {
            let mut most = vdupq_n_u8(0);
            for row in rows.clone() {
                for column in across.clone() {
                    let at = (row * width + column) * channels + block * 16;
                    // SAFETY: a window's pixels are those of the input, whose length was
                    // checked, and a pixel has whole blocks up to here.
                    let values = unsafe { vld1q_u8(input.as_ptr().add(at)) };
                    most = vmaxq_u8(most, values);
                }
            }
            // SAFETY: a block is as long as a register.
            unsafe { vst1q_u8(out.as_mut_ptr(), most) };
        }
        scalar::channels(pool, [rows, across], input, first, rest);
    }
}
