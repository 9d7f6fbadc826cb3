//! From the bytes of a picture file to the pixels of a structure.

use core::fmt;
use std::vec::Vec;

use image::DynamicImage;
use shared::segmentation::MaskError;

use super::{PictureError, decode};

/// Which pixels of a picture belong to a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    size: [u32; 2],
    pixels: Vec<u8>,
}

/// Red, green and blue; of grey three times the same.
type Value = [u16; 3];

impl Mask {
    /// Decodes a picture file of any depth, of two values: 0 (black, or transparent) and
    /// another, grey or a colour, which is the structure's. Where there are several, `value`
    /// says which grey one is meant. Values are taken as they are stored, and never stretched.
    ///
    /// # Errors
    /// [`MaskFileError::Picture`] as for [`Picture::decode`](super::Picture::decode);
    /// [`MaskFileError::Mask`] with [`MaskError::Values`] for several values of which none is
    /// named, with [`MaskError::Empty`] where no pixel has the value.
    pub fn decode(bytes: &[u8], value: Option<u16>) -> Result<Self, MaskFileError> {
        let picture = decode(bytes).map_err(MaskFileError::Picture)?;
        let pixels = match &picture {
            DynamicImage::ImageLuma8(pixels) => mark(values::<_, 1>(pixels.as_raw()), value),
            DynamicImage::ImageLumaA8(pixels) => mark(values::<_, 2>(pixels.as_raw()), value),
            DynamicImage::ImageRgb8(pixels) => mark(values::<_, 3>(pixels.as_raw()), value),
            DynamicImage::ImageRgba8(pixels) => mark(values::<_, 4>(pixels.as_raw()), value),
            DynamicImage::ImageLuma16(pixels) => mark(values::<_, 1>(pixels.as_raw()), value),
            DynamicImage::ImageLumaA16(pixels) => mark(values::<_, 2>(pixels.as_raw()), value),
            DynamicImage::ImageRgb16(pixels) => mark(values::<_, 3>(pixels.as_raw()), value),
            other => mark(values::<_, 4>(other.to_rgba16().as_raw()), value),
        };
        Ok(Self {
            size: [picture.width(), picture.height()],
            pixels: pixels.map_err(MaskFileError::Mask)?,
        })
    }

    /// Width and height.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// 1 for each pixel that belongs to the structure, 0 for others, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

/// The values of pixels of `CHANNELS` samples, the second or fourth of which is opacity.
fn values<T: Copy + Into<u16>, const CHANNELS: usize>(
    samples: &[T],
) -> impl Iterator<Item = Value> + Clone {
    samples.as_chunks::<CHANNELS>().0.iter().map(|pixel| {
        let sample = |at: usize| pixel.get(at).map_or(0, |&sample| sample.into());
        match CHANNELS {
            2 if sample(1) == 0 => [0; 3],
            4 if sample(3) == 0 => [0; 3],
            1 | 2 => [sample(0); 3],
            _ => [sample(0), sample(1), sample(2)],
        }
    })
}

/// Marks those that have the grey value, or the only value that is not 0.
fn mark(
    values: impl Iterator<Item = Value> + Clone,
    value: Option<u16>,
) -> Result<Vec<u8>, MaskError> {
    let mut others = values.clone().filter(|value| *value != [0; 3]);
    let meant = match value {
        Some(value) => [value; 3],
        None => {
            let first = others.next().ok_or(MaskError::Empty)?;
            if let Some(other) = others.find(|other| *other != first) {
                let found = [first, other];
                return Err(MaskError::Values { found });
            }
            first
        }
    };
    let marked: Vec<u8> = values.map(|value| u8::from(value == meant)).collect();
    let is_there = marked.contains(&1);
    is_there.then_some(marked).ok_or(MaskError::Empty)
}

/// Why a file is not a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaskFileError {
    /// It is no picture.
    Picture(PictureError),
    /// It is none of a structure.
    Mask(MaskError),
}

impl fmt::Display for MaskFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Picture(error) => error.fmt(f),
            Self::Mask(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MaskFileError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::format;
    use std::io::Cursor;
    use std::string::ToString;
    use std::vec;

    use image::{GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, Luma, RgbImage, RgbaImage};

    use super::*;

    fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture
            .into()
            .write_to(&mut bytes, ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    fn pixels(picture: impl Into<DynamicImage>, value: Option<u16>) -> Vec<u8> {
        Mask::decode(&png(picture), value).unwrap().pixels
    }

    #[test]
    fn masks_of_every_depth_are_read() {
        let expected = [0, 1, 1, 0];
        for value in [1, 255] {
            let grey = GrayImage::from_raw(4, 1, vec![0, value, value, 0]).unwrap();
            assert_eq!(pixels(grey, None), expected);
        }
        for value in [1, 255, 256, 65535] {
            let samples = vec![0u16, value, value, 0];
            let deep = ImageBuffer::<Luma<u16>, _>::from_raw(4, 1, samples).unwrap();
            assert_eq!(pixels(deep, None), expected);
        }
        // A colour so dark that its luma is 0.
        let dark = RgbImage::from_raw(4, 1, [[0; 3], [0, 0, 1], [0, 0, 1], [0; 3]].concat());
        assert_eq!(pixels(dark.unwrap(), None), expected);
        let clear = RgbaImage::from_raw(
            4,
            1,
            [[9, 9, 9, 0], [255; 4], [255; 4], [255, 255, 255, 0]].concat(),
        );
        assert_eq!(pixels(clear.unwrap(), None), expected);
        let clear = GrayAlphaImage::from_raw(4, 1, vec![7, 0, 8, 255, 8, 255, 0, 255]);
        assert_eq!(pixels(clear.unwrap(), None), expected);
        let portable = Mask::decode(b"P1\n4 1\n1 0 0 1\n", None).unwrap();
        assert_eq!(
            (portable.size(), portable.pixels()),
            ([4, 1], &expected[..])
        );
    }

    #[test]
    fn of_several_values_one_is_named() {
        let grey = || GrayImage::from_raw(4, 1, vec![0, 100, 200, 100]).unwrap();
        assert_eq!(pixels(grey(), Some(100)), [0, 1, 0, 1]);
        assert_eq!(pixels(grey(), Some(200)), [0, 0, 1, 0]);
        let refused = |picture: Vec<u8>, value| Mask::decode(&picture, value).unwrap_err();
        let values = |a, b| MaskFileError::Mask(MaskError::Values { found: [a, b] });
        let several = refused(png(grey()), None);
        assert_eq!(several, values([100; 3], [200; 3]));
        assert!(several.to_string().contains("found 100 and 200"));
        let empty = MaskFileError::Mask(MaskError::Empty);
        assert_eq!(refused(png(grey()), Some(101)), empty);
        assert_eq!(refused(png(GrayImage::new(3, 3)), None), empty);
        // Of one luma, or one upper byte, they are two all the same.
        let colours = RgbImage::from_raw(2, 1, vec![0, 0, 255, 9, 0, 0]).unwrap();
        let found = refused(png(colours), None);
        assert_eq!(found, values([0, 0, 255], [9, 0, 0]));
        assert!(format!("{found}").contains("(0, 0, 255) and (9, 0, 0)"));
        let deep = ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![300u16, 301]).unwrap();
        assert_eq!(pixels(deep.clone(), Some(301)), [0, 1]);
        assert_eq!(refused(png(deep), None), values([300; 3], [301; 3]));
        assert!(matches!(refused(vec![1], None), MaskFileError::Picture(_)));
    }
}
