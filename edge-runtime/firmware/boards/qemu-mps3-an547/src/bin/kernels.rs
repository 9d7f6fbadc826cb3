//! Tries the kernels on Arm MPS3 with a Cortex-M55 (AN547).
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu_mps3_an547::BOARD;

#[entry]
fn main() -> ! {
    BOARD.try_kernels()
}
