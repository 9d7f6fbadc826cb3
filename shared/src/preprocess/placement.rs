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

impl Fit {
    /// Where in a `width` x `height` input the `source` lands.
    pub(super) fn place(self, source: Rectangle, width: u32, height: u32) -> Rectangle {
        match self {
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
