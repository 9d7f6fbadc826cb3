//! What ends the emulator.

use core::panic::PanicInfo;

use semihosting::io::{Write, stderr};
use semihosting::process;

/// The exit status after a panic.
const PANICKED: i32 = 101;

/// Nothing that serves a host panics; this is for what the linker keeps of libraries.
#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    let file = info.location().map_or("somewhere", |place| place.file());
    say("panicked in ", file);
    process::exit(PANICKED)
}

/// Says why the board cannot serve, and ends.
pub fn end(why: &str) -> ! {
    say("error: ", why);
    process::exit(1)
}

/// Without formatting, which would be a third of the program.
fn say(what: &str, why: &str) {
    if let Ok(mut output) = stderr() {
        for part in [what, why, "\n"] {
            let _ = output.write_all(part.as_bytes());
        }
    }
}
