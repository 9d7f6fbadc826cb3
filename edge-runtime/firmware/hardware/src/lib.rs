//! What boards share.
//!
//! Emulated boards need clock, stack and memory alone. Real ones have one flash whose parts are used
//! for different things, a line that loses bytes, and a log that a debug probe reads.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod clock;
pub mod stack;
pub mod statics;
#[cfg(target_arch = "arm")]
pub mod systick;

#[cfg(feature = "real")]
pub mod flash;
#[cfg(feature = "real")]
pub mod line;
#[cfg(feature = "real")]
pub mod pin;

// Not where the others are tested, which has a handler of panics.
#[cfg(all(feature = "real", target_os = "none"))]
pub mod log;
#[cfg(all(feature = "real", target_os = "none"))]
pub mod serve;

#[cfg(feature = "real")]
pub use clock::Generator;
pub use clock::{Clock, Clocked, Random};
pub use statics::Statics;
