//! From the bytes of a picture file to pixels, for host and device alike, and back.

mod faces;
mod mask;
mod overlay;
mod stretch;

use std::fmt;
use std::io::Cursor;
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;

use image::codecs::png::PngEncoder;
use image::{DynamicImage, GrayImage, ImageReader, Limits, RgbImage};
use shared::preprocess::{Image, MAX_SIDE, PreprocessError};

pub use faces::{Face, Faces, FacesError};
pub use mask::{Mask, MaskFileError};

/// The largest picture file: 64 MiB.
pub const MAX_LEN: usize = 64 << 20;

/// How the names of picture files end, in folders of such.
pub const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "bmp", "pgm", "ppm", "pnm"];

/// Whether a file in a folder is meant as a picture, by its name.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|&known| extension == known)
}

/// The most memory that decoding takes: an RGBA picture of the largest size, 16 bits deep.
const MAX_ALLOCATION: u64 = 8 * (MAX_SIDE as u64) * (MAX_SIDE as u64);

/// A decoded picture: 8-bit grey or RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    channels: u8,
    pixels: Vec<u8>,
}

impl Picture {
    /// Decodes a PNG, JPEG, BMP or PNM file; the content says which it is. What is
    /// transparent becomes white, as paper is.
    ///
    /// # Errors
    /// [`PictureError`]: no such file, damaged, or larger than 8192 pixels on a side.
    pub fn decode(bytes: &[u8]) -> Result<Self, PictureError> {
        decode(bytes).map(Self::from)
    }

    /// The same, but for samples of 16 bits: what is between the 0.5 and 99.5 percentiles of
    /// all of a picture's samples is stretched to 0..=255, rounded to nearest, halves up.
    ///
    /// Scanners and radiographs use a small part of 16 bits, of which the upper eight would
    /// leave a few grey levels. Where pictures are compared with each other, as those of
    /// subjects are, that would make brightness a matter of what else is on a picture; so only
    /// networks that mark structures read pictures in this way.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_stretched(bytes: &[u8]) -> Result<Self, PictureError> {
        decode(bytes).map(|picture| Self::from(stretch::stretched(picture)))
    }

    /// A picture of these pixels, of 1 (grey) or 3 (RGB) bytes each.
    ///
    /// # Errors
    /// As [`Image::new`].
    pub fn new(
        width: u32,
        height: u32,
        channels: u8,
        pixels: Vec<u8>,
    ) -> Result<Self, PreprocessError> {
        Image::new(width, height, channels, &pixels)?;
        Ok(Self {
            width,
            height,
            channels,
            pixels,
        })
    }

    /// Width and height.
    pub fn size(&self) -> [u32; 2] {
        [self.width, self.height]
    }

    /// The bytes of a PNG file with it.
    ///
    /// # Errors
    /// [`PictureError::Encode`].
    pub fn to_png(self) -> Result<Vec<u8>, PictureError> {
        let mut bytes = Vec::new();
        // By its name, so that programs that ship carry no other encoder.
        let written = DynamicImage::from(self).write_with_encoder(PngEncoder::new(&mut bytes));
        written.map_err(|error| PictureError::Encode(error.to_string()))?;
        Ok(bytes)
    }

    /// The picture as preprocessing reads it.
    ///
    /// # Errors
    /// [`PreprocessError`] when a side is 0 or too large.
    pub fn image(&self) -> Result<Image<'_>, PreprocessError> {
        Image::new(self.width, self.height, self.channels, &self.pixels)
    }
}

/// Decodes a file, as far as its header says that it may be.
fn decode(bytes: &[u8]) -> Result<DynamicImage, PictureError> {
    if bytes.len() > MAX_LEN {
        return Err(PictureError::Length { found: bytes.len() });
    }
    let decode_error = |error: &dyn fmt::Display| PictureError::Decode(error.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| decode_error(&error))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    reader.decode().map_err(|error| decode_error(&error))
}

impl From<DynamicImage> for Picture {
    fn from(picture: DynamicImage) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let colour = picture.color();
        let (channels, pixels) = match (colour.has_color(), colour.has_alpha()) {
            (false, false) => (1, picture.into_luma8().into_raw()),
            (true, false) => (3, picture.into_rgb8().into_raw()),
            (false, true) => (1, on_white::<2, 1>(picture.into_luma_alpha8().as_raw())),
            (true, true) => (3, on_white::<4, 3>(picture.into_rgba8().as_raw())),
        };
        Self {
            width,
            height,
            channels,
            pixels,
        }
    }
}

impl From<Picture> for DynamicImage {
    fn from(picture: Picture) -> Self {
        let (width, height) = (picture.width, picture.height);
        let image = match picture.channels {
            1 => GrayImage::from_raw(width, height, picture.pixels).map(Self::from),
            _ => RgbImage::from_raw(width, height, picture.pixels).map(Self::from),
        };
        // A picture has as many bytes as its size says.
        image.unwrap_or_default()
    }
}

/// `WITH` channels of which the last is opacity, over white: `WITHOUT` channels.
fn on_white<const WITH: usize, const WITHOUT: usize>(pixels: &[u8]) -> Vec<u8> {
    let blend = |value: u8, opacity: u8| {
        let (value, opacity) = (u32::from(value), u32::from(opacity));
        ((value * opacity + 255 * (255 - opacity) + 127) / 255) as u8
    };
    let pixels = pixels.as_chunks::<WITH>().0.iter();
    pixels
        .flat_map(|pixel| {
            let opacity = pixel[WITH - 1];
            pixel[..WITHOUT]
                .iter()
                .map(move |&value| blend(value, opacity))
        })
        .collect()
}

/// Why bytes are not a picture that can be used, or a picture is not made bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PictureError {
    /// More bytes than [`MAX_LEN`].
    Length {
        /// Found bytes.
        found: usize,
    },
    /// They do not decode.
    Decode(String),
    /// A picture cannot be written.
    Encode(String),
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => write!(
                f,
                "expected a picture file of at most {MAX_LEN} bytes, found {found}: give a smaller one"
            ),
            Self::Decode(found) => write!(
                f,
                "expected a whole PNG, JPEG, BMP or PNM picture of at most {MAX_SIDE} pixels on a side, found: {found}"
            ),
            Self::Encode(found) => write!(
                f,
                "expected a picture that can be written, found: {found}; give a smaller one"
            ),
        }
    }
}

impl core::error::Error for PictureError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use image::{ImageFormat, LumaA, Rgba, RgbaImage};

    use super::*;

    fn png(picture: DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn grey_stays_grey_and_colour_colour() {
        let grey = GrayImage::from_raw(2, 1, [7, 200].into()).unwrap();
        let picture = Picture::decode(&png(grey.into())).unwrap();
        assert_eq!((picture.channels, picture.pixels), (1, [7, 200].into()));
        let colour = RgbImage::from_raw(1, 1, [1, 2, 3].into()).unwrap();
        let picture = Picture::decode(&png(colour.into())).unwrap();
        assert_eq!((picture.channels, &picture.pixels[..]), (3, &[1, 2, 3][..]));
        assert_eq!(Picture::from(DynamicImage::from(picture.clone())), picture);
    }

    #[test]
    fn what_is_transparent_is_white() {
        let clear = RgbaImage::from_pixel(1, 1, Rgba([9, 8, 7, 0]));
        assert_eq!(Picture::from(DynamicImage::from(clear)).pixels, [255; 3]);
        let ink = image::GrayAlphaImage::from_pixel(1, 1, LumaA([10, 255]));
        assert_eq!(Picture::from(DynamicImage::from(ink)).pixels, [10]);
        let half = image::GrayAlphaImage::from_pixel(1, 1, LumaA([0, 51]));
        assert_eq!(Picture::from(DynamicImage::from(half)).pixels, [204]);
    }

    #[test]
    fn what_is_no_picture_is_told() {
        let whole = png(GrayImage::new(40, 40).into());
        for bytes in [&[][..], b"hello", &whole[..whole.len() / 2]] {
            assert!(matches!(
                Picture::decode(bytes),
                Err(PictureError::Decode(_))
            ));
        }
        // The header states 60000 x 60000; decoding must not try.
        let mut huge = whole.clone();
        huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        assert!(Picture::decode(&huge).is_err());
    }
}
