//! What a debug probe reads: why a board does not serve.

use core::panic::PanicInfo;

use defmt_rtt as _;

/// Nothing that serves a host panics; this is for what the linker keeps of libraries.
#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        // Without the message, whose formatting would be a third of the program.
        Some(place) => defmt::error!("panicked in {=str}:{=u32}", place.file(), place.line()),
        None => defmt::error!("panicked"),
    }
    halt()
}

/// Says why the board cannot serve, and waits to be looked at.
pub fn end(why: &str) -> ! {
    defmt::error!("expected to serve a host, found {=str}", why);
    halt()
}

fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
