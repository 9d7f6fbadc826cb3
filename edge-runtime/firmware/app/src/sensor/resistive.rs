//! Four-wire resistive panels behind an XPT2046 or ADS7846, over SPI.
//!
//! Two foils touch where they are pressed. With a voltage along one, the other tells how
//! far along it they touch; with a current from one to the other, both tell how well (Texas
//! Instruments, data sheet of the ADS7846, pressure measurement).

use edge_runtime::sensor::{Pen, SensorError, Touch};
use embedded_hal::spi::SpiDevice;

const BUS: SensorError = SensorError::Bus {
    device: "touch panel",
    bus: "SPI",
};

/// Control bytes: start, what is measured, 12 bits, against the driven foil's own voltage,
/// without power between measurements.
const X: u8 = 0xD0;
const Y: u8 = 0x90;
/// The voltages on both sides of the contact, while current flows through it.
const Z1: u8 = 0xB0;
const Z2: u8 = 0xC0;

/// What is measured for one touch: the position three times, and before and after it the
/// contact, since the middle of three is right where one is wrong, and a pen that is being
/// lifted is nowhere.
const MEASURED: [u8; 10] = [Z1, Z2, X, Y, X, Y, X, Y, Z1, Z2];
/// Bytes of a measurement: its control byte, and 12 bits in two more.
const LEN: usize = 3;
/// The largest measurement.
const FULL: u16 = 0x0FFF;
/// Without a contact the lower voltage is noise, below this.
const NOISE: u16 = 16;
/// Contacts of more than four times the resistance of a foil are no touches. A foil is 4096,
/// so that this many are one step of pressure.
const STEP: u32 = 4 * 4096 / 256;

/// What is measured at the edges of a panel. Two edges may change places, as may the axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// Along the rows, at the left edge, from 0 to 4095.
    pub left: u16,
    /// At the right edge.
    pub right: u16,
    /// Along the columns, at the upper edge.
    pub top: u16,
    /// At the lower edge.
    pub bottom: u16,
    /// The controller's Y runs along the rows, its X along the columns.
    pub swapped: bool,
}

/// A panel for pens and nails.
#[derive(Debug)]
pub struct Resistive<S> {
    spi: S,
    size: (u16, u16),
    calibration: Calibration,
}

impl<S: SpiDevice> Resistive<S> {
    /// A panel of `width` columns and `height` rows, each taken as at least 1, on `spi` (mode
    /// 0, at most 2 MHz).
    pub fn new(spi: S, width: u16, height: u16, calibration: Calibration) -> Self {
        Self {
            spi,
            size: (width.max(1), height.max(1)),
            calibration,
        }
    }

    fn measure(&mut self) -> Result<[u16; MEASURED.len()], SensorError> {
        let mut bytes = [0; MEASURED.len() * LEN];
        let (measurements, _) = bytes.as_chunks_mut::<LEN>();
        for ([control, ..], what) in measurements.iter_mut().zip(MEASURED) {
            *control = what;
        }
        let transferred = self.spi.transfer_in_place(&mut bytes);
        transferred.map_err(|_| BUS)?;
        let mut values = [0; MEASURED.len()];
        let (measurements, _) = bytes.as_chunks::<LEN>();
        for (value, &[_, high, low]) in values.iter_mut().zip(measurements) {
            *value = u16::from_be_bytes([high, low]);
        }
        // A line that nobody drives never changes.
        let is_silent = |level| values.iter().all(|&value| value == level);
        if is_silent(0) || is_silent(u16::MAX) {
            return Err(BUS);
        }
        // One bit before the 12, three after them.
        Ok(values.map(|value| value >> 3 & FULL))
    }
}

impl<S: SpiDevice> Pen for Resistive<S> {
    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn poll(&mut self) -> Result<Option<Touch>, SensorError> {
        let [z1, z2, x1, y1, x2, y2, x3, y3, z1_after, z2_after] = self.measure()?;
        let (mut along, mut down) = (middle(x1, x2, x3), middle(y1, y2, y3));
        let pressure = pressure(along, z1, z2).min(pressure(along, z1_after, z2_after));
        if pressure == 0 {
            return Ok(None);
        }
        let Calibration {
            left,
            right,
            top,
            bottom,
            swapped,
        } = self.calibration;
        if swapped {
            (along, down) = (down, along);
        }
        let (width, height) = self.size;
        Ok(Some(Touch {
            x: position(along, left, right, width),
            y: position(down, top, bottom, height),
            pressure: Some(pressure),
        }))
    }
}

/// 255 of a perfect contact, 0 without any. Its resistance, by that of the foil, is
/// `x / 4096 * (z2 / z1 - 1)`, with `x` the way along the foil to it.
fn pressure(x: u16, z1: u16, z2: u16) -> u8 {
    if z1 < NOISE {
        return 0;
    }
    let [x, z1, z2] = [x, z1, z2].map(u32::from);
    let steps = (x * z2.saturating_sub(z1)).checked_div(z1 * STEP);
    let steps = steps.and_then(|steps| u8::try_from(steps).ok());
    u8::MAX - steps.unwrap_or(u8::MAX)
}

/// The one that is neither the smallest nor the largest.
fn middle(a: u16, b: u16, c: u16) -> u16 {
    a.min(b).max(a.max(b).min(c))
}

/// Which of `count` places `value` is in, between what is measured at the `first` edge and
/// at the `last`.
fn position(value: u16, first: u16, last: u16, count: u16) -> u16 {
    // Of 12 bits, so that the product has less than 32.
    let [value, first, last] = [value, first, last].map(|value| i32::from(value.min(FULL)));
    let count = i32::from(count);
    let place = ((value - first) * count).checked_div(last - first);
    let place = place.unwrap_or(0).clamp(0, count - 1);
    u16::try_from(place).unwrap_or(0)
}
