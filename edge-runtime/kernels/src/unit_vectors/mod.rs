//! Channels of each pixel, scaled to unit length.

pub mod scalar;
