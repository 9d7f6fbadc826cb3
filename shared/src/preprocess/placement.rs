//! Which part of a picture is kept, and where in the input it lands.

use serde::{Deserialize, Serialize};

use super::image::Image;
use super::tone::ToneTable;

/// Which part of the picture is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// All of it.
    Whole,
    /// The largest centred square.
    CentreSquare,
    /// The smallest rectangle that holds every non-zero pixel (after [`Tone`](super::Tone));
    /// the whole picture when there is none.
    Ink,
}

/// How the kept part is placed in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Stretched to fill the input.
    Stretch,
    /// Scaled with its aspect ratio to touch the input's borders, centred, the
    /// rest filled with intensity 0.
    Contain,
    /// Scaled with its aspect ratio so that it fits with its centre of mass in the middle
    /// of the input, the rest filled with intensity 0: a stroke that reaches far out on one
    /// side moves nothing else.
    CentreOfMass,
}

/// A non-empty rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Rectangle {
    pub(super) fn contains(&self, x: u32, y: u32) -> bool {
        (self.x..self.x + self.width).contains(&x) && (self.y..self.y + self.height).contains(&y)
    }
}

impl Crop {
    pub(super) fn of(self, image: &Image<'_>, tone: &ToneTable) -> Rectangle {
        let whole = Rectangle {
            x: 0,
            y: 0,
            width: image.width,
            height: image.height,
        };
        match self {
            Self::Whole => whole,
            Self::CentreSquare => {
                let side = image.width.min(image.height);
                Rectangle {
                    x: (image.width - side) / 2,
                    y: (image.height - side) / 2,
                    width: side,
                    height: side,
                }
            }
            Self::Ink => ink_bounds(image, tone).unwrap_or(whole),
        }
    }
}

fn ink_bounds(image: &Image<'_>, tone: &ToneTable) -> Option<Rectangle> {
    let (mut left, mut right) = (u32::MAX, 0);
    let (mut top, mut bottom) = (u32::MAX, 0);
    for y in 0..image.height {
        for x in 0..image.width {
            if tone.luma(image, x, y) > 0 {
                left = left.min(x);
                right = right.max(x);
                top = top.min(y);
                bottom = bottom.max(y);
            }
        }
    }
    (left <= right).then(|| Rectangle {
        x: left,
        y: top,
        width: right - left + 1,
        height: bottom - top + 1,
    })
}

/// A point from the left and upper edge of a rectangle, in 1/256 pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Centre {
    x: u64,
    y: u64,
}

impl Centre {
    /// Where the intensities of a rectangle balance, rounded down; the middle where all
    /// are zero.
    pub(super) fn of_mass(image: &Image<'_>, tone: &ToneTable, source: Rectangle) -> Self {
        let [mut mass, mut across, mut down] = [0u64; 3];
        for y in 0..source.height {
            for x in 0..source.width {
                let intensity = u64::from(tone.luma(image, source.x + x, source.y + y));
                mass += intensity;
                across += intensity * u64::from(2 * x + 1);
                down += intensity * u64::from(2 * y + 1);
            }
        }
        // Moments of 2^26 pixels of 255 at 2^14 are below 2^48.
        let balance = |moment: u64, side: u32| match mass {
            0 => 128 * u64::from(side),
            mass => 128 * moment / mass,
        };
        Self {
            x: balance(across, source.width),
            y: balance(down, source.height),
        }
    }
}

impl Fit {
    /// Where in a `width` x `height` input the `source` lands.
    pub(super) fn place(
        self,
        source: Rectangle,
        centre: impl FnOnce() -> Centre,
        width: u32,
        height: u32,
    ) -> Rectangle {
        match self {
            Self::CentreOfMass => balanced(source, centre(), width, height),
            Self::Stretch => Rectangle {
                x: 0,
                y: 0,
                width,
                height,
            },
            Self::Contain => {
                let across = |of: u32, by: u32, to: u32| (2 * of * to + by) / (2 * by).max(1);
                // Compare aspect ratios crosswise; round the free side to nearest.
                let (placed_width, placed_height) =
                    if source.width * height >= source.height * width {
                        let rounded = across(source.height, source.width, width);
                        (width, rounded.max(1).min(height))
                    } else {
                        let rounded = across(source.width, source.height, height);
                        (rounded.max(1).min(width), height)
                    };
                Rectangle {
                    x: (width - placed_width) / 2,
                    y: (height - placed_height) / 2,
                    width: placed_width,
                    height: placed_height,
                }
            }
        }
    }
}

/// Scales `source` so that its farther edges, from `centre`, just touch the border of an
/// input in whose middle the centre is.
fn balanced(source: Rectangle, centre: Centre, width: u32, height: u32) -> Rectangle {
    let reach = |centre: u64, side: u32| centre.max(256 * u64::from(side) - centre).max(1);
    let reaches = [
        reach(centre.x, source.width),
        reach(centre.y, source.height),
    ];
    let [across, down] = reaches;
    // Half of the input is 128 w and 128 h in 1/256 pixel; the smaller ratio scales both.
    let (half, by) = if u64::from(width) * down <= u64::from(height) * across {
        (128 * u64::from(width), across)
    } else {
        (128 * u64::from(height), down)
    };
    let place = |centre: u64, side: u32, to: u32| {
        let to = u64::from(to);
        let length = (2 * u64::from(side) * half + by) / (2 * by).max(1);
        let length = length.min(to).max(1);
        // to / 2 - centre * half / by / 256, rounded to nearest.
        let first = (128 * to * by + 128 * by).saturating_sub(centre * half) / (256 * by).max(1);
        (first.min(to.saturating_sub(length)) as u32, length as u32)
    };
    let (x, placed_width) = place(centre.x, source.width, width);
    let (y, placed_height) = place(centre.y, source.height, height);
    Rectangle {
        x,
        y,
        width: placed_width,
        height: placed_height,
    }
}
