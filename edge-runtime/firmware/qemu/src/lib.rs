//! What emulated boards share: flash in a file of the host, serial ports, clocks,
//! the host's random numbers.
//!
//! The emulator is told by `-semihosting-config enable=on,target=native,arg=semblance,...`:
//! `arg=FILE` is the file that keeps the flash, and a second argument, a number, after how
//! many writes and erased pages power fails.
#![no_std]

pub mod clock;
pub mod flash;
pub mod kernels;
#[cfg(target_arch = "arm")]
pub mod mps;
pub mod panic;
pub mod random;
pub mod serve;
pub mod uart;
mod verification;

pub use edge_runtime::boards::EMULATED_FLASH;
pub use flash::FileFlash;
pub use hardware::{Clocked, stack};
pub use random::HostRandom;
pub use serve::serve;
