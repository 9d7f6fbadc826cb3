//! Arm MPS3 with a Cortex-M55 (AN547), emulated.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu_mps3_an547::BOARD;

#[entry]
fn main() -> ! {
    // SAFETY: nothing was called before; the board has the serial port, and 2 MB of memory
    // there, which the linker gives to nobody.
    unsafe { BOARD.serve() }
}
