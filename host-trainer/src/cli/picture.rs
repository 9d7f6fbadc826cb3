//! Flags that say what of a picture a tower reads, and how embeddings are compared.

use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use shared::preprocess::{Crop, Fit, PicturePreprocess, Tone};
use shared::{Distance, Preprocess};

/// From a picture to a tower's input. What is not said is as usual for the data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct PictureArgs {
    /// The tower's input, WIDTHxHEIGHT pixels
    #[arg(long)]
    pub input: Option<Size>,
    /// What is done to intensities: photographs keep, or equalize or standardize where light
    /// differs; drawings invert, scanned ink ink
    #[arg(long, value_enum)]
    tone: Option<ToneName>,
    /// Which part of a picture is kept
    #[arg(long, value_enum)]
    crop: Option<CropName>,
    /// How the kept part is placed in the input
    #[arg(long, value_enum)]
    fit: Option<FitName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ToneName {
    Keep,
    Invert,
    Ink,
    Equalize,
    Standardize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CropName {
    Whole,
    CentreSquare,
    Ink,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FitName {
    Stretch,
    Contain,
    CentreOfMass,
}

/// A distance by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DistanceName {
    /// The root of the summed squares
    Euclidean,
    /// The summed squares
    SquaredEuclidean,
    /// 1 minus the cosine
    Cosine,
    /// The summed magnitudes
    Manhattan,
}

/// Sides of a picture in pixels, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let size = text.split_once('x').and_then(|(width, height)| {
            Some(Self {
                width: width.parse().ok().filter(|&side| side > 0)?,
                height: height.parse().ok().filter(|&side| side > 0)?,
            })
        });
        size.ok_or_else(|| "expected WIDTHxHEIGHT, such as 64x32".into())
    }
}

impl From<DistanceName> for Distance {
    fn from(name: DistanceName) -> Self {
        match name {
            DistanceName::Euclidean => Self::Euclidean,
            DistanceName::SquaredEuclidean => Self::SquaredEuclidean,
            DistanceName::Cosine => Self::Cosine,
            DistanceName::Manhattan => Self::Manhattan,
        }
    }
}

impl PictureArgs {
    /// The same for samples of any kind.
    ///
    /// # Errors
    /// When something was said of pictures and samples are none.
    pub fn of_samples(&self, usual: Preprocess) -> Result<Preprocess> {
        match usual {
            Preprocess::Picture(usual) => Ok(self.preprocess(usual).into()),
            Preprocess::Pen(_) => {
                ensure!(
                    *self == Self::default(),
                    "expected settings of pen sequences, found{}: they are set by --set preprocess.steps=200 and the like",
                    self.flags()
                );
                Ok(usual)
            }
        }
    }

    /// The usual preprocessing with what was said in its place.
    pub fn preprocess(&self, usual: PicturePreprocess) -> PicturePreprocess {
        let size = self.input.unwrap_or(Size {
            width: usual.width,
            height: usual.height,
        });
        PicturePreprocess {
            width: size.width,
            height: size.height,
            tone: match self.tone {
                None => usual.tone,
                Some(ToneName::Keep) => Tone::Keep,
                Some(ToneName::Invert) => Tone::Invert,
                Some(ToneName::Ink) => Tone::Ink,
                Some(ToneName::Equalize) => Tone::Equalize,
                Some(ToneName::Standardize) => Tone::Standardize,
            },
            crop: match self.crop {
                None => usual.crop,
                Some(CropName::Whole) => Crop::Whole,
                Some(CropName::CentreSquare) => Crop::CentreSquare,
                Some(CropName::Ink) => Crop::Ink,
            },
            fit: match self.fit {
                None => usual.fit,
                Some(FitName::Stretch) => Fit::Stretch,
                Some(FitName::Contain) => Fit::Contain,
                Some(FitName::CentreOfMass) => Fit::CentreOfMass,
            },
            ..usual
        }
    }

    /// The flags that say the same.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        if let Some(Size { width, height }) = self.input {
            flags += &format!(" --input {width}x{height}");
        }
        flags += &named("tone", self.tone);
        flags += &named("crop", self.crop);
        flags + &named("fit", self.fit)
    }
}

/// A flag with the name of a value, where there is one.
pub fn named<T: ValueEnum>(flag: &str, value: Option<T>) -> String {
    let value = value.and_then(|value| value.to_possible_value());
    value.map_or_else(String::new, |value| {
        format!(" --{flag} {}", value.get_name())
    })
}
