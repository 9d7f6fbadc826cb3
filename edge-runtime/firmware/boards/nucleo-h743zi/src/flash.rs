//! The flash of an STM32H7 (RM0433, chapter 4), whose words have check bits, behind the
//! processor's cache.

use core::arch::asm;
use core::ops::Range;

use cortex_m::peripheral::SCB;
use edge_runtime::boards::NUCLEO_H743ZI;
use embassy_stm32::flash::{Blocking, Error, Flash};
use embassy_stm32::pac::FLASH;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

/// Bytes of a word, and of a line of the cache.
const WORD: usize = 32;

/// Ignore bus faults while only faults could interrupt (Arm DDI 0403, B3.2.8).
const BFHFNMIGN: u32 = 1 << 8;

/// Flash in which power may have failed.
///
/// A word that was being written, or erased, may be one whose check bits do not fit: reading
/// it is a bus fault. Here it reads as zeros, which are neither blank nor a record.
pub(crate) struct Checked<'d> {
    flash: Flash<'d, Blocking>,
    control: SCB,
}

impl<'d> Checked<'d> {
    /// The flash, and the cache in front of it.
    pub(crate) fn new(flash: Flash<'d, Blocking>, control: SCB) -> Self {
        Self { flash, control }
    }

    /// Erases the last page of a slot, which has the trailer, if a word of it cannot be read: the
    /// model there was not acknowledged, or another was about to take its place. A secret has a
    /// page, and if that cannot be read was not acknowledged either.
    pub(crate) fn mend(&mut self, slot: &Range<usize>) -> Result<(), Error> {
        let end = slot.end - NUCLEO_H743ZI.flash.start;
        let page = end - NUCLEO_H743ZI.page;
        let mut words = (page..end).step_by(WORD);
        if words.all(|word| self.read_word(word).is_some()) {
            return Ok(());
        }
        self.erase(page as u32, end as u32)
    }

    /// The word at an offset within the flash, if its check bits fit.
    fn read_word(&mut self, offset: usize) -> Option<[u8; WORD]> {
        clear_errors();
        let word = (NUCLEO_H743ZI.flash.start + offset) as *const [u32; WORD / 4];
        // SAFETY: a word of the flash; while faults are ignored nothing else runs that would
        // miss one.
        let word = unsafe {
            asm!("cpsid f", options(nostack, preserves_flags));
            self.control.ccr.modify(|ccr| ccr | BFHFNMIGN);
            cortex_m::asm::dsb();
            let word = word.read_volatile();
            cortex_m::asm::dsb();
            self.control.ccr.modify(|ccr| ccr & !BFHFNMIGN);
            asm!("cpsie f", options(nostack, preserves_flags));
            word
        };
        let is_torn = [0, 1].map(|bank| FLASH.bank(bank).sr().read().dbeccerr());
        let mut bytes = [0; WORD];
        let places = bytes.as_chunks_mut::<4>().0.iter_mut();
        places
            .zip(word)
            .for_each(|(place, part)| *place = part.to_ne_bytes());
        (is_torn == [false; 2]).then_some(bytes)
    }

    /// Makes the cache forget what it has of a part.
    fn forget(&mut self, offset: u32, length: usize) {
        let start = NUCLEO_H743ZI.flash.start + offset as usize;
        // SAFETY: whole lines of flash, which has all that was written.
        unsafe { self.control.invalidate_dcache_by_address(start, length) };
    }
}

/// The HAL takes errors that readers left for its own, and clears none of them.
fn clear_errors() {
    for bank in [0, 1] {
        FLASH.bank(bank).ccr().write(|clear| {
            clear.set_clr_sneccerr(true);
            clear.set_clr_dbeccerr(true);
            clear.set_clr_operr(true);
            clear.set_clr_incerr(true);
            clear.set_clr_strberr(true);
            clear.set_clr_pgserr(true);
            clear.set_clr_wrperr(true);
        });
    }
}

impl ErrorType for Checked<'_> {
    type Error = Error;
}

impl ReadNorFlash for Checked<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let mut offset = offset as usize;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = offset % WORD;
            let word = self.read_word(offset - within).unwrap_or_default();
            let word = word.get(within..).unwrap_or_default();
            let count = word.len().min(rest.len());
            let (places, others) = rest.split_at_mut(count);
            places
                .iter_mut()
                .zip(word)
                .for_each(|(place, byte)| *place = *byte);
            rest = others;
            offset += count;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        NUCLEO_H743ZI.flash.len()
    }
}

impl NorFlash for Checked<'_> {
    const WRITE_SIZE: usize = <Flash<'_, Blocking> as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <Flash<'_, Blocking> as NorFlash>::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        clear_errors();
        let erased = self.flash.erase(from, to);
        self.forget(from, to.saturating_sub(from) as usize);
        erased
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        clear_errors();
        let written = self.flash.write(offset, bytes);
        self.forget(offset, bytes.len());
        written
    }
}
