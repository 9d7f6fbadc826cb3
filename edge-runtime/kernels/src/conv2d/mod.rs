//! Convolution of uint8 activations with int8 filters.

use shared::artifact::plan::Conv2d;

pub mod portable;
pub mod scalar;

#[cfg(dsp)]
#[allow(unsafe_code, reason = "instructions that the compiler does not know")]
mod column;
#[cfg(dsp)]
#[allow(unsafe_code, reason = "instructions that the compiler does not know")]
mod dsp;
#[cfg(mve)]
#[allow(unsafe_code, reason = "instructions that the compiler does not know")]
mod mve;
#[cfg(mve)]
#[allow(unsafe_code, reason = "instructions that the compiler does not know")]
mod windows;

#[cfg(feature = "std")]
mod interleave;

#[cfg(feature = "std")]
#[allow(unsafe_code, reason = "vector instructions")]
pub mod packed;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod avx512_vnni;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod avx_vnni;
#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod neon;
#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod neon_dotprod;

/// The constants of one convolution, as they lie in the artifact.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a> {
    /// int8 `[out channels, kernel height, kernel width, in channels]`; kernels of boards may
    /// be given, and read, what follows them.
    pub weights: &'a [u8],
    /// Little-endian int32, one per output channel.
    pub bias: &'a [u8],
    /// Little-endian f32, one per output channel.
    pub multipliers: &'a [u8],
}

/// As [`scalar::conv2d`], with the instructions of the processor that this is compiled for.
pub fn conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    #[cfg(dsp)]
    dsp::conv2d(conv, filters, input, output);
    #[cfg(mve)]
    mve::conv2d(conv, filters, input, output);
    #[cfg(not(any(dsp, mve)))]
    portable::conv2d(conv, filters, input, output);
}
