//! Flash that the processor reads at addresses it was mapped to, through a cache.

use core::ops::Range;

use edge_runtime::boards::ESP32_C6;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use esp_hal::peripherals::{EXTMEM, SPI0};
use esp_storage::{FlashStorage, FlashStorageError};

/// Bytes that are mapped at once.
const PAGE: usize = 64 * 1024;
/// The first address that pages are mapped to.
const MAPPED: usize = 0x4200_0000;
/// An entry of the table of pages that is in use.
const VALID: u32 = 1 << 9;

unsafe extern "C" {
    /// Makes the cache forget what it has of a part of the addresses (a routine of the ROM).
    fn Cache_Invalidate_Addr(start: u32, length: u32) -> i32;
}

/// Flash, mapped to the processor's addresses.
pub(crate) struct Mapped(FlashStorage<'static>);

impl Mapped {
    /// Maps all of the flash to the addresses that `edge_runtime::boards` states. They are in
    /// the second half of the table of pages; that of the program, which the boot loader
    /// mapped, is in the first. Flash that is encrypted reads as it lies.
    pub(crate) fn new(flash: FlashStorage<'static>) -> Self {
        let Range { start, end } = ESP32_C6.flash;
        let first = (start - MAPPED) / PAGE;
        map(first as u32, ((end - start) / PAGE) as u32);
        forget(0, end - start);
        Self(flash)
    }
}

/// Maps the flash's first pages from an entry of the table on. It runs in memory, since a
/// program in flash is read by way of that table.
#[esp_hal::ram]
fn map(first: u32, pages: u32) {
    for page in 0..pages {
        SPI0::regs()
            .mmu_item_index()
            // SAFETY: the table has 256 entries.
            .write(|register| unsafe { register.spi_mmu_item_index().bits(first + page) });
        SPI0::regs()
            .mmu_item_content()
            // SAFETY: an entry that nobody uses, for a page of the flash.
            .write(|register| unsafe { register.spi_mmu_item_content().bits(page | VALID) });
    }
    // As the boot loader did for the half of the table that the program needs.
    EXTMEM::regs().l1_cache_ctrl().modify(|_, register| {
        register.l1_cache_shut_bus0().clear_bit();
        register.l1_cache_shut_bus1().clear_bit()
    });
}

/// Makes the cache forget what it has of a part.
fn forget(offset: u32, length: usize) {
    let start = ESP32_C6.flash.start as u32 + offset;
    // SAFETY: the cache of flash has nothing that the flash lacks.
    unsafe { Cache_Invalidate_Addr(start, length as u32) };
}

impl ErrorType for Mapped {
    type Error = FlashStorageError;
}

impl ReadNorFlash for Mapped {
    const READ_SIZE: usize = <FlashStorage<'_> as ReadNorFlash>::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashStorageError> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl NorFlash for Mapped {
    const WRITE_SIZE: usize = <FlashStorage<'_> as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <FlashStorage<'_> as NorFlash>::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashStorageError> {
        let erased = self.0.erase(from, to);
        forget(from, to.saturating_sub(from) as usize);
        erased
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashStorageError> {
        let written = self.0.write(offset, bytes);
        forget(offset, bytes.len());
        written
    }
}
