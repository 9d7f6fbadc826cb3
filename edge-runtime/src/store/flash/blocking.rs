//! Flash that waits in place of being waited for.

use embedded_storage::nor_flash::NorFlash;
use embedded_storage_async::nor_flash as waiting;

/// A flash whose operations are done when they return, for code that would wait.
#[derive(Debug)]
pub(super) struct Blocking<F>(pub(super) F);

impl<F: NorFlash> waiting::ErrorType for Blocking<F> {
    type Error = F::Error;
}

impl<F: NorFlash> waiting::ReadNorFlash for Blocking<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> waiting::NorFlash for Blocking<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.write(offset, bytes)
    }
}
