//! Tries the kernels on a Cortex-M4F.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu::clock::SysTick;
use qemu::kernels::{Memory, try_all};
use static_cell::ConstStaticCell;

/// Cycles of a second.
const CLOCK: u32 = 25_000_000;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else {
        unreachable!("main runs once");
    };
    let mut clock = SysTick::start(core.SYST, CLOCK);
    try_all(MEMORY.take(), &mut clock, 300)
}
