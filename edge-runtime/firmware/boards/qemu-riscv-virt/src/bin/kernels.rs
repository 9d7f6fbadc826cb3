//! Tries the kernels on a 32-bit RISC-V core without a floating-point unit.
#![no_std]
#![no_main]

use qemu::clock::Cycles;
use qemu::kernels::{Memory, try_all};
use riscv_rt::entry;
use static_cell::ConstStaticCell;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

/// Tries them.
#[entry]
fn main() -> ! {
    try_all(MEMORY.take(), &mut Cycles, 300)
}
