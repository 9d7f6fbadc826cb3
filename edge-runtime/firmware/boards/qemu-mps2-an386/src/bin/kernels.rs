//! Tries the kernels on Arm MPS2 with a Cortex-M4F (AN386).
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu_mps2_an386::BOARD;

#[entry]
fn main() -> ! {
    BOARD.try_kernels()
}
