//! Maximum over windows of uint8 activations.

pub mod scalar;

#[cfg(mve)]
#[allow(unsafe_code, reason = "instructions that the compiler does not know")]
pub mod mve;

/// The kernel of the processor that this is compiled for.
#[cfg(mve)]
pub use mve as native;
/// The kernel of the processor that this is compiled for.
#[cfg(not(mve))]
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
use {crate::InstructionSet, shared::artifact::plan::MaxPool};

/// As [`scalar::max_pool`], with instructions of `set` where the processor has them.
///
/// # Panics
/// Where a buffer is not of the size that the pool states.
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
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        InstructionSet::Neon | InstructionSet::NeonDotprod if set.is_supported() => {
            // SAFETY: the processor has them.
            unsafe { neon::max_pool(pool, input, output) }
        }
        _ => scalar::max_pool(pool, input, output),
    }
}

/// Channels of the pool, whose buffers are as long as it states.
#[cfg(feature = "std")]
#[allow(dead_code, reason = "where there are vector instructions")]
fn channels_of(pool: &MaxPool, input: &[u8], output: &[u8]) -> usize {
    let [from, to] = [pool.input, pool.output];
    assert_eq!([input.len(), output.len()], [from.len(), to.len()]);
    assert_eq!(from.channels, to.channels);
    to.channels.into()
}
