//! Arm MPS2 with a Cortex-M7F (AN500), emulated.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use qemu::clock::SysTick;
use qemu::serve::{MODEL, STORE};
use qemu::uart::Cmsdk;
use qemu::{Emulated, FileFlash, serve, stack};

/// Cycles of a second.
const CLOCK: u32 = 25_000_000;
const UART: usize = 0x4000_4000;
/// Memory that stands for flash.
const FLASH: usize = 0x6000_0000;

#[entry]
fn main() -> ! {
    // SAFETY: nothing was called before.
    unsafe { stack::paint() };
    let Some(core) = cortex_m::Peripherals::take() else {
        unreachable!("main runs once");
    };
    // SAFETY: the board has 16 MB there, which the linker gives to nobody.
    let model = unsafe { FileFlash::open(FLASH + MODEL.start, MODEL) }.into_mapped();
    // SAFETY: as above, another part.
    let store = unsafe { FileFlash::open(FLASH + STORE.start, STORE) };
    // SAFETY: the board has this port, which nothing else uses.
    let port = unsafe { Cmsdk::new(UART) };
    let board = Emulated {
        name: "qemu-mps2-an500",
        clock: SysTick::start(core.SYST, CLOCK),
    };
    serve(port, board, model, store)
}
