//! Sixty-four channels to a register, which keeps their maximum while the window is passed
//! over; the last ones under a mask.

use core::arch::x86_64::*;

use shared::artifact::plan::MaxPool;

use super::channels_of;
use super::scalar::window;

/// As [`max_pool`](super::scalar::max_pool).
///
/// # Panics
/// Where a buffer is not of the size that the pool states.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    let channels = channels_of(pool, input, output);
    let [columns, width] = [pool.output.width, pool.input.width].map(usize::from);
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let [rows, across] = window(pool, index / columns, index % columns);
        for (block, out) in pixel.chunks_mut(64).enumerate() {
            let mask = u64::MAX >> (64 - out.len());
            let mut most = _mm512_setzero_si512();
            for row in rows.clone() {
                for column in across.clone() {
                    let at = (row * width + column) * channels + block * 64;
                    // SAFETY: a window's pixels are those of the input, whose length was
                    // checked; the mask ends where the pixel does.
                    let values =
                        unsafe { _mm512_maskz_loadu_epi8(mask, input.as_ptr().add(at).cast()) };
                    most = _mm512_max_epu8(most, values);
                }
            }
            // SAFETY: the mask has as many bytes as `out`.
            unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask, most) };
        }
    }
}
