//! A slope per channel below zero, on uint8 activations.

#[cfg(any(test, no_float))]
pub mod integer;
pub mod scalar;

#[cfg(mve)]
#[allow(unsafe_code, reason = "instructions that the compiler does not know")]
pub mod mve;

/// The kernel of the processor that this is compiled for.
#[cfg(no_float)]
pub use integer as native;
/// The kernel of the processor that this is compiled for.
#[cfg(mve)]
pub use mve as native;
/// The kernel of the processor that this is compiled for.
#[cfg(not(any(mve, no_float)))]
pub use scalar as native;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod avx512;
#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod neon;

#[cfg(feature = "std")]
use {crate::InstructionSet, shared::artifact::plan::Prelu};

/// As [`scalar::prelu`], with instructions of `set` where the processor has them.
#[cfg(feature = "std")]
#[allow(unsafe_code, reason = "vector instructions")]
pub fn prelu(set: InstructionSet, prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni if set.is_supported() => {
            // SAFETY: the processor has them.
            unsafe { avx512::prelu(prelu, slopes, values) }
        }
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 | InstructionSet::AvxVnni if set.is_supported() => {
            // SAFETY: the processor has them.
            unsafe { avx2::prelu(prelu, slopes, values) }
        }
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        InstructionSet::Neon | InstructionSet::NeonDotprod if set.is_supported() => {
            // SAFETY: the processor has them.
            unsafe { neon::prelu(prelu, slopes, values) }
        }
        _ => scalar::prelu(prelu, slopes, values),
    }
}
