//! Cortex-M with Helium: four channels at a time.

use core::arch::naked_asm;

use shared::artifact::plan::Prelu;

use crate::mve::{four_bytes, has};

/// As [`scalar::prelu`](super::scalar::prelu).
pub fn prelu(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let channels = usize::from(prelu.place.channels);
    let constants = Constants {
        input_zero_point: prelu.input_zero_point.into(),
        multiplier: prelu.multiplier,
        output_zero_point: prelu.output_zero_point.into(),
    };
    let count = channels.min(slopes.len() / 4);
    if count == 0 {
        return;
    }
    for pixel in values.chunks_exact_mut(channels) {
        // SAFETY: there are as many channels and slopes.
        unsafe { channels_of(pixel.as_mut_ptr(), slopes.as_ptr(), count, &constants) };
    }
}

/// The processor reads it by its layout.
#[repr(C)]
struct Constants {
    input_zero_point: u32,
    multiplier: f32,
    output_zero_point: u32,
}

/// Computes the channels of a pixel.
///
/// # Safety
/// There are `count` values, one or more, and a slope of four bytes for each.
#[unsafe(naked)]
unsafe extern "C" fn channels_of(
    values: *mut u8,
    slopes: *const u8,
    count: usize,
    constants: &Constants,
) {
    // r0 values, r1 slopes, which may begin anywhere; r4 zero point and r5 multiplier of the
    // input, r6 zero point of the output.
    naked_asm!(
        has!(),
        "push {{r4-r6, lr}}",
        "ldm r3, {{r4-r6}}",
        "dlstp.32 lr, r2",
        "1:",
        "vldrb.u32 q0, [r0]",
        "vldrb.u8 q1, [r1], #16",
        "vsub.i32 q0, q0, r4",
        "vcvt.f32.s32 q0, q0",
        "vmul.f32 q0, q0, r5",
        "vpt.f32 lt, q0, zr",
        "vmult.f32 q0, q0, q1",
        four_bytes!("r6"),
        "vstrb.32 q0, [r0], #4",
        "letp lr, 1b",
        "pop {{r4-r6, pc}}",
    )
}
