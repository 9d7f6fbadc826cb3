//! ArduCAM Mini 2MP Plus: an OV2640 that fills a memory, which is read over SPI.
//!
//! Registers of the memory's controller are those of the manufacturer's hardware
//! application note (ArduChip). Pictures come as Y U Y V, of which the brightness is kept.

use core::mem;

use edge_runtime::sensor::{Captured, Sensor, SensorError};
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;
use embedded_hal::spi::{Operation, SpiDevice};

use super::ov2640::{IDS, Ov2640};

const BUS: SensorError = SensorError::Bus {
    device: "camera",
    bus: "SPI",
};

/// Keeps what is written to it: whether there is a controller at all.
const TEST: u8 = 0x00;
const TEST_VALUES: &[u16] = &[0x55];
/// Bit 0 forgets the picture, bit 1 takes one.
const FIFO: u8 = 0x04;
const FORGET: u8 = 0x01;
const TAKE: u8 = 0x02;
/// Bit 7 holds the controller in reset.
const RESET: u8 = 0x07;
/// Reads on, as many bytes as one likes.
const BURST: u8 = 0x3C;
/// Bit 3: the picture is there.
const STATUS: u8 = 0x41;
const IS_TAKEN: u8 = 0x08;
/// Bytes of the picture, in three registers, the low ones first.
const LENGTH: [u8; 3] = [0x42, 0x43, 0x44];
/// In a register's address: it is written.
const WRITE: u8 = 0x80;

/// What controller and chip need after they were reset, in milliseconds.
const RESET_MS: u32 = 100;
/// What the chip needs to find its exposure: time for some ten pictures.
const SETTLE_MS: u32 = 500;
/// A picture is looked for so often, and for so long.
const POLL_MS: u32 = 5;
const PICTURE_MS: u32 = 1000;

/// Bytes of one transfer, two for a pixel.
const BLOCK: usize = 128;

/// The size of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// 160 x 120: 19,200 bytes.
    Qqvga,
    /// 320 x 240: 76,800 bytes.
    Qvga,
}

impl Resolution {
    /// Width and height, in units of 4 pixels.
    fn quarters(self) -> [u8; 2] {
        match self {
            Self::Qqvga => [40, 30],
            Self::Qvga => [80, 60],
        }
    }

    fn picture(self) -> Captured {
        let [width, height] = self.quarters().map(|quarter| 4 * u16::from(quarter));
        Captured {
            width,
            height,
            channels: 1,
        }
    }
}

/// The camera. It gives grey pictures.
#[derive(Debug)]
pub struct Arducam<S, I, D> {
    spi: S,
    i2c: I,
    delay: D,
    resolution: Resolution,
    is_set_up: bool,
}

impl<S: SpiDevice, I: I2c, D: DelayNs> Arducam<S, I, D> {
    /// A camera whose memory is on `spi` (mode 0, at most 8 MHz), whose image sensor is on
    /// `i2c` (at most 400 kHz).
    pub fn new(spi: S, i2c: I, delay: D, resolution: Resolution) -> Self {
        Self {
            spi,
            i2c,
            delay,
            resolution,
            is_set_up: false,
        }
    }

    fn set_up(&mut self) -> Result<(), SensorError> {
        self.write(RESET, 0x80)?;
        self.delay.delay_ms(RESET_MS);
        self.write(RESET, 0x00)?;
        self.delay.delay_ms(RESET_MS);
        self.write(TEST, 0x55)?;
        let found = self.read(TEST)?.into();
        check("camera's controller", TEST_VALUES, found)?;
        let mut chip = Ov2640(&mut self.i2c);
        check("camera", IDS, chip.id()?)?;
        chip.reset()?;
        self.delay.delay_ms(RESET_MS);
        chip.set_up(self.resolution.quarters())?;
        self.delay.delay_ms(SETTLE_MS);
        Ok(())
    }

    /// Fills the camera's memory.
    fn take(&mut self) -> Result<(), SensorError> {
        self.write(FIFO, FORGET)?;
        self.write(FIFO, TAKE)?;
        for _ in 0..PICTURE_MS / POLL_MS {
            self.delay.delay_ms(POLL_MS);
            if self.read(STATUS)? & IS_TAKEN != 0 {
                return Ok(());
            }
        }
        Err(SensorError::TooSlow {
            what: "the camera to take a picture",
            milliseconds: PICTURE_MS,
        })
    }

    /// Reads the camera's memory: all of `grey`.
    fn fetch(&mut self, grey: &mut [u8]) -> Result<(), SensorError> {
        let mut found = 0;
        for (register, byte) in LENGTH.into_iter().zip(0..) {
            found |= usize::from(self.read(register)?) << (8 * byte);
        }
        let expected = 2 * grey.len();
        // There may be some bytes more at its end.
        if found < expected {
            return Err(SensorError::CutOff { expected, found });
        }
        let mut block = [0; BLOCK];
        for pixels in grey.chunks_mut(BLOCK / 2) {
            let bytes = block.get_mut(..2 * pixels.len()).unwrap_or_default();
            let mut burst = [Operation::Write(&[BURST]), Operation::Read(bytes)];
            self.spi.transaction(&mut burst).map_err(|_| BUS)?;
            let brightness = block.iter().step_by(2);
            for (pixel, &brightness) in pixels.iter_mut().zip(brightness) {
                *pixel = brightness;
            }
        }
        Ok(())
    }

    fn write(&mut self, register: u8, value: u8) -> Result<(), SensorError> {
        let written = self.spi.write(&[register | WRITE, value]);
        written.map_err(|_| BUS)
    }

    fn read(&mut self, register: u8) -> Result<u8, SensorError> {
        let mut value = [0];
        let mut transfer = [Operation::Write(&[register]), Operation::Read(&mut value)];
        self.spi.transaction(&mut transfer).map_err(|_| BUS)?;
        let [value] = value;
        Ok(value)
    }
}

impl<S: SpiDevice, I: I2c, D: DelayNs> Sensor for Arducam<S, I, D> {
    fn capture(&mut self, pixels: &mut [u8]) -> Result<Captured, SensorError> {
        let picture = self.resolution.picture();
        let (needed, room) = (picture.len(), pixels.len());
        let too_small = SensorError::Memory { needed, room };
        let grey = pixels.get_mut(..needed).ok_or(too_small)?;
        // After an error it is set up anew: it may have been without power.
        if !mem::take(&mut self.is_set_up) {
            self.set_up()?;
        }
        self.take()?;
        self.fetch(grey)?;
        self.is_set_up = true;
        Ok(picture)
    }
}

fn check(device: &'static str, expected: &'static [u16], found: u16) -> Result<(), SensorError> {
    match expected.contains(&found) {
        true => Ok(()),
        false => Err(SensorError::Chip {
            device,
            expected,
            found,
        }),
    }
}
