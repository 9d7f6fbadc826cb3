//! What ends the emulator.

use core::fmt;
use core::panic::PanicInfo;

use semihosting::{eprintln, process};

/// The exit status after a panic.
const PANICKED: i32 = 101;

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    eprintln!("{info}");
    process::exit(PANICKED)
}

/// Says why the board cannot serve, and ends.
pub fn end(fault: &impl fmt::Display) -> ! {
    eprintln!("error: {fault}");
    process::exit(1)
}
