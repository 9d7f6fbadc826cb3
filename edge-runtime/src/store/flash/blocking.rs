//! Flash that waits in place of being waited for.

use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind};
use embedded_storage_async::nor_flash as waiting;

/// A flash whose operations are done when they return, for code that would wait.
#[derive(Debug)]
pub(super) struct Blocking<F> {
    pub(super) flash: F,
    /// Whether it may be changed. The map would repair what it takes for damaged, be it
    /// somebody else's.
    pub(super) access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blocked<E> {
    Flash(E),
    /// It was to be read only.
    ReadOnly,
}

impl<E: NorFlashError> NorFlashError for Blocked<E> {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Flash(error) => error.kind(),
            Self::ReadOnly => NorFlashErrorKind::Other,
        }
    }
}

impl<F: NorFlash> waiting::ErrorType for Blocking<F> {
    type Error = Blocked<F::Error>;
}

impl<F: NorFlash> waiting::ReadNorFlash for Blocking<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.flash.read(offset, bytes).map_err(Blocked::Flash)
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl<F: NorFlash> waiting::NorFlash for Blocking<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        match self.access {
            Access::Read => Err(Blocked::ReadOnly),
            Access::Write => self.flash.erase(from, to).map_err(Blocked::Flash),
        }
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        match self.access {
            Access::Read => Err(Blocked::ReadOnly),
            Access::Write => self.flash.write(offset, bytes).map_err(Blocked::Flash),
        }
    }
}
