//! What every board does: answer a host, recognise, show the verdict.
//!
//! ```text
//! link -> frames -> server (recognizer: engine, store in flash) -> link
//!                     |
//!                  indicator
//! ```
//!
//! Boards wire peripherals to [`run`] and decide nothing.
#![no_std]
#![forbid(unsafe_code)]

pub mod indicator;
pub mod run;

use edge_runtime::limits::{self, Limits};

pub use indicator::{Indicator, Pins, Sign};
pub use run::{Fault, Parts, run};

/// What boards have room for: those of today, all the same.
pub const LIMITS: Limits = limits::EMULATED;

/// Subjects that a board has places for.
pub const SUBJECTS: usize = LIMITS.subjects;

/// Samples of a subject.
pub const SHOTS: usize = LIMITS.shots;

/// Components of an embedding.
pub const DIM: usize = LIMITS.dim;

/// Bytes of the buffer for one record of the store.
pub const RECORD_LEN: usize = edge_runtime::store::flash::record_len::<SHOTS, DIM>();
