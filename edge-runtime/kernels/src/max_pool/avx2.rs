//! Thirty-two channels to a register, which keeps their maximum while the window is passed
//! over; the last ones one by one.

use core::arch::x86_64::*;

use shared::artifact::plan::MaxPool;

use super::channels_of;
use super::scalar::{self, window};

/// As [`max_pool`](super::scalar::max_pool).
///
/// # Panics
/// Where a buffer is not of the size that the pool states.
#[target_feature(enable = "avx2")]
pub(super) fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    let channels = channels_of(pool, input, output);
    let [columns, width] = [pool.output.width, pool.input.width].map(usize::from);
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let [rows, across] = window(pool, index / columns, index % columns);
        let (blocks, rest) = pixel.as_chunks_mut::<32>();
        let first = blocks.len() * 32;
        for (block, out) in blocks.iter_mut().enumerate() {
            let mut most = _mm256_setzero_si256();
            for row in rows.clone() {
                for column in across.clone() {
                    let at = (row * width + column) * channels + block * 32;
                    // SAFETY: a window's pixels are those of the input, whose length was
                    // checked, and a pixel has whole blocks up to here.
                    let values = unsafe { _mm256_loadu_si256(input.as_ptr().add(at).cast()) };
                    most = _mm256_max_epu8(most, values);
                }
            }
            // SAFETY: a block is as long as a register.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), most) };
        }
        scalar::channels(pool, [rows, across], input, first, rest);
    }
}
