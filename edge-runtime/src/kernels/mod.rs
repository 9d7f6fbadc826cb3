//! The arithmetic of the int8 engine: a folder per operator, a file per
//! instruction set; the scalar file is the oracle of the others.
//!
//! `shared/docs/int8-arithmetic.md` specifies every operator to the bit. Kernels
//! do no I/O and check nothing: parsing an artifact has proved their bounds.

pub mod add;
pub mod conv2d;
pub mod depthwise_conv2d;
pub mod dot_scan;
pub mod max_pool;
pub mod prelu;
pub mod requantize;

mod window;
