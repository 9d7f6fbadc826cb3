//! Tries the kernels on Arm MPS2 with a Cortex-M3 (AN385).
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu_mps2_an385::BOARD;

#[entry]
fn main() -> ! {
    BOARD.try_kernels()
}
