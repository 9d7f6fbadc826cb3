//! Whether a picture, or what a pen did, is good enough to enrol.
//!
//! A template that was made of a bad picture refuses its subject, or accepts others, for as
//! long as it is kept, so enrolment asks more of a picture than a comparison does.
//!
//! ```text
//! picture -> check_picture -> preprocess -> Measures::of -> Bounds::check
//!            (needs no data)   (tower input)                (bounds from the artifact)
//! ```
//!
//! [`Gate`] is all of that, and the same for pen events.
//!
//! What is measured is the tower's input: what preprocessing takes away cannot matter. What
//! is usual differs between photographs and ink, so the bounds are no constants: they are
//! taken from training pictures and travel in the artifact. They say what is unlike every
//! picture that the tower learnt from, not what is beautiful.

mod pen;

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::preprocess::pen::{PenError, PenEvents, PenPreprocess};
use crate::preprocess::{Image, PicturePreprocess, PreprocessError, luma};

pub use pen::{LEAST_STEPS, check_pen};

/// A picture whose luma spans no more than this shows nothing but noise.
const BLANK_RANGE: u8 = 2;

/// A picture with fewer pixels than this part of the tower's input would be enlarged to more
/// than twice its size along both sides.
const LEAST_PART: u32 = 4;

/// Bins of the histogram that contrast is read from: few, for the stack of a board.
const BINS: usize = 64;

/// Grey levels of a bin.
const BIN_WIDTH: usize = 256 / BINS;

/// Of so many pixels one is left out at each end of the histogram.
const OUTLIERS: u32 = 256;

/// What is wrong with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Flaw {
    /// Nothing is on it.
    Blank,
    /// It has far fewer pixels than the tower reads.
    TooSmall,
    /// What is on it hardly differs from the background.
    Faint,
    /// Less sharp than pictures of its kind are.
    Blurred,
    /// More sharp changes than pictures of its kind have.
    Noisy,
    /// Too much of it is as dark, or as bright, as can be.
    Clipped,
    /// The pen stayed where it was.
    Still,
    /// The pen's clock ran backwards, or stood still from the first event to the last.
    Clock,
    /// The pen left fewer than [`LEAST_STEPS`] steps.
    TooShort,
}

impl Flaw {
    /// Its name, as in messages for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::TooSmall => "too-small",
            Self::Faint => "faint",
            Self::Blurred => "blurred",
            Self::Noisy => "noisy",
            Self::Clipped => "clipped",
            Self::Still => "still",
            Self::Clock => "clock",
            Self::TooShort => "too-short",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Still => {
                "expected a pen that moves, found every event in one place: sign again"
            }
            Self::Clock => {
                "expected pen events in order of time, found a clock that runs backwards or stands still: check the pad"
            }
            Self::TooShort => {
                "expected a whole signature, found less than a letter of one: sign again"
            }
            Self::Blank => {
                "expected a picture with something on it, found nearly the same intensity everywhere: take it again"
            }
            Self::TooSmall => {
                "expected at least a quarter of the pixels that the model reads, found fewer: take a larger picture"
            }
            Self::Faint => {
                "expected as much contrast as pictures that the model learnt from, found less: take it again in better light"
            }
            Self::Blurred => {
                "expected a picture as sharp as those that the model learnt from, found a blurred one: hold still, or focus, and take it again"
            }
            Self::Noisy => {
                "expected a picture like those that the model learnt from, found far more sharp changes: take it again in better light"
            }
            Self::Clipped => {
                "expected a picture like those that the model learnt from, found too much of it as dark or as bright as can be: change the light and take it again"
            }
        })
    }
}

impl core::error::Error for Flaw {}

/// What is asked of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// That it can be preprocessed.
    Open,
    /// That it is good enough to enrol; the bounds are those of the model, where it has some.
    Enrolment(Option<Bounds>),
}

impl Gate {
    /// Preprocesses a picture that passes. `input` is as for [`PicturePreprocess::run`].
    ///
    /// # Errors
    /// [`Unfit::Picture`], [`Unfit::Flawed`].
    pub fn prepare(
        &self,
        image: &Image<'_>,
        preprocess: &PicturePreprocess,
        input: &mut [u8],
    ) -> Result<(), Unfit> {
        let Self::Enrolment(bounds) = self else {
            return preprocess.run(image, input).map_err(Unfit::Picture);
        };
        check_picture(image, preprocess).map_err(Unfit::Flawed)?;
        preprocess.run(image, input).map_err(Unfit::Picture)?;
        let measures = Measures::of(input, preprocess);
        let checked = bounds.map_or(Ok(()), |bounds| bounds.check(&measures));
        checked.map_err(Unfit::Flawed)
    }

    /// Preprocesses a pen's events, where they pass. `input` is as for [`PenPreprocess::run`].
    ///
    /// # Errors
    /// [`Unfit::Pen`], [`Unfit::Flawed`].
    // What it needs is no burden on the stack of pictures.
    #[inline(never)]
    pub fn prepare_pen(
        &self,
        events: PenEvents<'_>,
        preprocess: &PenPreprocess,
        input: &mut [u8],
    ) -> Result<(), Unfit> {
        if *self == Self::Open {
            return preprocess
                .run(events, input)
                .map(|_| ())
                .map_err(Unfit::Pen);
        }
        check_pen(events).map_err(Unfit::Flawed)?;
        match preprocess.run(events, input).map_err(Unfit::Pen)? {
            ..LEAST_STEPS => Err(Unfit::Flawed(Flaw::TooShort)),
            _ => Ok(()),
        }
    }
}

/// Why a sample does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The picture cannot be preprocessed.
    Picture(PreprocessError),
    /// The events cannot be.
    Pen(PenError),
    /// It is not good enough.
    Flawed(Flaw),
}

/// What needs no data to be known: a blank picture and one of too few pixels are of no use
/// to any tower.
///
/// # Errors
/// [`Flaw::Blank`], [`Flaw::TooSmall`].
///
/// ```
/// use shared::preprocess::{Colour, Crop, Fit, Image, PicturePreprocess, Quantization, Tone};
/// use shared::quality::{Flaw, check_picture};
///
/// let preprocess = PicturePreprocess {
///     width: 4,
///     height: 4,
///     colour: Colour::Grey,
///     tone: Tone::Keep,
///     crop: Crop::Whole,
///     fit: Fit::Stretch,
///     quantization: Quantization { scale: 1.0, zero_point: 0 },
/// };
/// let check = |width, pixels: &[u8]| {
///     check_picture(&Image::new(width, 2, 1, pixels).unwrap(), &preprocess)
/// };
/// assert_eq!(check(2, &[9, 12, 9, 9]), Ok(()));
/// assert_eq!(check(2, &[9, 11, 9, 9]), Err(Flaw::Blank));
/// assert_eq!(check(1, &[9, 99]), Err(Flaw::TooSmall));
/// ```
pub fn check_picture(image: &Image<'_>, preprocess: &PicturePreprocess) -> Result<(), Flaw> {
    let [width, height] = image.size();
    let (mut least, mut most) = (u8::MAX, 0);
    for luma in image.lumas() {
        least = least.min(luma);
        most = most.max(luma);
    }
    if most.saturating_sub(least) <= BLANK_RANGE {
        return Err(Flaw::Blank);
    }
    // Sides are below 2^16: products fit.
    let read = u32::from(preprocess.width) * u32::from(preprocess.height);
    if width * height < read / LEAST_PART {
        return Err(Flaw::TooSmall);
    }
    Ok(())
}

/// What is measured of a tower's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures {
    /// Between the darkest and the brightest pixel, when one of 256 is left out at each end;
    /// grey levels, in steps of 4.
    pub contrast: u16,
    /// The mean squared Laplacian over the variance, in 1/256. White noise has 20, an edge
    /// that is drawn out over many pixels next to nothing.
    ///
    /// The Laplacian (four neighbours minus four times the pixel) is the sharpness measure
    /// of Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative
    /// study", ICPR 2000; division by the variance makes it one of focus alone, whatever
    /// the contrast is.
    pub sharpness: u16,
    /// The share of pixels that are 0, in 1/65535.
    pub dark: u16,
    /// The share of pixels that are 255, in 1/65535.
    pub bright: u16,
}

impl Measures {
    /// Measures what [`PicturePreprocess::run`] wrote. Exact integers: every machine finds the same.
    pub fn of(input: &[u8], preprocess: &PicturePreprocess) -> Self {
        let channels = usize::from(preprocess.colour.channels());
        let grey = Grey {
            input,
            width: usize::from(preprocess.width),
            channels,
        };
        let (mut histogram, mut count, mut dark, mut bright) = ([0u32; BINS], 0u32, 0, 0);
        for value in grey.values() {
            if let Some(bin) = histogram.get_mut(usize::from(value) / BIN_WIDTH) {
                *bin += 1;
            }
            count += 1;
            dark += u32::from(value == 0);
            bright += u32::from(value == u8::MAX);
        }
        Self {
            contrast: contrast(&histogram, count),
            sharpness: grey.sharpness(),
            dark: share(dark, count),
            bright: share(bright, count),
        }
    }
}

/// `part / whole` in 1/65535, rounded down; 0 of nothing.
fn share(part: u32, whole: u32) -> u16 {
    let share = u64::from(part) * u64::from(u16::MAX) / u64::from(whole.max(1));
    share.min(u16::MAX.into()) as u16
}

fn contrast(histogram: &[u32; BINS], count: u32) -> u16 {
    let outliers = count / OUTLIERS;
    let mut seen = 0;
    let mut is_beyond = |bin: &u32| {
        seen += bin;
        seen > outliers
    };
    let lowest = histogram.iter().position(&mut is_beyond).unwrap_or(0);
    seen = 0;
    let mut is_beyond = |bin: &u32| {
        seen += bin;
        seen > outliers
    };
    let highest = histogram.iter().rposition(&mut is_beyond).unwrap_or(0);
    (highest.saturating_sub(lowest) * BIN_WIDTH) as u16
}

/// A tower's input, as one grey value of each pixel.
struct Grey<'a> {
    input: &'a [u8],
    width: usize,
    channels: usize,
}

impl Grey<'_> {
    fn values(&self) -> impl Iterator<Item = u8> {
        self.input.chunks_exact(self.channels.max(1)).map(grey)
    }

    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.input.chunks_exact((self.width * self.channels).max(1))
    }

    /// See [`Measures::sharpness`]; 0 where all pixels are alike.
    fn sharpness(&self) -> u16 {
        let (mut count, mut sum, mut squares) = (0u64, 0u64, 0u64);
        for value in self.values() {
            count += 1;
            sum += u64::from(value);
            squares += u64::from(value).pow(2);
        }
        let (inner, laplacian) = self.squared_laplacian();
        // The variance is (count * squares - sum^2) / count^2.
        let spread = u128::from(count) * u128::from(squares) - u128::from(sum).pow(2);
        let scaled = u128::from(laplacian) * u128::from(count).pow(2) * 256;
        // Inputs have less than 2^32 pixels: below 2^125.
        let sharpness = scaled / (spread * u128::from(inner)).max(1);
        sharpness.min(u16::MAX.into()) as u16
    }

    /// Pixels that have four neighbours, and the sum of their squared Laplacians.
    fn squared_laplacian(&self) -> (u64, u64) {
        let (mut inner, mut sum) = (0u64, 0u64);
        let above = self.rows();
        let rows = self.rows().skip(1);
        let below = self.rows().skip(2);
        for ((above, row), below) in above.zip(rows).zip(below) {
            let pixels = |row| Grey {
                input: row,
                ..*self
            };
            let (above, row, below) = (pixels(above), pixels(row), pixels(below));
            let middle = above.values().skip(1).zip(below.values().skip(1));
            let left = row.values();
            let centre = row.values().skip(1);
            let right = row.values().skip(2);
            for (((up, down), left), (centre, right)) in middle.zip(left).zip(centre.zip(right)) {
                let around = [up, down, left, right].map(i32::from);
                let laplacian = around.iter().sum::<i32>() - 4 * i32::from(centre);
                inner += 1;
                sum += u64::from(laplacian.unsigned_abs()).pow(2);
            }
        }
        (inner, sum)
    }
}

fn grey(pixel: &[u8]) -> u8 {
    match *pixel {
        [grey] => grey,
        [red, green, blue] => luma(red, green, blue),
        _ => 0,
    }
}

/// What pictures of a kind measure, but for very few: the artifact's section `quality`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The least [`Measures::contrast`].
    pub least_contrast: u16,
    /// The least [`Measures::sharpness`].
    pub least_sharpness: u16,
    /// The largest [`Measures::sharpness`].
    pub most_sharpness: u16,
    /// The largest [`Measures::dark`].
    pub most_dark: u16,
    /// The largest [`Measures::bright`].
    pub most_bright: u16,
}

impl Bounds {
    /// How many bounds there are, each of which may refuse a picture.
    pub const COUNT: usize = 5;

    /// Whether some picture can be within them.
    pub fn is_valid(&self) -> bool {
        self.least_sharpness <= self.most_sharpness
    }

    /// Whether a picture is within them.
    ///
    /// # Errors
    /// The first [`Flaw`] that is found.
    pub fn check(&self, measures: &Measures) -> Result<(), Flaw> {
        let checks = [
            (measures.contrast < self.least_contrast, Flaw::Faint),
            (measures.dark > self.most_dark, Flaw::Clipped),
            (measures.bright > self.most_bright, Flaw::Clipped),
            (measures.sharpness < self.least_sharpness, Flaw::Blurred),
            (measures.sharpness > self.most_sharpness, Flaw::Noisy),
        ];
        match checks.into_iter().find(|(is_flawed, _)| *is_flawed) {
            Some((_, flaw)) => Err(flaw),
            None => Ok(()),
        }
    }
}
