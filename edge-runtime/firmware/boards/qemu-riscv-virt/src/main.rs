//! A 32-bit RISC-V core without a floating-point unit (virt), emulated.
#![no_std]
#![no_main]

use core::ops::Range;

use qemu::EMULATED_FLASH;
use qemu::clock::Cycles;
use qemu::uart::Ns16550;
use qemu::{Clocked, FileFlash, HostRandom, serve, stack};
use riscv_rt::entry;

const UART: usize = 0x1000_0000;
/// Memory that stands for flash.
const FLASH: usize = 0x8100_0000;

/// Serves the host.
#[entry]
fn main() -> ! {
    // SAFETY: nothing was called before.
    unsafe { stack::paint() };
    // SAFETY: the board has 128 MB of memory, which the linker gives the first part of; each
    // part is opened once.
    let open = |part: Range<usize>| unsafe { FileFlash::open(FLASH + part.start, part) };
    let slots = EMULATED_FLASH.slots.map(open);
    let pages = [EMULATED_FLASH.store, EMULATED_FLASH.keys].map(open);
    // SAFETY: the board has this port, which nothing else uses.
    let port = unsafe { Ns16550::new(UART) };
    let board = Clocked {
        name: "qemu-riscv-virt",
        clock: Cycles,
        random: HostRandom,
    };
    serve(port, board, slots, pages)
}
