//! Sixty-four channels at a time.

use core::arch::x86_64::*;
use core::array::from_fn;

use shared::artifact::plan::Prelu;

use crate::requantize::avx512::{LARGEST, Requantize, pack};

/// Channels of a register of bytes.
const LANES: usize = 64;

/// As [`scalar::prelu`](super::scalar::prelu).
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn prelu(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let channels = usize::from(prelu.place.channels);
    let slopes = &slopes[..4 * channels];
    // Pixels of few channels are taken together, as many as fill a register evenly.
    if LANES.is_multiple_of(channels) {
        let mut repeated = [0; 4 * LANES];
        let pixels = repeated.chunks_exact_mut(slopes.len());
        pixels.for_each(|pixel| pixel.copy_from_slice(slopes));
        for values in values.chunks_mut(LANES) {
            pixel(prelu, &repeated, values);
        }
    } else {
        for values in values.chunks_exact_mut(channels) {
            pixel(prelu, slopes, values);
        }
    }
}

/// The channels of one pixel, or some pixels in a row, with a slope for each value.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn pixel(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let constants = Constants {
        zero_point: _mm512_set1_epi32(prelu.input_zero_point.into()),
        multiplier: _mm512_set1_ps(prelu.multiplier),
        output: Requantize::new(prelu.output_zero_point),
    };
    let slopes = slopes.as_chunks::<4>().0;
    for (values, slopes) in values.chunks_mut(LANES).zip(slopes.chunks(LANES)) {
        let lanes = values.len().min(slopes.len());
        let (values, slopes) = (values.as_mut_ptr(), slopes.as_ptr().cast());
        // SAFETY: there are so many values and slopes.
        unsafe {
            if lanes == LANES {
                register(&constants, u64::MAX, slopes, values);
            } else {
                register(&constants, u64::MAX >> (LANES - lanes), slopes, values);
            }
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
    // SAFETY: the masks leave out what the caller does not promise.
    let bytes = unsafe { _mm512_maskz_loadu_epi8(mask, values.cast()) };
    let steps = from_fn(|quarter| {
        let place = 16 * quarter;
        // SAFETY: as above.
        let slopes =
            unsafe { _mm512_maskz_loadu_ps((mask >> place) as u16, slopes.wrapping_add(place)) };
        let bytes = match quarter {
            0 => _mm512_castsi512_si128(bytes),
            1 => _mm512_extracti32x4_epi32::<1>(bytes),
            2 => _mm512_extracti32x4_epi32::<2>(bytes),
            _ => _mm512_extracti32x4_epi32::<3>(bytes),
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
