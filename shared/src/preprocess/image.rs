//! A borrowed picture and the numbers of its pixels.

use super::PreprocessError;
use super::colour::{Component, luma};

/// The largest accepted picture side, pixels.
pub const MAX_SIDE: u32 = 8192;

/// A borrowed picture, rows top to bottom, pixels interleaved.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    channels: u8,
    /// Pixels from one row to the next.
    stride: u32,
    pixels: &'a [u8],
}

impl<'a> Image<'a> {
    /// A picture of `width` x `height` pixels of 1 (grey) or 3 (RGB) bytes.
    ///
    /// # Errors
    /// [`PreprocessError`] when a side is 0 or above [`MAX_SIDE`], when there are
    /// neither 1 nor 3 channels, or when `pixels` has another length than
    /// `width * height * channels`.
    pub fn new(
        width: u32,
        height: u32,
        channels: u8,
        pixels: &'a [u8],
    ) -> Result<Self, PreprocessError> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(PreprocessError::Size { width, height });
        }
        if channels != 1 && channels != 3 {
            return Err(PreprocessError::Channels { found: channels });
        }
        // At most 2^13 * 2^13 * 3: fits u32.
        let expected = width * height * u32::from(channels);
        if pixels.len() != expected as usize {
            return Err(PreprocessError::Length {
                expected,
                found: pixels.len(),
            });
        }
        Ok(Self {
            width,
            height,
            channels,
            stride: width,
            pixels,
        })
    }

    /// The part of it from column `left` and row `top` on: a face where a detector found
    /// it. No pixel is copied.
    ///
    /// # Errors
    /// [`PreprocessError::Region`] when it is empty or not all inside.
    pub fn region(
        self,
        [left, top]: [u32; 2],
        [width, height]: [u32; 2],
    ) -> Result<Self, PreprocessError> {
        let is_inside = |from: u32, length: u32, of: u32| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= of)
        };
        let error = PreprocessError::Region {
            width: self.width,
            height: self.height,
        };
        if !is_inside(left, width, self.width) || !is_inside(top, height, self.height) {
            return Err(error);
        }
        let first = (top * self.stride + left) as usize * usize::from(self.channels);
        Ok(Self {
            width,
            height,
            pixels: self.pixels.get(first..).ok_or(error)?,
            ..self
        })
    }

    /// Pixels of a row, and rows; at most [`MAX_SIDE`] each.
    pub fn size(&self) -> [u32; 2] {
        [self.width, self.height]
    }

    /// 1 (grey) or 3 (RGB).
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// Its pixels, as they were given; of a [`region`](Self::region) those from its first
    /// on, rows as far apart as in the whole.
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// The luma of every pixel, row by row.
    pub(crate) fn lumas(&self) -> impl Iterator<Item = u8> {
        let places = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        places.map(|(x, y)| self.value(Component::Luma, x, y))
    }

    /// A number of a pixel, 0..=255. Outside the picture: 0.
    pub(super) fn value(&self, component: Component, x: u32, y: u32) -> u8 {
        let pixel = (y * self.stride + x) as usize * usize::from(self.channels);
        match self.pixels.get(pixel..pixel + usize::from(self.channels)) {
            Some([grey]) => *grey,
            Some([red, green, blue]) => match component {
                Component::Red => *red,
                Component::Green => *green,
                Component::Blue => *blue,
                Component::Luma => luma(*red, *green, *blue),
            },
            _ => 0,
        }
    }
}
