//! Cosines of pixels with what references say of a structure.

pub mod scalar;
