//! FT6206, FT6236 and FT6336: controllers of capacitive touch panels, over I2C.
//!
//! Registers are those of FocalTech's application note for the FT6x06.

use core::mem;

use edge_runtime::sensor::{Pen, SensorError, Touch};
use embedded_hal::i2c::I2c;

/// Where it is on its bus.
const ADDRESS: u8 = 0x38;
/// What it is: FT6206, FT6236, FT6336.
const CHIP_ID: u8 = 0xA3;
const IDS: &[u16] = &[0x06, 0x36, 0x64];
/// How many fingers there are; six registers for each follow.
const TD_STATUS: u8 = 0x02;
const FINGERS: usize = 2;
const FINGER_LEN: usize = 6;

const BUS: SensorError = SensorError::Bus {
    device: "touch panel",
    bus: "I2C",
};

/// A panel for fingers. The first of two is the pen; a stroke ends when it is lifted.
#[derive(Debug)]
pub struct Ft6x06<I> {
    i2c: I,
    size: (u16, u16),
    is_known: bool,
    /// The number of the finger that touches.
    pen: Option<u8>,
}

impl<I: I2c> Ft6x06<I> {
    /// A panel of `width` columns and `height` rows, each taken as at least 1, on `i2c` (at
    /// most 400 kHz).
    pub fn new(i2c: I, width: u16, height: u16) -> Self {
        Self {
            i2c,
            size: (width.max(1), height.max(1)),
            is_known: false,
            pen: None,
        }
    }

    fn read(&mut self, register: u8, values: &mut [u8]) -> Result<(), SensorError> {
        let read = self.i2c.write_read(ADDRESS, &[register], values);
        read.map_err(|_| BUS)
    }

    fn identify(&mut self) -> Result<(), SensorError> {
        let mut id = [0];
        self.read(CHIP_ID, &mut id)?;
        let [found] = id.map(u16::from);
        match IDS.contains(&found) {
            true => Ok(()),
            false => Err(SensorError::Chip {
                device: "touch panel",
                expected: IDS,
                found,
            }),
        }
    }
}

impl<I: I2c> Pen for Ft6x06<I> {
    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn poll(&mut self) -> Result<Option<Touch>, SensorError> {
        let pen = self.pen.take();
        // After an error it may have been without power.
        if !mem::take(&mut self.is_known) {
            self.identify()?;
        }
        let mut registers = [0; 1 + FINGERS * FINGER_LEN];
        self.read(TD_STATUS, &mut registers)?;
        self.is_known = true;
        let finger = fingers(&registers).find(|finger| pen.is_none_or(|id| id == finger.id));
        self.pen = finger.map(|finger| finger.id);
        let (width, height) = self.size;
        Ok(finger.map(|finger| Touch {
            x: finger.x.min(width - 1),
            y: finger.y.min(height - 1),
            // Panels that do not feel it say 0.
            pressure: (finger.weight > 0).then_some(finger.weight),
        }))
    }
}

/// A finger on the panel.
#[derive(Clone, Copy, Debug)]
struct Finger {
    id: u8,
    x: u16,
    y: u16,
    weight: u8,
}

/// The fingers that touch, from [`TD_STATUS`] on.
fn fingers(registers: &[u8; 1 + FINGERS * FINGER_LEN]) -> impl Iterator<Item = Finger> {
    let [status, fingers @ ..] = registers;
    // 15 before the first measurement.
    let count = match usize::from(status & 0x0F) {
        count @ 0..=FINGERS => count,
        _ => 0,
    };
    let (fingers, _) = fingers.as_chunks::<FINGER_LEN>();
    let fingers = fingers.iter().take(count);
    fingers.filter_map(|&[x_high, x_low, y_high, y_low, weight, _]| {
        // What happened, in the upper two bits: it came down (0) or is there (2).
        matches!(x_high >> 6, 0 | 2).then_some(Finger {
            id: y_high >> 4,
            x: u16::from_be_bytes([x_high & 0x0F, x_low]),
            y: u16::from_be_bytes([y_high & 0x0F, y_low]),
            weight,
        })
    })
}
