//! From a camera's or scanner's pixels to the bytes a tower reads.
//!
//! One [`Preprocess`] spec travels in the artifact and is run by the trainer, the
//! evaluator and the device. All of it is integer arithmetic, so every machine
//! gets the same bytes:
//!
//! ```text
//! pixels -> luma -> tone (invert, find ink) -> crop -> resize into width x height -> u8
//! ```
//!
//! The tower reads byte `q` as the real number `(q - zero_point) * scale`.

use core::fmt;

use serde::{Deserialize, Serialize};

/// How samples become tower inputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Width of the tower input, pixels, at least 1.
    pub width: u16,
    /// Height of the tower input, pixels, at least 1.
    pub height: u16,
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

/// What is done to intensities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// As they are: photographs.
    Keep,
    /// `255 - v`: dark ink on light paper becomes signal on zero.
    Invert,
    /// Paper removed by Otsu's threshold (Otsu, "A threshold selection method from
    /// gray-level histograms", IEEE Trans. SMC 9, 1979): lighter pixels become 0,
    /// ink is inverted and stretched so that the darkest pixel becomes 255.
    Ink,
}

/// Which part of the picture is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// All of it.
    Whole,
    /// The largest centred square.
    CentreSquare,
    /// The smallest rectangle that holds every non-zero pixel (after [`Tone`]);
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

/// The largest accepted picture side, pixels.
pub const MAX_SIDE: u32 = 8192;

/// A borrowed picture, rows top to bottom, pixels interleaved.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    width: u32,
    height: u32,
    channels: u8,
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
            pixels,
        })
    }

    /// Luma in 0..=255: ITU-R BT.601 weights in 1/256, rounded to nearest.
    /// Outside the picture: 0.
    fn luma(&self, x: u32, y: u32) -> u8 {
        let pixel = (y * self.width + x) as usize * usize::from(self.channels);
        match self.pixels.get(pixel..pixel + usize::from(self.channels)) {
            Some([grey]) => *grey,
            Some([red, green, blue]) => {
                let sum = 77 * u32::from(*red) + 150 * u32::from(*green) + 29 * u32::from(*blue);
                ((sum + 128) >> 8) as u8
            }
            _ => 0,
        }
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
    /// The output buffer does not hold `width * height` bytes of the spec.
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
            Self::Output { expected, found } => write!(
                f,
                "expected an output buffer of {expected} bytes, found {found}"
            ),
        }
    }
}

impl core::error::Error for PreprocessError {}

impl Preprocess {
    /// Bytes of one tower input: `width * height`.
    pub fn output_len(&self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    /// Whether the spec can be run: sides at least 1, scale positive and finite.
    pub fn is_valid(&self) -> bool {
        self.width > 0
            && self.height > 0
            && self.quantization.scale > 0.0
            && self.quantization.scale.is_finite()
    }

    /// Runs the spec: `output` receives `height` rows of `width` bytes.
    ///
    /// # Errors
    /// [`PreprocessError::Output`] when `output` is not [`output_len`](Self::output_len) long.
    pub fn run(&self, image: &Image<'_>, output: &mut [u8]) -> Result<(), PreprocessError> {
        if output.len() != self.output_len() || output.is_empty() {
            return Err(PreprocessError::Output {
                expected: self.output_len(),
                found: output.len(),
            });
        }
        let tone = ToneTable::new(self.tone, image);
        let source = self.crop.of(image, &tone);
        let (width, height) = (u32::from(self.width), u32::from(self.height));
        let target = self.fit.place(source, width, height);
        for (y, row) in (0..height).zip(output.chunks_exact_mut(width as usize)) {
            for (x, pixel) in (0..width).zip(row) {
                *pixel = if target.contains(x, y) {
                    resample(image, &tone, source, target, x - target.x, y - target.y)
                } else {
                    0
                };
            }
        }
        Ok(())
    }
}

/// Maps luma to intensity.
struct ToneTable([u8; 256]);

impl ToneTable {
    fn new(tone: Tone, image: &Image<'_>) -> Self {
        let mut table = [0u8; 256];
        match tone {
            Tone::Keep => (0u8..=255).zip(&mut table).for_each(|(v, out)| *out = v),
            Tone::Invert => (0u8..=255)
                .zip(&mut table)
                .for_each(|(v, out)| *out = 255 - v),
            Tone::Ink => {
                let histogram = histogram(image);
                let threshold = otsu(&histogram);
                let darkest = histogram.iter().position(|&count| count > 0).unwrap_or(0) as u32;
                // Paper starts above the threshold; the darkest ink maps to 255.
                let span = threshold.saturating_sub(darkest).saturating_add(1);
                for (v, out) in (0u32..=255).zip(&mut table) {
                    if v <= threshold {
                        let depth = (threshold + 1).saturating_sub(v.max(darkest));
                        *out = ((depth * 255 + span / 2) / span).min(255) as u8;
                    }
                }
                // A blank sheet has no ink.
                if histogram.iter().filter(|&&count| count > 0).count() < 2 {
                    table = [0; 256];
                }
            }
        }
        Self(table)
    }

    fn intensity(&self, image: &Image<'_>, x: u32, y: u32) -> u8 {
        let luma = image.luma(x, y);
        self.0.get(usize::from(luma)).copied().unwrap_or(0)
    }
}

fn histogram(image: &Image<'_>) -> [u32; 256] {
    let mut counts = [0u32; 256];
    for y in 0..image.height {
        for x in 0..image.width {
            if let Some(count) = counts.get_mut(usize::from(image.luma(x, y))) {
                *count += 1;
            }
        }
    }
    counts
}

/// Otsu's threshold: the luma `t` for which splitting into `..=t` and `t+1..`
/// maximises the between-class variance; the lowest such `t`. Exact integers.
fn otsu(histogram: &[u32; 256]) -> u32 {
    let total: u64 = histogram.iter().map(|&count| u64::from(count)).sum();
    let weighted: u64 = (0u64..)
        .zip(histogram)
        .map(|(v, &count)| v * u64::from(count))
        .sum();
    let (mut below, mut below_weighted) = (0u64, 0u64);
    let (mut best, mut best_threshold) = ((0u128, 1u128), 0);
    for (v, &count) in (0u32..).zip(histogram) {
        below += u64::from(count);
        below_weighted += u64::from(v) * u64::from(count);
        let above = total - below;
        if below == 0 || above == 0 {
            continue;
        }
        // Variance between = (weighted * below - below_weighted * total)^2 / (below * above),
        // up to the constant 1 / total^2. With at most 2^26 pixels the difference stays
        // below 2^60, so its square fits u128.
        let difference = (weighted * below).abs_diff(below_weighted * total);
        let candidate = (
            u128::from(difference) * u128::from(difference),
            u128::from(below) * u128::from(above),
        );
        if compare_fractions(candidate, best).is_gt() {
            best = candidate;
            best_threshold = v;
        }
    }
    best_threshold
}

/// Compares `a.0 / a.1` with `b.0 / b.1` by quotient, then remainder.
fn compare_fractions(a: (u128, u128), b: (u128, u128)) -> core::cmp::Ordering {
    let whole = (a.0 / a.1).cmp(&(b.0 / b.1));
    // Remainders are below 2^53 (the denominators), so the products fit.
    whole.then_with(|| ((a.0 % a.1) * b.1).cmp(&((b.0 % b.1) * a.1)))
}

/// A non-empty rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rectangle {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Rectangle {
    fn contains(&self, x: u32, y: u32) -> bool {
        (self.x..self.x + self.width).contains(&x) && (self.y..self.y + self.height).contains(&y)
    }
}

impl Crop {
    fn of(self, image: &Image<'_>, tone: &ToneTable) -> Rectangle {
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
            if tone.intensity(image, x, y) > 0 {
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
    fn place(self, source: Rectangle, width: u32, height: u32) -> Rectangle {
        match self {
            Self::Stretch => Rectangle {
                x: 0,
                y: 0,
                width,
                height,
            },
            Self::Contain => {
                // Compare aspect ratios crosswise; round the free side to nearest.
                let (placed_width, placed_height) = if source.width * height
                    >= source.height * width
                {
                    let rounded = (2 * source.height * width + source.width) / (2 * source.width);
                    (width, rounded.clamp(1, height))
                } else {
                    let rounded = (2 * source.width * height + source.height) / (2 * source.height);
                    (rounded.clamp(1, width), height)
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

/// The triangle filter of one axis: which source pixels weigh how much for one
/// target pixel when `source` pixels become `target` pixels.
///
/// In units of 1 / (2 target) source pixels, pixel `i` has its centre at
/// `(2i + 1) target`, target `o` at `(2o + 1) source`; the weight falls linearly
/// from the centre to zero at distance `2 max(source, target)`. Enlarging, this
/// is bilinear interpolation; shrinking, it averages the covered pixels.
#[derive(Clone, Copy)]
struct Triangle {
    centre: i64,
    support: i64,
    target: i64,
    first: u32,
    last: u32,
}

impl Triangle {
    fn new(source: u32, target: u32, position: u32) -> Self {
        let (source, target) = (i64::from(source), i64::from(target));
        let centre = (2 * i64::from(position) + 1) * source;
        let support = 2 * source.max(target);
        let first = (centre - support).div_euclid(2 * target).max(0);
        let last = ((centre + support) / (2 * target)).min(source - 1);
        Self {
            centre,
            support,
            target,
            first: first as u32,
            last: last as u32,
        }
    }

    fn weight(&self, index: u32) -> u64 {
        let centre = (2 * i64::from(index) + 1) * self.target;
        (self.support - (centre - self.centre).abs()).max(0) as u64
    }
}

/// One target pixel at (`x`, `y`) of `target`: the weighted mean of intensities in
/// `source`, rounded half up.
fn resample(
    image: &Image<'_>,
    tone: &ToneTable,
    source: Rectangle,
    target: Rectangle,
    x: u32,
    y: u32,
) -> u8 {
    let across = Triangle::new(source.width, target.width, x);
    let down = Triangle::new(source.height, target.height, y);
    let (mut sum, mut total) = (0u64, 0u64);
    for row in down.first..=down.last {
        let row_weight = down.weight(row);
        if row_weight == 0 {
            continue;
        }
        for column in across.first..=across.last {
            // Weights are below 2^18 each; a full picture's sum stays below 2^63.
            let weight = row_weight * across.weight(column);
            let intensity = tone.intensity(image, source.x + column, source.y + row);
            sum += weight * u64::from(intensity);
            total += weight;
        }
    }
    ((2 * sum + total) / (2 * total).max(1)).min(255) as u8
}
