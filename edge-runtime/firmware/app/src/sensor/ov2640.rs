//! The OV2640: an image sensor with a processor of its own, set up over I2C.
//!
//! The registers that have names here are those of OmniVision's data sheet, in its lists for
//! the banks of the processor (0xFF = 00) and of the sensor (0xFF = 01). The others are
//! reserved there: nobody but the manufacturer knows what they do, and makers of camera
//! boards use the chip with the values below.

use edge_runtime::sensor::SensorError;
use embedded_hal::i2c::I2c;

/// Where it is on its bus.
const ADDRESS: u8 = 0x30;

/// What it may say that it is: product and version.
pub(super) const IDS: &[u16] = &[0x2641, 0x2642];

const BUS: SensorError = SensorError::Bus {
    device: "camera",
    bus: "I2C",
};

/// Which bank the other addresses are in.
const BANK: u8 = 0xFF;
const PROCESSOR: u8 = 0;
const SENSOR: u8 = 1;

/// Registers of the sensor's bank.
mod sensor {
    pub(super) const COM1: u8 = 0x03;
    pub(super) const REG04: u8 = 0x04;
    pub(super) const COM2: u8 = 0x09;
    pub(super) const PIDH: u8 = 0x0A;
    pub(super) const PIDL: u8 = 0x0B;
    pub(super) const COM4: u8 = 0x0D;
    pub(super) const CLKRC: u8 = 0x11;
    pub(super) const COM7: u8 = 0x12;
    pub(super) const COM8: u8 = 0x13;
    pub(super) const COM9: u8 = 0x14;
    pub(super) const HREFST: u8 = 0x17;
    pub(super) const HREFEND: u8 = 0x18;
    pub(super) const VSTRT: u8 = 0x19;
    pub(super) const VEND: u8 = 0x1A;
    pub(super) const AEW: u8 = 0x24;
    pub(super) const AEB: u8 = 0x25;
    pub(super) const VV: u8 = 0x26;
    pub(super) const REG32: u8 = 0x32;
    pub(super) const ARCOM2: u8 = 0x34;
    pub(super) const BD50: u8 = 0x4F;
    pub(super) const BD60: u8 = 0x50;
    /// In [`COM7`]: every register as after power-on.
    pub(super) const RESET: u8 = 0x80;
}

/// Registers of the processor's bank.
mod processor {
    pub(super) const R_BYPASS: u8 = 0x05;
    pub(super) const CTRLI: u8 = 0x50;
    pub(super) const HSIZE: u8 = 0x51;
    pub(super) const VSIZE: u8 = 0x52;
    pub(super) const XOFFL: u8 = 0x53;
    pub(super) const YOFFL: u8 = 0x54;
    pub(super) const VHYX: u8 = 0x55;
    pub(super) const TEST: u8 = 0x57;
    pub(super) const ZMOW: u8 = 0x5A;
    pub(super) const ZMOH: u8 = 0x5B;
    pub(super) const ZMHH: u8 = 0x5C;
    pub(super) const CTRL2: u8 = 0x86;
    pub(super) const CTRL3: u8 = 0x87;
    pub(super) const SIZEL: u8 = 0x8C;
    pub(super) const HSIZE8: u8 = 0xC0;
    pub(super) const VSIZE8: u8 = 0xC1;
    pub(super) const CTRL1: u8 = 0xC3;
    pub(super) const R_DVP_SP: u8 = 0xD3;
    pub(super) const IMAGE_MODE: u8 = 0xDA;
    pub(super) const RESET: u8 = 0xE0;
    pub(super) const MC_BIST: u8 = 0xF9;
}

/// What the sensor reads of its pixels, and how: 400 x 296 in place of 1600 x 1200.
const READOUT: &[[u8; 2]] = &[
    [sensor::COM7, 0x20],  // the small one of its three sizes
    [sensor::CLKRC, 0x01], // half its clock: some 30 pictures a second at 24 MHz
    // Columns 137 to 537 in units of 8, what is left of both ends in a register of its own.
    [sensor::HREFST, 17],
    [sensor::HREFEND, 67],
    [sensor::REG32, 0x80 | 1 << 3 | 1],
    // Pairs of rows from 2 to 150, in units of 4, likewise.
    [sensor::VSTRT, 0],
    [sensor::VEND, 37],
    [sensor::COM1, 2 << 2 | 2],
    [sensor::REG04, 0x28], // neither mirrored nor upside down
    [sensor::COM2, 0x02],  // outputs strong enough for a board's lines
];

/// The chip finds exposure and gain by itself, and avoids the flicker of lamps.
const EXPOSURE: &[[u8; 2]] = &[
    [sensor::COM8, 0xE5], // automatic exposure, automatic gain, flicker filter
    [sensor::COM9, 0x48], // a gain of 8 at most, against noise
    // The mean intensity that is left alone, from 0x38 to 0x40, and the bounds beyond which
    // it is approached in large steps.
    [sensor::AEB, 0x38],
    [sensor::AEW, 0x40],
    [sensor::VV, 0x82],
    [sensor::BD50, 0xCA], // exposures that hold whole waves of 50 Hz lamps
    [sensor::BD60, 0xA8], // and of 60 Hz ones
];

/// Analogue circuits, for the small size; all but two reserved.
const ANALOGUE: &[[u8; 2]] = &[
    [sensor::COM4, 0x87],
    [sensor::ARCOM2, 0xC0],
    [0x06, 0x88],
    [0x07, 0xC0],
    [0x0E, 0x41],
    [0x16, 0x10],
    [0x20, 0x80],
    [0x21, 0x99],
    [0x22, 0x1A],
    [0x23, 0x00],
    [0x28, 0x30],
    [0x2C, 0x0C],
    [0x33, 0x78],
    [0x35, 0xDA],
    [0x37, 0xC3],
    [0x39, 0x92],
    [0x3A, 0x33],
    [0x3B, 0xFB],
    [0x3C, 0x32],
    [0x3D, 0x38],
    [0x3E, 0x00],
    [0x43, 0x11],
    [0x4A, 0x81],
    [0x4C, 0x00],
    [0x5A, 0x23],
    [0x5C, 0x00],
    [0x63, 0x00],
    [0x6C, 0x00],
    [0x6D, 0x00],
    [0x6E, 0x00],
    [0x70, 0x02],
    [0x71, 0x94],
    [0x73, 0xC1],
    [0x7C, 0x05],
];

/// The processor stops, to be set up: its outputs and its compressor are held in reset, as
/// is its microcontroller, from here on.
const STOPPED: &[[u8; 2]] = &[
    [processor::RESET, 0x14],
    [processor::MC_BIST, 0xC0],
    [0xE5, 0x7F],
];

/// What the processor does to pixels before they are a picture, apart from its tables.
const CORRECTIONS: &[[u8; 2]] = &[
    [processor::CTRL3, 0x50], // single bright pixels are faults
    [processor::CTRL1, 0xFD], // colours from the filter's mosaic, white balance, gamma
    [processor::CTRL2, 0x2D], // brightness and colour differences, scaling; no effects
    [0x2C, 0xFF],
    [0x2E, 0xDF],
    [0x33, 0xA0],
    [0x41, 0x24],
    [0x42, 0x20],
    [0x43, 0x18],
    [0x4C, 0x00],
    [0x76, 0xFF],
    [0x7F, 0x00],
    [0x88, 0x3F],
    [0xA4, 0x00],
    [0xA8, 0x00],
    [0xC8, 0x08],
    [0xC9, 0x80],
    [0xD9, 0x10],
    [0xDD, 0x7F],
    [0xE1, 0x67],
    [0xE5, 0x1F],
];

/// White balance; all reserved.
const BALANCE: &[[u8; 2]] = &[
    [0xB0, 0xC5],
    [0xB1, 0x94],
    [0xB2, 0x0F],
    [0xB3, 0xAF],
    [0xB4, 0x97],
    [0xB5, 0xFF],
    [0xB6, 0x66],
    [0xB7, 0x64],
    [0xB8, 0xA5],
    [0xB9, 0x7C],
    [0xBF, 0x80],
    [0xC4, 0x5C],
    [0xC5, 0x11],
    [0xC6, 0x51],
    [0xC7, 0x10],
];

/// Tables of the processor: a register for the place, the one after it for the values, which
/// go to one place after the other. The first is the curve from light to brightness, the
/// others are reserved.
const TABLES: &[(u8, &[u8])] = &[
    (
        0x90,
        &[
            0x0E, 0x1A, 0x31, 0x5A, 0x69, 0x75, 0x7E, 0x88, 0x8F, 0x96, 0xA3, 0xAF, 0xC4, 0xD7,
            0xE8, 0x20,
        ],
    ),
    (
        0x92,
        &[0x06, 0xE3, 0x05, 0x05, 0, 0x04, 0, 0, 0, 0, 0, 0, 0],
    ),
    (
        0x96,
        &[
            0x08, 0x19, 0x02, 0x0C, 0x24, 0x30, 0x28, 0x26, 0x02, 0x98, 0x80, 0, 0,
        ],
    ),
];

/// What of the 400 x 296 pixels is scaled to the picture: the 384 x 288 in their middle,
/// which have the proportions of every size of pictures.
const WINDOW: &[[u8; 2]] = &[
    // All there is, in units of 8; nothing is left.
    [processor::HSIZE8, 50],
    [processor::VSIZE8, 37],
    [processor::SIZEL, 0],
    // What is looked at, in units of 4, and how far from the left and from the top.
    [processor::HSIZE, 96],
    [processor::VSIZE, 72],
    [processor::XOFFL, 8],
    [processor::YOFFL, 4],
    [processor::VHYX, 0],
    [processor::TEST, 0],
    [processor::CTRLI, 0x80], // not divided before it is scaled
];

/// What leaves the chip: brightness and colour differences in turns, Y U Y V, brightness
/// first; pixels at a quarter of the clock, as slow memories behind it want. Then it runs.
const OUTPUT: &[[u8; 2]] = &[
    [processor::IMAGE_MODE, 0x00],
    [0xD7, 0x01],
    [processor::R_DVP_SP, 0x04],
    [processor::R_BYPASS, 0x00],
    [processor::RESET, 0x00],
];

/// The chip on a bus.
#[derive(Debug)]
pub(super) struct Ov2640<'a, I>(pub(super) &'a mut I);

impl<I: I2c> Ov2640<'_, I> {
    /// What it says that it is.
    pub(super) fn id(&mut self) -> Result<u16, SensorError> {
        self.write(BANK, SENSOR)?;
        let high = self.read(sensor::PIDH)?;
        let low = self.read(sensor::PIDL)?;
        Ok(u16::from_be_bytes([high, low]))
    }

    /// Sets all registers back. The chip needs some milliseconds for it.
    pub(super) fn reset(&mut self) -> Result<(), SensorError> {
        self.write(BANK, SENSOR)?;
        self.write(sensor::COM7, sensor::RESET)
    }

    /// Makes it give pictures of `width` and `height`, in units of 4 pixels.
    pub(super) fn set_up(&mut self, [width, height]: [u8; 2]) -> Result<(), SensorError> {
        self.write(BANK, SENSOR)?;
        self.write_all(&[READOUT, EXPOSURE, ANALOGUE])?;
        self.write(BANK, PROCESSOR)?;
        self.write_all(&[STOPPED, CORRECTIONS, BALANCE])?;
        for &(place, values) in TABLES {
            self.write(place, 0)?;
            values
                .iter()
                .try_for_each(|&value| self.write(place + 1, value))?;
        }
        let size = [
            [processor::ZMOW, width],
            [processor::ZMOH, height],
            [processor::ZMHH, 0],
        ];
        self.write_all(&[WINDOW, &size, OUTPUT])
    }

    fn write_all(&mut self, groups: &[&[[u8; 2]]]) -> Result<(), SensorError> {
        let mut registers = groups.iter().copied().flatten();
        registers.try_for_each(|&[register, value]| self.write(register, value))
    }

    fn write(&mut self, register: u8, value: u8) -> Result<(), SensorError> {
        let written = self.0.write(ADDRESS, &[register, value]);
        written.map_err(|_| BUS)
    }

    /// In two transfers: the chip's kind of bus knows no repeated start.
    fn read(&mut self, register: u8) -> Result<u8, SensorError> {
        let mut value = [0];
        self.0.write(ADDRESS, &[register]).map_err(|_| BUS)?;
        self.0.read(ADDRESS, &mut value).map_err(|_| BUS)?;
        let [value] = value;
        Ok(value)
    }
}
