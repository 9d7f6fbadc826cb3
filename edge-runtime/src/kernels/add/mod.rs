//! Sum of uint8 activations of two scales.

pub mod scalar;
