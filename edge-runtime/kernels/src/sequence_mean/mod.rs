//! The mean over the steps of a uint8 sequence.

pub mod scalar;
