//! A slope per channel below zero, on uint8 activations.

pub mod scalar;
