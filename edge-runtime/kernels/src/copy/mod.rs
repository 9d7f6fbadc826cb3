//! Rectangles of maps.

pub mod scalar;
