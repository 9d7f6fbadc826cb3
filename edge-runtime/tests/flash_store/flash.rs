//! A flash in memory whose power fails, and which fails by itself.

use core::ops::Range;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::{PAGE, REGION};

/// Flash whose words can be written once between erasures, and whose power fails during
/// one of its operations.
#[derive(Clone)]
pub(crate) struct Flash {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_written: Vec<bool>,
    /// Words and pages that are still written and erased.
    pub(crate) power: Option<usize>,
    pub(crate) tear: Tear,
    /// After how many operations one is reported to have failed, and whether it was done
    /// all the same.
    pub(crate) hiccup: Option<(usize, bool)>,
}

/// What an erasure that is cut off has done to its page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tear {
    Front,
    Back,
    Bits,
    /// Some bits of the first words alone: it had just begun.
    Onset,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Fault {
    PowerFailed,
    Hiccup,
    OutOfBounds,
    WrittenTwice,
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

pub(crate) const WORD: usize = 4;

impl Flash {
    pub(crate) fn blank() -> Self {
        let len = REGION.end as usize + PAGE;
        Self {
            bytes: vec![0xff; len],
            is_written: vec![false; len / WORD],
            power: None,
            tear: Tear::Front,
            hiccup: None,
        }
    }

    fn make_blank(&mut self, part: Range<usize>) {
        self.is_written[part.start / WORD..part.end / WORD].fill(false);
        self.bytes[part].fill(0xff);
    }

    /// Whether this operation is reported to have failed, and whether it is done.
    fn hiccup(&mut self) -> (bool, bool) {
        match &mut self.hiccup {
            None => (false, true),
            Some((0, done)) => {
                let done = *done;
                self.hiccup = None;
                (true, done)
            }
            Some((left, _)) => {
                *left -= 1;
                (false, true)
            }
        }
    }

    fn spend(&mut self) -> Result<(), Fault> {
        match &mut self.power {
            None => Ok(()),
            Some(0) => Err(Fault::PowerFailed),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    pub(crate) fn contains(&self, bytes: &[u8]) -> bool {
        let begins = |(at, byte): (usize, &u8)| {
            (*byte == bytes[0]).then(|| self.bytes[at..].starts_with(bytes))
        };
        let mut places = self.bytes.iter().enumerate().filter_map(begins);
        places.any(|is_here| is_here)
    }
}

impl ErrorType for Flash {
    type Error = Fault;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        let from = offset as usize;
        let place = self.bytes.get(from..from + bytes.len());
        bytes.copy_from_slice(place.ok_or(Fault::OutOfBounds)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        assert!(REGION.contains(&from) && to <= REGION.end, "outside");
        let (fails, is_done) = self.hiccup();
        if !is_done {
            return Err(Fault::Hiccup);
        }
        for page in (from as usize..to as usize).step_by(PAGE) {
            if let Err(error) = self.spend() {
                let part = match self.tear {
                    Tear::Front => page..page + PAGE / 2,
                    Tear::Back => page + PAGE / 2..page + PAGE,
                    Tear::Onset => {
                        self.bytes[page + 4..page + 8]
                            .iter_mut()
                            .for_each(|byte| *byte |= 0x2a);
                        return Err(error);
                    }
                    Tear::Bits => {
                        self.bytes[page..page + PAGE]
                            .iter_mut()
                            .for_each(|byte| *byte |= 0x55);
                        return Err(error);
                    }
                };
                self.make_blank(part);
                return Err(error);
            }
            self.make_blank(page..page + PAGE);
        }
        if fails {
            return Err(Fault::Hiccup);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        assert!(REGION.contains(&offset), "outside");
        let (fails, is_done) = self.hiccup();
        if !is_done {
            return Err(Fault::Hiccup);
        }
        assert_eq!((offset as usize % WORD, bytes.len() % WORD), (0, 0));
        for (index, word) in bytes.chunks(WORD).enumerate() {
            let at = offset as usize + index * WORD;
            if self.is_written[at / WORD] {
                return Err(Fault::WrittenTwice);
            }
            let power = self.spend();
            // Of the last word, some bits; it may be written again, to finish it.
            self.is_written[at / WORD] = power.is_ok();
            let stays = if power.is_ok() { 0x00 } else { 0x5a };
            for (place, byte) in self.bytes[at..].iter_mut().zip(word) {
                *place &= byte | stays;
            }
            power?;
        }
        if fails {
            return Err(Fault::Hiccup);
        }
        Ok(())
    }
}
