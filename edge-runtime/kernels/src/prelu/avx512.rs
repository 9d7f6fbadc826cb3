//! Sixty-four channels at a time.

use core::arch::x86_64::*;
use core::array::from_fn;

use shared::artifact::plan::Prelu;

use crate::requantize::avx512::{LARGEST, Requantize, pack};

/// Channels of a register of bytes.
const LANES: usize = 64;

/// Channels whose slopes are put in a row.
const MOST: usize = 1024;

/// As [`scalar::prelu`](super::scalar::prelu).
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn prelu(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let channels = usize::from(prelu.place.channels);
    let slopes = &slopes[..4 * channels];
    let constants = Constants {
        zero_point: _mm512_set1_epi32(prelu.input_zero_point.into()),
        multiplier: _mm512_set1_ps(prelu.multiplier),
        output: Requantize::new(prelu.output_zero_point),
    };
    if channels > MOST {
        for values in values.chunks_exact_mut(channels) {
            registers(&constants, slopes, values, channels);
        }
        return;
    }
    // Registers begin at any channel and go on with the next pixel's: only the last of all is
    // not whole, and stores of some bytes are slow.
    let mut repeated = [0; 4 * (MOST + LANES)];
    let repeated = &mut repeated[..4 * (channels + LANES)];
    let pixels = repeated.chunks_mut(slopes.len());
    pixels.for_each(|pixel| pixel.copy_from_slice(&slopes[..pixel.len()]));
    registers(&constants, repeated, values, channels);
}

/// Values in a row, whose slopes begin anew after `period`; where the values go on then, there
/// are as many slopes more as a register has.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn registers(constants: &Constants, slopes: &[u8], values: &mut [u8], period: usize) {
    let slopes = slopes.as_chunks::<4>().0;
    let mut channel = 0;
    for values in values.chunks_mut(LANES) {
        let slopes = &slopes[channel..];
        let lanes = values.len().min(slopes.len());
        let (values, slopes) = (values.as_mut_ptr(), slopes.as_ptr().cast());
        // SAFETY: there are so many values and slopes.
        unsafe {
            if lanes == LANES {
                register(constants, u64::MAX, slopes, values);
            } else {
                register(constants, u64::MAX >> (LANES - lanes), slopes, values);
            }
        }
        channel += LANES;
        while channel >= period {
            channel -= period;
        }
    }
}

struct Constants {
    zero_point: __m512i,
    multiplier: __m512,
    output: Requantize,
}

/// The values that `mask` has.
///
/// # Safety
/// They and their slopes can be read, and the values written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn register(constants: &Constants, mask: u64, slopes: *const f32, values: *mut u8) {
    let steps = from_fn(|quarter| {
        let place = 16 * quarter;
        let mask = (mask >> place) as u16;
        // SAFETY: the masks leave out what the caller does not promise.
        let (bytes, slopes) = unsafe {
            (
                _mm_maskz_loadu_epi8(mask, values.wrapping_add(place).cast()),
                _mm512_maskz_loadu_ps(mask, slopes.wrapping_add(place)),
            )
        };
        let steps = _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), constants.zero_point);
        let real = _mm512_mul_ps(_mm512_cvtepi32_ps(steps), constants.multiplier);
        let negative = _mm512_cmplt_epi32_mask(steps, _mm512_setzero_si512());
        let real = _mm512_mask_mul_ps(real, negative, real, slopes);
        _mm512_cvtps_epi32(_mm512_min_ps(real, _mm512_set1_ps(LARGEST)))
    });
    let bytes = _mm512_permutexvar_epi32(constants.output.order, pack(steps, &constants.output));
    // SAFETY: as above.
    unsafe { _mm512_mask_storeu_epi8(values.cast(), mask, bytes) };
}
