//! Convolution of uint8 activations with int8 filters, each channel by itself.

pub mod scalar;
