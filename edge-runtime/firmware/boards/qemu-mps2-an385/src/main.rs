//! Arm MPS2 with a Cortex-M3 (AN385), emulated.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu_mps2_an385::BOARD;

#[entry]
fn main() -> ! {
    // SAFETY: nothing was called before; the board has the serial port, and 16 MB of memory
    // there, which the linker gives to nobody.
    unsafe { BOARD.serve() }
}
