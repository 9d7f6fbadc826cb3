//! What assembly for Cortex-M with the DSP extension has in common.

/// The beginning of assembly: names what the assembler does not know the processor to have.
#[cfg(not(armv8m))]
macro_rules! has {
    () => {
        ".fpu fpv4-sp-d16"
    };
}

/// The same for Armv8-M.
#[cfg(armv8m)]
macro_rules! has {
    () => {
        ".cpu cortex-m33\n.fpu fpv5-sp-d16"
    };
}

/// The sums in r4 to r7 as real numbers in s0 to s3.
macro_rules! four_reals {
    () => {
        "vmov s0, s1, r4, r5\n \
         vmov s2, s3, r6, r7\n \
         vcvt.f32.s32 s0, s0\n \
         vcvt.f32.s32 s1, s1\n \
         vcvt.f32.s32 s2, s2\n \
         vcvt.f32.s32 s3, s3"
    };
}

/// Real numbers in s0 to s3 as integers in r4 to r7: rounded to nearest, halves to even, unless
/// the floating-point unit was told otherwise, and to the nearest number there is.
macro_rules! four_steps {
    () => {
        "vcvtr.s32.f32 s0, s0\n \
         vcvtr.s32.f32 s1, s1\n \
         vcvtr.s32.f32 s2, s2\n \
         vcvtr.s32.f32 s3, s3\n \
         vmov r4, r5, s0, s1\n \
         vmov r6, r7, s2, s3"
    };
}

/// Integers in r4 to r7 plus the zero point in r8, cut to bytes, as `requantize::to_byte`
/// does it.
macro_rules! four_bytes {
    () => {
        "qadd r4, r4, r8\n \
         qadd r5, r5, r8\n \
         qadd r6, r6, r8\n \
         qadd r7, r7, r8\n \
         usat r4, #8, r4\n \
         usat r5, #8, r5\n \
         usat r6, #8, r6\n \
         usat r7, #8, r7"
    };
}

pub(super) use {four_bytes, four_reals, four_steps, has};
