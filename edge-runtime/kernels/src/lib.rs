//! The arithmetic of the int8 engine: a folder per operator, a file per
//! instruction set; the scalar file is the oracle of the others.
//!
//! `shared/docs/int8-arithmetic.md` specifies every operator to the bit. Kernels
//! do no I/O and check nothing: parsing an artifact has proved their bounds.
//!
//! Scalar kernels read weights where they lie in the artifact and need no memory of their
//! own. With `std`, convolutions can be packed for the vector instructions of the processor
//! (`packed.rs` in their folders); the other operators read what they need as it is.
//!
//! They are a package of their own so that programs can have them fast and the rest small.
#![no_std]
#![deny(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

#[cfg(feature = "std")]
extern crate std;

pub mod add;
#[cfg(feature = "segmentation")]
pub mod compare;
pub mod conv2d;
pub mod copy;
pub mod depthwise_conv2d;
pub mod dot_scan;
pub mod gru;
pub mod max_pool;
pub mod prelu;
pub mod requantize;
pub mod sequence_mean;
#[cfg(feature = "segmentation")]
pub mod unit_vectors;
#[cfg(feature = "segmentation")]
pub mod upsample;

#[cfg(dsp)]
mod dsp;
mod instruction_set;
#[cfg(feature = "std")]
mod lines;
#[cfg(mve)]
mod mve;
#[cfg(feature = "std")]
#[allow(unsafe_code, reason = "vector instructions")]
mod packing;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod registers;
#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
#[allow(unsafe_code, reason = "vector instructions")]
mod sdot;
mod window;

pub use instruction_set::InstructionSet;

/// A size of a plan, which is never 0: parsing has proved it, and this tells the compiler, so
/// that nothing that divides by it can panic.
#[inline(always)]
fn at_least_one(size: u16) -> usize {
    usize::from(size).max(1)
}
