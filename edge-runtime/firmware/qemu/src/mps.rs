//! The MPS boards of Arm: a CMSDK serial port, a system timer, and memory to spare.

use cortex_m::peripheral::Peripherals;
use edge_runtime::boards::EMULATED_FLASH;
use static_cell::ConstStaticCell;

use crate::clock::SysTick;
use crate::kernels::{self, Memory};
use crate::uart::Cmsdk;
use crate::{Clocked, FileFlash, HostRandom, panic, serve, stack};

/// What differs between the boards.
#[derive(Clone, Copy, Debug)]
pub struct Mps {
    /// The board's name.
    pub name: &'static str,
    /// Cycles of a second.
    pub clock: u32,
    /// Where the serial port is.
    pub uart: usize,
    /// Where memory begins that stands for flash.
    pub flash: usize,
}

impl Mps {
    fn timer(&self) -> SysTick {
        match Peripherals::take() {
            Some(core) => SysTick::start(core.SYST, self.clock),
            None => panic::end("expected to be called once"),
        }
    }

    /// Serves the host.
    ///
    /// # Safety
    /// Called once, before anything else; the serial port and the memory are there, and
    /// nothing else uses them.
    pub unsafe fn serve(&self) -> ! {
        // SAFETY: the caller promises all of it; the parts of the flash are different ones.
        let (slots, pages, port) = unsafe {
            stack::paint();
            let open =
                |part: core::ops::Range<usize>| FileFlash::open(self.flash + part.start, part);
            let slots = EMULATED_FLASH.slots.map(open);
            let pages = [EMULATED_FLASH.store, EMULATED_FLASH.keys].map(open);
            (slots, pages, Cmsdk::new(self.uart))
        };
        let board = Clocked {
            name: self.name,
            clock: self.timer(),
            random: HostRandom,
        };
        serve(port, board, slots, pages)
    }

    /// Tries the kernels.
    pub fn try_kernels(&self) -> ! {
        static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
        kernels::try_all(MEMORY.take(), &mut self.timer(), 300)
    }
}
