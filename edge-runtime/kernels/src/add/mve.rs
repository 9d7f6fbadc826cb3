//! Cortex-M with Helium: four sums at a time.

use core::arch::naked_asm;

use shared::artifact::plan::Add;

use crate::mve::{four_bytes, has};

/// As [`scalar::add`](super::scalar::add).
pub fn add(add: &Add, values: &mut [u8], other: &[u8]) {
    let count = values.len().min(other.len());
    let constants = Constants {
        zero_points: add.zero_points.map(u32::from),
        multipliers: add.multipliers,
        output_zero_point: add.output_zero_point.into(),
    };
    if count > 0 {
        // SAFETY: there are as many on both sides.
        unsafe { sums(values.as_mut_ptr(), other.as_ptr(), count, &constants) };
    }
}

/// The processor reads it by its layout.
#[repr(C)]
struct Constants {
    zero_points: [u32; 2],
    multipliers: [f32; 2],
    output_zero_point: u32,
}

/// Adds `other` to `values`.
///
/// # Safety
/// Both are `count` bytes, one or more.
#[unsafe(naked)]
unsafe extern "C" fn sums(values: *mut u8, other: *const u8, count: usize, constants: &Constants) {
    // r0 and r1 values; r4 and r5 zero points, r6 and r7 multipliers, r8 the sum's zero point.
    naked_asm!(
        has!(),
        "push {{r4-r8, lr}}",
        "ldm r3, {{r4-r8}}",
        "dlstp.32 lr, r2",
        "1:",
        "vldrb.u32 q0, [r0]",
        "vldrb.u32 q1, [r1], #4",
        "vsub.i32 q0, q0, r4",
        "vsub.i32 q1, q1, r5",
        "vcvt.f32.s32 q0, q0",
        "vcvt.f32.s32 q1, q1",
        "vmul.f32 q0, q0, r6",
        "vmul.f32 q1, q1, r7",
        "vadd.f32 q0, q0, q1",
        four_bytes!("r8"),
        "vstrb.32 q0, [r0], #4",
        "letp lr, 1b",
        "pop {{r4-r8, pc}}",
    )
}
