//! What every board does: answer a host, recognise, show the verdict.
//!
//! ```text
//! link -> frames -> server (recognizer: engine, store in flash) -> link
//!                     |
//!                  indicator
//! ```
//!
//! Samples come over the link, or from a board's own [`sensor`].
//!
//! Boards wire peripherals to [`run`] and decide nothing.
#![no_std]
#![forbid(unsafe_code)]

pub mod indicator;
pub mod run;
pub mod sensor;

pub use indicator::{Indicator, Pins, Sign};
pub use run::{Memory, Parts, run};
