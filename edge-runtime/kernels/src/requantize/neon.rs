//! Sixteen sums at a time.

use core::arch::aarch64::*;

/// Sums in steps of the output, before its zero point.
#[inline]
#[target_feature(enable = "neon")]
fn steps(sums: int32x4_t, multipliers: float32x4_t) -> int32x4_t {
    vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums), multipliers))
}

/// Sixteen bytes as integers.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn sixteen(bytes: uint8x16_t) -> [int32x4_t; 4] {
    let words = [vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes)];
    let [low, high] = words.map(|word| vreinterpretq_s16_u16(word));
    [
        vmovl_s16(vget_low_s16(low)),
        vmovl_high_s16(low),
        vmovl_s16(vget_low_s16(high)),
        vmovl_high_s16(high),
    ]
}

/// Steps plus the zero point, cut to bytes.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn narrow(steps: [int32x4_t; 4], zero_point: u8) -> uint8x16_t {
    // Steps that 16 bits cannot hold are cut to some that end as 0 or 255 all the same.
    let [a, b, c, d] = steps.map(|steps| vqmovn_s32(steps));
    let zero_point = vdupq_n_s16(zero_point.into());
    let low = vqaddq_s16(vcombine_s16(a, b), zero_point);
    let high = vqaddq_s16(vcombine_s16(c, d), zero_point);
    vcombine_u8(vqmovun_s16(low), vqmovun_s16(high))
}

/// Requantizes the sums of one pixel and writes `channels` bytes of them.
///
/// # Safety
/// `output` has room for `channels` bytes, of which there are 1 to 16.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) unsafe fn store(
    sums: [int32x4_t; 4],
    multipliers: &[float32x4_t; 4],
    zero_point: u8,
    output: *mut u8,
    channels: usize,
) {
    let all = [0, 1, 2, 3].map(|group| steps(sums[group], multipliers[group]));
    let bytes = narrow(all, zero_point);
    // SAFETY: the caller promises room for `channels` bytes; there are 16.
    unsafe {
        match channels {
            16 => vst1q_u8(output, bytes),
            8 => vst1_u8(output, vget_low_u8(bytes)),
            _ => {
                let mut all = [0u8; 16];
                vst1q_u8(all.as_mut_ptr(), bytes);
                core::ptr::copy_nonoverlapping(all.as_ptr(), output, channels);
            }
        }
    }
}
