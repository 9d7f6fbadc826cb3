//! From a pen's events to the steps that a recurrent tower reads.
//!
//! The arithmetic is specified in `shared/docs/pen-sequences.md`. With [`Scale::Device`]
//! nothing needs to be known of what comes later: a [`PenStream`] gives each step as soon as
//! the pen has come so far, and keeps no event but the last.

mod events;
mod features;
mod frame;
mod steps;

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{InputShape, Quantization};

pub use events::{EVENT_LEN, PenEvents};
pub use features::FEATURES;
use frame::Frame;
pub use steps::PenStream;

/// What a feature's byte means.
pub const QUANTIZATION: Quantization = Quantization {
    scale: 1.0 / 32.0,
    zero_point: 128,
};

/// The most steps of a sequence.
pub const MAX_STEPS: u16 = 4096;

/// The most events of a signature.
pub const MAX_POINTS: usize = 65_535;

/// The longest time between two events that counts, milliseconds: a pause is a pause.
pub const MAX_PAUSE: u32 = 1000;

/// The largest magnitude of a coordinate, device units.
pub const MAX_COORDINATE: i32 = 1 << 20;

/// What a pen did at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PenPoint {
    /// To the right, device units.
    pub x: i32,
    /// Upwards, device units.
    pub y: i32,
    /// Milliseconds of any clock.
    pub t: u32,
    /// From 0 to the most that the device tells.
    pub pressure: u16,
    /// Whether the pen leaves the surface after it.
    pub end_of_stroke: bool,
}

/// How a pen's events become steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenPreprocess {
    /// The most steps, 1 to [`MAX_STEPS`].
    pub steps: u16,
    /// Where steps lie on the line through the events.
    pub sampling: Sampling,
    /// What lengths and pressures are measured by.
    pub scale: Scale,
}

/// Where steps lie on the line through the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// So many milliseconds apart, at least 1.
    Time(u16),
    /// So many 64ths of the unit of length apart, at least 1.
    Arc(u16),
}

/// What lengths and pressures are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// The whole signature: where its middle is, how far it extends, how hard it presses.
    /// Tablets of any resolution and any size of writing become alike; nothing is known
    /// before the last event.
    Signature {
        /// Whether it is turned so that its principal axis lies along x.
        upright: bool,
    },
    /// What is known of the device, from the first event on.
    Device {
        /// The unit of length, device units, at least 1.
        unit: u32,
        /// The most pressure, at least 1.
        pressure: u16,
    },
}

impl PenPreprocess {
    /// Shape of a sequence.
    pub fn shape(&self) -> InputShape {
        InputShape {
            height: self.steps,
            width: 1,
            channels: FEATURES as u16,
        }
    }

    /// Whether the spec can be run.
    pub fn is_valid(&self) -> bool {
        let (Sampling::Time(interval) | Sampling::Arc(interval)) = self.sampling;
        let is_measurable = match self.scale {
            Scale::Signature { .. } => true,
            Scale::Device { unit, pressure } => {
                (1..=MAX_COORDINATE.unsigned_abs()).contains(&unit) && pressure > 0
            }
        };
        (1..=MAX_STEPS).contains(&self.steps) && interval > 0 && is_measurable
    }

    /// Steps as events come in; nothing where the whole signature must be known.
    pub fn stream(&self) -> Option<PenStream> {
        match self.scale {
            Scale::Signature { .. } => None,
            Scale::Device { .. } => Some(PenStream::new(*self, None)),
        }
    }

    /// Runs the spec on a whole signature: `output` receives the steps, a row each, then rows
    /// of zeros. Answers how many steps there are.
    ///
    /// # Errors
    /// [`PenError`].
    pub fn run<'e>(
        &self,
        events: impl Into<PenEvents<'e>>,
        output: &mut [u8],
    ) -> Result<usize, PenError> {
        let events = events.into();
        if output.len() != self.shape().len() {
            return Err(PenError::Output {
                expected: self.shape().len(),
                found: output.len(),
            });
        }
        if events.len() > MAX_POINTS {
            return Err(PenError::TooLong {
                found: events.len(),
            });
        }
        let mut stream = match self.scale {
            Scale::Device { .. } => PenStream::new(*self, None),
            Scale::Signature { upright } => {
                PenStream::whole(*self, Frame::of(events, upright), events)
            }
        };
        output.fill(0);
        let mut rows = output.as_chunks_mut::<FEATURES>().0.iter_mut();
        let mut count = 0;
        for point in events.iter() {
            stream.push(point, |features| {
                if let Some(row) = rows.next() {
                    *row = *features;
                    count += 1;
                }
            });
        }
        match count {
            0 => Err(PenError::TooShort),
            count => Ok(count),
        }
    }
}

/// Why a signature cannot be preprocessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PenError {
    /// It makes no step.
    TooShort,
    /// More than [`MAX_POINTS`] events.
    TooLong {
        /// How many there are.
        found: usize,
    },
    /// The output buffer does not hold the bytes of the spec.
    Output {
        /// Bytes of the shape.
        expected: usize,
        /// The buffer's length.
        found: usize,
    },
}

impl fmt::Display for PenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort => f.write_str(
                "expected a signature, found too few events or none that moves on: sign again",
            ),
            Self::TooLong { found } => write!(
                f,
                "expected at most {MAX_POINTS} events, found {found}: begin anew before each signature"
            ),
            Self::Output { expected, found } => write!(
                f,
                "expected an output buffer of {expected} bytes, found {found}"
            ),
        }
    }
}

impl core::error::Error for PenError {}
