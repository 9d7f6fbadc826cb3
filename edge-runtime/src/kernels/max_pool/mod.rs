//! Maximum over windows of uint8 activations.

pub mod scalar;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod avx512;

#[cfg(feature = "std")]
use {crate::kernels::InstructionSet, shared::artifact::plan::MaxPool};

/// As [`scalar::max_pool`], with instructions of `set` where the processor has them.
#[cfg(feature = "std")]
#[allow(unsafe_code, reason = "vector instructions")]
pub fn max_pool(set: InstructionSet, pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    match set {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni if set.is_supported() => {
            // SAFETY: the processor has them.
            unsafe { avx512::max_pool(pool, input, output) }
        }
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 | InstructionSet::AvxVnni if set.is_supported() => {
            // SAFETY: the processor has them.
            unsafe { avx2::max_pool(pool, input, output) }
        }
        _ => scalar::max_pool(pool, input, output),
    }
}
