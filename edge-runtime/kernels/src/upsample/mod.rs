//! Maps twice as large.

pub mod scalar;
