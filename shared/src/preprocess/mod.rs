//! From a camera's or scanner's pixels, or a pen's events, to the bytes a tower reads.
//!
//! One [`Preprocess`] spec travels in the artifact and is run by the trainer, the
//! evaluator and the device. All of it is integer arithmetic, so every machine
//! gets the same bytes:
//!
//! ```text
//! pixels -> luma or RGB -> tone (invert, find ink, even out light) -> crop
//!        -> resize into width x height -> u8
//! events -> scale -> steps of equal time or length -> features -> u8
//! ```
//!
//! The tower reads byte `q` as the real number `(q - zero_point) * scale`.

mod colour;
mod image;
mod landmarks;
pub mod pen;
mod placement;
mod resample;
mod tone;

use core::fmt;

use serde::{Deserialize, Serialize};

pub use colour::Colour;
pub(crate) use colour::luma;
pub use image::{Image, MAX_SIDE};
pub use landmarks::{ALIGNED_LEN, ALIGNED_SIDE, Landmarks};
pub use pen::PenPreprocess;
use placement::Centre;
pub use placement::{Crop, Fit};
use resample::resample;
pub use tone::Tone;
use tone::ToneTable;

/// How samples become tower inputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Preprocess {
    /// Samples are pictures.
    Picture(PicturePreprocess),
    /// Samples are what a pen did.
    Pen(PenPreprocess),
}

/// Shape of a tower input; channels vary fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputShape {
    /// Rows of a picture, steps of a sequence.
    pub height: u16,
    /// Columns; one, of a sequence.
    pub width: u16,
    /// Numbers of a pixel, features of a step.
    pub channels: u16,
}

impl InputShape {
    /// Bytes of one row.
    pub fn row_len(&self) -> usize {
        usize::from(self.width) * usize::from(self.channels)
    }

    /// Bytes of one input.
    pub fn len(&self) -> usize {
        usize::from(self.height) * self.row_len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Preprocess {
    /// Shape of a tower input.
    pub fn shape(&self) -> InputShape {
        match self {
            Self::Picture(picture) => picture.shape(),
            Self::Pen(pen) => pen.shape(),
        }
    }

    /// Bytes of one row of the tower input.
    pub fn row_len(&self) -> usize {
        self.shape().row_len()
    }

    /// Bytes of one tower input.
    pub fn output_len(&self) -> usize {
        self.shape().len()
    }

    /// How the tower reads a byte.
    pub fn quantization(&self) -> Quantization {
        match self {
            Self::Picture(picture) => picture.quantization,
            Self::Pen(_) => pen::QUANTIZATION,
        }
    }

    /// Whether the spec can be run.
    pub fn is_valid(&self) -> bool {
        match self {
            Self::Picture(picture) => picture.is_valid(),
            Self::Pen(pen) => pen.is_valid(),
        }
    }

    /// What is done to pictures, where samples are such.
    pub fn picture(&self) -> Option<&PicturePreprocess> {
        match self {
            Self::Picture(picture) => Some(picture),
            Self::Pen(_) => None,
        }
    }
}

impl From<PicturePreprocess> for Preprocess {
    fn from(picture: PicturePreprocess) -> Self {
        Self::Picture(picture)
    }
}

impl From<PenPreprocess> for Preprocess {
    fn from(pen: PenPreprocess) -> Self {
        Self::Pen(pen)
    }
}

/// How pictures become tower inputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PicturePreprocess {
    /// Width of the tower input, pixels, at least 1.
    pub width: u16,
    /// Height of the tower input, pixels, at least 1.
    pub height: u16,
    /// What of its colours it reads.
    #[serde(default)]
    pub colour: Colour,
    /// What is done to intensities before cropping.
    pub tone: Tone,
    /// Which part of the picture is kept.
    pub crop: Crop,
    /// How the kept part is placed in the input.
    pub fit: Fit,
    /// How the tower reads a byte.
    pub quantization: Quantization,
}

/// The affine meaning of quantized numbers: `real = (q - zero_point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantization {
    /// The real distance between neighbouring values; positive and finite.
    pub scale: f32,
    /// The value that means zero.
    pub zero_point: u8,
}

impl PicturePreprocess {
    /// Shape of the tower input.
    pub fn shape(&self) -> InputShape {
        InputShape {
            height: self.height,
            width: self.width,
            channels: self.colour.channels().into(),
        }
    }

    /// Bytes of one row of the tower input: `width * channels`.
    pub fn row_len(&self) -> usize {
        self.shape().row_len()
    }

    /// Bytes of one tower input: `height * width * channels`.
    pub fn output_len(&self) -> usize {
        self.shape().len()
    }

    /// Whether the spec can be run: sides at least 1, scale positive and finite, and ink,
    /// which has no colours, only looked for in grey.
    pub fn is_valid(&self) -> bool {
        self.width > 0
            && self.height > 0
            && (self.colour == Colour::Grey || self.tone != Tone::Ink)
            && self.quantization.scale > 0.0
            && self.quantization.scale.is_finite()
    }

    /// Runs the spec: `output` receives `height` rows of `width` pixels, each its channels
    /// side by side.
    ///
    /// # Errors
    /// [`PreprocessError::Output`] when `output` is not [`output_len`](Self::output_len)
    /// long, [`PreprocessError::Blank`] when there is nothing on the picture.
    pub fn run(&self, image: &Image<'_>, output: &mut [u8]) -> Result<(), PreprocessError> {
        if output.len() != self.output_len() || output.is_empty() {
            return Err(PreprocessError::Output {
                expected: self.output_len(),
                found: output.len(),
            });
        }
        let tone = ToneTable::new(self.tone, image);
        if tone.is_blank(image) {
            return Err(PreprocessError::Blank);
        }
        let source = self.crop.of(image, &tone);
        let (width, height) = (u32::from(self.width), u32::from(self.height));
        let centre = || Centre::of_mass(image, &tone, source);
        let target = self.fit.place(source, centre, width, height);
        let components = self.colour.components();
        for (y, row) in (0..height).zip(output.chunks_exact_mut(self.row_len().max(1))) {
            for (x, pixel) in (0..width).zip(row.chunks_exact_mut(components.len().max(1))) {
                if !target.contains(x, y) {
                    pixel.fill(0);
                    continue;
                }
                for (component, value) in components.iter().zip(pixel) {
                    let intensity = |x, y| tone.intensity(image, *component, x, y);
                    *value = resample(intensity, source, target, x - target.x, y - target.y);
                }
            }
        }
        Ok(())
    }
}

/// Why a picture cannot be preprocessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A side is 0 or larger than [`MAX_SIDE`].
    Size {
        /// Found width.
        width: u32,
        /// Found height.
        height: u32,
    },
    /// Neither grey (1) nor RGB (3).
    Channels {
        /// Found number of channels.
        found: u8,
    },
    /// The pixel buffer does not fit the stated size.
    Length {
        /// `width * height * channels`.
        expected: u32,
        /// The buffer's length.
        found: usize,
    },
    /// A region that is empty or not all inside of the picture.
    Region {
        /// The picture's width.
        width: u32,
        /// The picture's height.
        height: u32,
    },
    /// Landmarks far outside of the picture, or on each other.
    Landmarks,
    /// The same intensity everywhere, after [`Tone`]: there is nothing to compare.
    Blank,
    /// The output buffer does not hold the bytes of the spec.
    Output {
        /// [`Preprocess::output_len`].
        expected: usize,
        /// The buffer's length.
        found: usize,
    },
}

impl fmt::Display for PreprocessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { width, height } => write!(
                f,
                "expected a picture with sides of 1 to {MAX_SIDE} pixels, found {width} x {height}: scale it first"
            ),
            Self::Channels { found } => write!(
                f,
                "expected 1 (grey) or 3 (RGB) channels, found {found}: convert the picture first"
            ),
            Self::Length { expected, found } => write!(
                f,
                "expected {expected} bytes of pixels for the stated size, found {found}: the picture is cut off or its size is wrong"
            ),
            Self::Region { width, height } => write!(
                f,
                "expected a region of at least a pixel inside of the picture of {width} x {height} pixels, found another"
            ),
            Self::Landmarks => f.write_str(
                "expected five landmarks of a face on the picture, found some beside it, far from it, or on each other: look for the face again",
            ),
            Self::Blank => f.write_str(
                "expected a picture with something on it, found the same intensity everywhere: take it again",
            ),
            Self::Output { expected, found } => write!(
                f,
                "expected an output buffer of {expected} bytes, found {found}"
            ),
        }
    }
}

impl core::error::Error for PreprocessError {}
