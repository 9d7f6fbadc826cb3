//! A board in memory.

use edge_runtime::sensor::{Captured, SensorError};
use edge_runtime::server::Board;
use edge_runtime::slots::MappedFlash;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_write,
};

/// Bytes of a slot.
pub(crate) const SLOT: usize = 1024;

/// Flash that never fails, and is written as flash is: bits go from 1 to 0.
pub(crate) struct Ram([u8; SLOT]);

impl Ram {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut ram = [0xff; SLOT];
        ram[..bytes.len()].copy_from_slice(bytes);
        Self(ram)
    }
}

#[derive(Debug)]
pub(crate) struct OutOfPlace(NorFlashErrorKind);

impl NorFlashError for OutOfPlace {
    fn kind(&self) -> NorFlashErrorKind {
        self.0
    }
}

impl ErrorType for Ram {
    type Error = OutOfPlace;
}

impl ReadNorFlash for Ram {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), OutOfPlace> {
        let start = offset as usize;
        bytes.copy_from_slice(&self.0[start..start + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        SLOT
    }
}

impl NorFlash for Ram {
    const WRITE_SIZE: usize = 32;
    const ERASE_SIZE: usize = 256;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), OutOfPlace> {
        check_erase(self, from, to).map_err(OutOfPlace)?;
        self.0[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), OutOfPlace> {
        check_write(self, offset, bytes.len()).map_err(OutOfPlace)?;
        let places = self.0[offset as usize..].iter_mut();
        places.zip(bytes).for_each(|(place, byte)| *place &= byte);
        Ok(())
    }
}

impl MappedFlash for Ram {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Between two looks at the clock, so that whoever has to wait need not for long.
const SECONDS: u64 = 10;

/// A board that sees another picture each time.
pub(crate) struct Desk(pub(crate) u64);

impl Board for Desk {
    fn name(&self) -> &str {
        "desk"
    }

    fn ticks(&mut self) -> Option<u64> {
        self.0 += SECONDS;
        Some(self.0)
    }

    fn ticks_per_second(&self) -> u32 {
        1
    }

    fn stack(&self) -> (u32, u32) {
        (300, 4000)
    }

    fn capture(&mut self, pixels: &mut [u8]) -> Result<Captured, SensorError> {
        self.0 += 1;
        let needed = 16;
        let room = pixels.len();
        let place = pixels
            .get_mut(..needed)
            .ok_or(SensorError::Memory { needed, room })?;
        place.fill(0);
        if let Some(pixel) = place.get_mut(self.0 as usize % needed) {
            *pixel = 255;
        }
        Ok(Captured {
            width: 4,
            height: 4,
            channels: 1,
        })
    }
}
