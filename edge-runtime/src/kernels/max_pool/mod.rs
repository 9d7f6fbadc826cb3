//! Maximum over windows of uint8 activations.

pub mod scalar;
