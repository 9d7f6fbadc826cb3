//! What of a picture's colours is kept.

use serde::{Deserialize, Serialize};

/// What of its colours a tower reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// Luma alone, one channel.
    #[default]
    Grey,
    /// Red, green and blue, three channels. A grey picture has three alike.
    Rgb,
}

impl Colour {
    /// Number of channels.
    pub fn channels(self) -> u8 {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }

    /// What the channels are, in order.
    pub(super) fn components(self) -> &'static [Component] {
        match self {
            Self::Grey => &[Component::Luma],
            Self::Rgb => &[Component::Red, Component::Green, Component::Blue],
        }
    }
}

/// One number of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Component {
    /// ITU-R BT.601 weights in 1/256, rounded to nearest.
    Luma,
    Red,
    Green,
    Blue,
}

/// The luma of a pixel, 0..=255.
pub(crate) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue);
    ((sum + 128) >> 8) as u8
}
