//! Convolution of uint8 activations with int8 filters, each channel by itself.

use shared::artifact::plan::Conv2d;

use super::conv2d::Filters;

pub mod portable;
pub mod scalar;

#[cfg(dsp)]
#[allow(unsafe_code, reason = "instructions that the compiler does not know")]
mod dsp;
#[cfg(mve)]
#[allow(unsafe_code, reason = "instructions that the compiler does not know")]
mod mve;

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

/// As [`scalar::depthwise_conv2d`], with the instructions of the processor that this is
/// compiled for.
pub fn depthwise_conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    #[cfg(dsp)]
    dsp::depthwise_conv2d(conv, filters, input, output);
    #[cfg(mve)]
    mve::depthwise_conv2d(conv, filters, input, output);
    #[cfg(not(any(dsp, mve)))]
    portable::depthwise_conv2d(conv, filters, input, output);
}
