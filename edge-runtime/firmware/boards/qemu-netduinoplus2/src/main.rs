//! Netduino Plus 2 with an STM32F405 (Cortex-M4F), emulated.
#![no_std]
#![no_main]

use core::slice;

use cortex_m_rt::entry;
use qemu::EMULATED_FLASH;
use qemu::clock::SysTick;
use qemu::flash::ReadOnly;
use qemu::uart::Stm32;
use qemu::{Clocked, FileFlash, HostRandom, serve, stack};

/// Cycles of a second.
const CLOCK: u32 = 168_000_000;
const UART: usize = 0x4001_1000;
/// Where the slots lie in the flash, which the emulator loads and never changes.
const SLOTS: usize = 0x0808_0000;
/// The core-coupled memory, which stands for the pages of flash that change.
const PAGES: usize = 0x1000_0000;

#[entry]
fn main() -> ! {
    // SAFETY: nothing was called before.
    unsafe { stack::paint() };
    let Some(core) = cortex_m::Peripherals::take() else {
        unreachable!("main runs once");
    };
    let slots = EMULATED_FLASH.slots.map(|part| {
        let start = (SLOTS + part.start) as *const u8;
        // SAFETY: in the second half of the flash, which nobody writes.
        ReadOnly(unsafe { slice::from_raw_parts(start, part.len()) })
    });
    // SAFETY: the board has 64 KB there, which the linker gives to nobody.
    let pages = unsafe {
        [
            FileFlash::open(PAGES, EMULATED_FLASH.store),
            FileFlash::open(PAGES + EMULATED_FLASH.store.len(), EMULATED_FLASH.keys),
        ]
    };
    // SAFETY: the board has this port, which nothing else uses.
    let port = unsafe { Stm32::new(UART) };
    let board = Clocked {
        name: "qemu-netduinoplus2",
        clock: SysTick::start(core.SYST, CLOCK),
        random: HostRandom,
    };
    serve(port, board, slots, pages)
}
