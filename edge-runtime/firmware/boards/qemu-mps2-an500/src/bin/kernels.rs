//! Tries the kernels on Arm MPS2 with a Cortex-M7F (AN500).
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu_mps2_an500::BOARD;

#[entry]
fn main() -> ! {
    BOARD.try_kernels()
}
