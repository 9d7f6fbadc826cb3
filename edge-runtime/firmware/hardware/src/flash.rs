//! One flash, of which different parts are used for different things.

use core::cell::RefCell;
use core::ops::Range;
use core::slice;

use edge_runtime::slots::MappedFlash;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};

/// A part of a flash that the processor reads in place.
#[derive(Debug)]
pub struct Part<'a, F> {
    flash: &'a RefCell<F>,
    /// Where it begins in the flash.
    offset: u32,
    /// Where the processor reads it.
    addresses: Range<usize>,
}

impl<'a, F> Part<'a, F> {
    /// The part that the processor reads at `addresses`, of a flash whose first byte it reads
    /// at `start`, before them.
    ///
    /// # Safety
    /// The flash is there, and nothing changes this part of it but what is returned.
    pub unsafe fn new(flash: &'a RefCell<F>, start: usize, addresses: Range<usize>) -> Self {
        Self {
            flash,
            offset: addresses.start.saturating_sub(start) as u32,
            addresses,
        }
    }
}

impl<F: NorFlash> Part<'_, F> {
    /// Calls the flash, of which each part is used by one caller at a time.
    fn call(
        &self,
        operation: impl FnOnce(&mut F) -> Result<(), F::Error>,
    ) -> Result<(), NorFlashErrorKind> {
        let flash = self.flash.try_borrow_mut();
        let mut flash = flash.map_err(|_| NorFlashErrorKind::Other)?;
        operation(&mut flash).map_err(|error| error.kind())
    }
}

impl<F: NorFlash> MappedFlash for Part<'_, F> {
    fn bytes(&self) -> &[u8] {
        let start = self.addresses.start as *const u8;
        // SAFETY: `new` was promised flash there, which only this part changes; and it does so
        // only when nobody has these bytes, since it is borrowed from them.
        unsafe { slice::from_raw_parts(start, self.addresses.len()) }
    }
}

impl<F> ErrorType for Part<'_, F> {
    type Error = NorFlashErrorKind;
}

impl<F: NorFlash> ReadNorFlash for Part<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        self.call(|flash| flash.read(self.offset + offset, bytes))
    }

    fn capacity(&self) -> usize {
        self.addresses.len()
    }
}

impl<F: NorFlash> NorFlash for Part<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.call(|flash| flash.erase(self.offset + from, self.offset + to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        self.call(|flash| flash.write(self.offset + offset, bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const PAGE: usize = 64;
    const WORD: usize = 4;

    /// Flash that the processor reads at `bytes`.
    struct Memory {
        bytes: &'static mut [u8],
    }

    impl Memory {
        /// Three pages, and where they are read.
        fn blank() -> (RefCell<Self>, usize) {
            let bytes = Vec::leak(std::vec![0xff; 3 * PAGE]);
            let start = bytes.as_ptr() as usize;
            (RefCell::new(Self { bytes }), start)
        }
    }

    impl ErrorType for Memory {
        type Error = NorFlashErrorKind;
    }

    impl ReadNorFlash for Memory {
        const READ_SIZE: usize = 1;

        fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
            let place = self.bytes.get(offset as usize..).unwrap_or_default();
            bytes.copy_from_slice(&place[..bytes.len()]);
            Ok(())
        }

        fn capacity(&self) -> usize {
            self.bytes.len()
        }
    }

    impl NorFlash for Memory {
        const WRITE_SIZE: usize = WORD;
        const ERASE_SIZE: usize = PAGE;

        fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
            self.bytes[from as usize..to as usize].fill(0xff);
            Ok(())
        }

        fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
            self.bytes[offset as usize..][..bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
    }

    fn pages(flash: &RefCell<Memory>, start: usize, pages: Range<usize>) -> Part<'_, Memory> {
        let addresses = start + pages.start * PAGE..start + pages.end * PAGE;
        // SAFETY: memory that is never given back, of which each test changes a page by one
        // part.
        unsafe { Part::new(flash, start, addresses) }
    }

    #[test]
    fn a_part_changes_itself_alone_and_is_read_in_place() {
        let (flash, start) = Memory::blank();
        let mut first = pages(&flash, start, 0..1);
        let mut last = pages(&flash, start, 2..3);
        first.write(0, &[1; PAGE]).expect("a page");
        last.write(WORD as u32, &[2; WORD]).expect("a word");
        assert_eq!(first.bytes(), [1; PAGE]);
        assert_eq!(
            last.bytes()[..3 * WORD],
            [[0xff; WORD], [2; WORD], [0xff; WORD]].concat()
        );
        assert_eq!(pages(&flash, start, 1..2).bytes(), [0xff; PAGE]);
        let mut read = [0; WORD];
        last.read(WORD as u32, &mut read).expect("a word");
        assert_eq!(read, [2; WORD]);
        last.erase(0, PAGE as u32).expect("a page");
        assert_eq!(
            (first.bytes(), last.bytes()),
            (&[1; PAGE][..], &[0xff; PAGE][..])
        );
    }

    #[test]
    fn nothing_is_done_behind_the_end_or_between_words_and_pages() {
        const PAST: Result<(), NorFlashErrorKind> = Err(NorFlashErrorKind::OutOfBounds);
        const BETWEEN: Result<(), NorFlashErrorKind> = Err(NorFlashErrorKind::NotAligned);
        let (flash, start) = Memory::blank();
        let mut part = pages(&flash, start, 0..1);
        assert_eq!(part.write(PAGE as u32, &[0; WORD]), PAST);
        assert_eq!(part.write(0, &[0; PAGE + WORD]), PAST);
        assert_eq!(part.erase(0, 2 * PAGE as u32), PAST);
        assert_eq!(part.read(PAGE as u32, &mut [0]), PAST);
        assert_eq!(part.write(1, &[0; WORD]), BETWEEN);
        assert_eq!(part.erase(0, WORD as u32), BETWEEN);
        assert!(flash.borrow().bytes.iter().all(|byte| *byte == 0xff));
    }
}
