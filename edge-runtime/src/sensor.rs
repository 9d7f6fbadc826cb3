//! Where a board's own samples come from: cameras and pen panels.
//!
//! ```text
//! camera ------------------> Sensor -> pixels -> recognizer
//! panel -> Pen -> drawing -> Sensor
//!           |
//!           +-> strokes, for networks that read sequences
//! ```
//!
//! Drivers are the firmware's; here is what they have in common.

use core::fmt;

/// Gives pictures.
pub trait Sensor {
    /// Takes a picture into the front of `pixels`. What lies behind it, and all of `pixels`
    /// after an error, is undefined. It may take seconds, where a person has to act, but it
    /// always ends.
    ///
    /// # Errors
    /// [`SensorError`]. A sensor may be asked again after any of them.
    fn capture(&mut self, pixels: &mut [u8]) -> Result<Captured, SensorError>;
}

/// No sensor.
impl Sensor for () {
    fn capture(&mut self, _: &mut [u8]) -> Result<Captured, SensorError> {
        Err(SensorError::Absent)
    }
}

/// The picture at the front of the memory: rows from the top, without gaps, each pixel its
/// channels side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Pixels of a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// 1, grey from black (0) to white (255), or 3, red, green and blue.
    pub channels: u8,
}

impl Captured {
    /// Bytes of the picture.
    pub fn len(&self) -> usize {
        usize::from(self.width)
            .saturating_mul(usize::from(self.height))
            .saturating_mul(usize::from(self.channels))
    }

    /// Whether there is no pixel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A panel that feels where a pen or a finger touches it.
pub trait Pen {
    /// Columns and rows of the panel, each at least 1.
    fn size(&self) -> (u16, u16);

    /// Where the panel is touched now; `None` while it is not. Touches with no `None` between
    /// them are one stroke, of the same pen or finger.
    ///
    /// # Errors
    /// [`SensorError`].
    fn poll(&mut self) -> Result<Option<Touch>, SensorError>;
}

/// Where and how a panel is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Column from the left, below the panel's width.
    pub x: u16,
    /// Row from the top, below the panel's height.
    pub y: u16,
    /// From 1, lightest, to 255, hardest; `None` where the panel does not feel it.
    pub pressure: Option<u8>,
}

/// Why there is no picture, or no touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SensorError {
    /// The board has no sensor.
    Absent,
    /// A transfer failed, or nobody answers.
    Bus {
        /// What was talked to.
        device: &'static str,
        /// The kind of bus.
        bus: &'static str,
    },
    /// Something else answers, or nothing that can tell what it is.
    Chip {
        /// What should be there.
        device: &'static str,
        /// What it may say that it is.
        expected: &'static [u16],
        /// What was read.
        found: u16,
    },
    /// It did not come to an end.
    TooSlow {
        /// What did not.
        what: &'static str,
        /// How long was waited.
        milliseconds: u32,
    },
    /// The picture is larger than the memory for it.
    Memory {
        /// Bytes of the smallest picture that the sensor can give.
        needed: usize,
        /// Bytes that were given.
        room: usize,
    },
    /// Less than a picture came.
    CutOff {
        /// Bytes that the sensor should have sent.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// Nobody drew anything.
    Blank {
        /// How long was waited.
        milliseconds: u32,
    },
}

impl fmt::Display for SensorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Absent => f.write_str(
                "expected a board with a sensor, found one without: send it pictures, or build its firmware with a camera or a panel",
            ),
            Self::Bus { device, bus } => write!(
                f,
                "expected the {device} to answer on its {bus} bus, found that it does not: check its wires and its power"
            ),
            Self::Chip {
                device,
                expected,
                found,
            } => {
                write!(f, "expected the {device} to say that it is ")?;
                for (place, id) in expected.iter().enumerate() {
                    let between = if place == 0 { "" } else { " or " };
                    write!(f, "{between}{id:#04x}")?;
                }
                write!(
                    f,
                    ", found {found:#04x}: check its wires and its power, and that the driver is for it"
                )
            }
            Self::TooSlow { what, milliseconds } => write!(
                f,
                "expected {what} within {milliseconds} ms, found that it takes longer: try again, then check the sensor"
            ),
            Self::Memory { needed, room } => write!(
                f,
                "expected {needed} bytes of memory for a picture, found {room}: set the sensor to smaller pictures, or take a board with more memory"
            ),
            Self::CutOff { expected, found } => write!(
                f,
                "expected a picture of {expected} bytes, found {found}: try again, then check the sensor's wires and its power"
            ),
            Self::Blank { milliseconds } => write!(
                f,
                "expected a drawing, found none within {milliseconds} ms: try again, and draw as soon as it is asked for"
            ),
        }
    }
}

impl core::error::Error for SensorError {}
