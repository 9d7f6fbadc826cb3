//! What a tower says of a sample: a point in a metric space.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The largest dimension of an embedding.
pub const MAX_DIM: usize = 512;

/// How a model's embeddings are stored and compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingFormat {
    /// Number of components, 1 to [`MAX_DIM`].
    pub dim: u16,
    /// Whether embeddings are scaled to unit length before they are compared.
    pub normalized: bool,
    /// The engine's output byte that means zero.
    pub zero_point: u8,
    /// The real number that one step of a stored int8 component stands for; when
    /// `normalized` 1/L, where L is the [length](Self::unit_length) of a vector in steps.
    pub scale: f32,
}

impl EmbeddingFormat {
    /// The coarsest scale of a unit-length int8 embedding, in which any fits.
    pub const UNIT_SCALE: f32 = 1.0 / UNIT as f32;

    /// The scale of a unit-length int8 embedding of `length` steps, [`UNIT`] to
    /// [`MAX_UNIT_LENGTH`].
    ///
    /// Of d components a unit vector's are about 1/sqrt(d): in steps of 1/127 those of 64
    /// have four bits. A longer vector rounds them finer and cuts off what is beyond
    /// int8, so how long one may be depends on how large a model's components become.
    pub fn unit_scale(length: i32) -> f32 {
        1.0 / length.clamp(UNIT, MAX_UNIT_LENGTH) as f32
    }

    /// The length, in steps, of vectors that are scaled to unit length: 1/`scale` when
    /// embeddings are, otherwise [`UNIT`].
    pub fn unit_length(&self) -> i32 {
        if self.normalized {
            (1.0 / self.scale + 0.5) as i32
        } else {
            UNIT
        }
    }

    /// Whether dimension and scale are in their ranges.
    pub fn is_valid(&self) -> bool {
        (1..=MAX_DIM).contains(&usize::from(self.dim))
            && self.scale > 0.0
            && self.scale.is_finite()
            && (!self.normalized || self.scale == Self::unit_scale(self.unit_length()))
    }

    /// Whether stored components are half the engine's: a zero point other than
    /// 128 leaves a range that int8 cannot hold. Then `scale` is twice the
    /// engine's, and halves are rounded away from zero. Unit vectors need no halving.
    pub fn is_halved(&self) -> bool {
        !self.normalized && self.zero_point != 128
    }

    /// Turns an engine's raw output into the embedding to compare or store.
    /// `raw` and `stored` have [`dim`](Self::dim) components.
    pub fn finish(&self, raw: &[u8], stored: &mut [i8]) {
        let centred = raw
            .iter()
            .map(|&byte| i16::from(byte) - i16::from(self.zero_point));
        if self.normalized {
            unit_vector(centred, self.unit_length(), stored);
        } else {
            let divisor = if self.is_halved() { 2 } else { 1 };
            for (component, value) in stored.iter_mut().zip(centred) {
                *component = divide_rounded(i32::from(value), divisor);
            }
        }
    }
}

/// An embedding, borrowed: floating point from a trainer's tower, int8 from a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Embedding<'a> {
    /// Single-precision components.
    Float(&'a [f32]),
    /// Components in steps of `scale`.
    Int8 {
        /// The components.
        values: &'a [i8],
        /// The real number that one step stands for.
        scale: f32,
    },
}

impl Embedding<'_> {
    /// Number of components.
    pub fn dim(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Int8 { values, .. } => values.len(),
        }
    }

    /// The components as real numbers.
    pub fn components(&self) -> impl Iterator<Item = f32> + '_ {
        let (float, int8, scale) = match *self {
            Self::Float(values) => (values, &[][..], 1.0),
            Self::Int8 { values, scale } => (&[][..], values, scale),
        };
        let dequantized = int8.iter().map(move |&value| f32::from(value) * scale);
        float.iter().copied().chain(dequantized)
    }
}

/// The length, in steps, of an int8 unit vector no component of which is ever cut off; the
/// magnitude of the largest component.
pub const UNIT: i32 = 127;

/// The longest int8 unit vector: 127 sqrt([`MAX_DIM`]). Of a longer one some component
/// would always be cut off.
pub const MAX_UNIT_LENGTH: i32 = 2873;

/// Scales a vector to `length` steps, [`UNIT`] to [`MAX_UNIT_LENGTH`], exactly rounded:
/// component `v` becomes the integer nearest to `length v / |values|`, halves away from
/// zero, those beyond 127 steps 127. The zero vector stays. At most [`MAX_DIM`] components
/// are meaningful.
pub fn unit_vector(values: impl Iterator<Item = i16> + Clone, length: i32, unit: &mut [i8]) {
    let length = length.clamp(UNIT, MAX_UNIT_LENGTH).unsigned_abs();
    let squares: u64 = values
        .clone()
        .map(|value| u64::from(value.unsigned_abs()).pow(2))
        .sum();
    for (component, value) in unit.iter_mut().zip(values) {
        // 2 length |v| / |values| = sqrt((2 length v)^2 / squares); its integer part t
        // gives the rounded half as (t + 1) / 2.
        let doubled = 2 * u64::from(length) * u64::from(value.unsigned_abs());
        let quotient = (doubled * doubled).checked_div(squares).unwrap_or(0);
        let magnitude = quotient.isqrt().div_ceil(2).min(UNIT as u64) as i8;
        *component = if value < 0 { -magnitude } else { magnitude };
    }
}

/// Scales a real vector to unit length. The zero vector stays.
pub fn normalize_f32(values: &mut [f32]) {
    let length = libm::sqrtf(values.iter().map(|value| value * value).sum());
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    }
}

/// The prototype of several int8 embeddings of one dimension: their mean. A
/// normalized format takes the exactly rounded unit vector along their sum, others
/// the mean rounded to nearest, halves away from zero.
///
/// `prototype` receives the result; a shot shorter than it counts as zero there.
pub fn prototype<'a>(
    format: &EmbeddingFormat,
    shots: impl Iterator<Item = &'a [i8]> + Clone,
    prototype: &mut [i8],
) {
    let sum_at = |index: usize| -> i32 {
        shots
            .clone()
            .map(|shot| shot.get(index).map_or(0, |&value| i32::from(value)))
            .sum()
    };
    if format.normalized {
        // Up to 255 shots of 127 steps fit i16.
        let sums = (0..prototype.len()).map(|index| sum_at(index) as i16);
        unit_vector(sums, format.unit_length(), prototype);
    } else {
        let count = i32::try_from(shots.clone().count()).unwrap_or(i32::MAX);
        for (index, component) in prototype.iter_mut().enumerate() {
            *component = divide_rounded(sum_at(index), count.max(1));
        }
    }
}

/// `numerator / divisor` to the nearest integer, halves away from zero.
fn divide_rounded(numerator: i32, divisor: i32) -> i8 {
    let magnitude = (2 * numerator.unsigned_abs() + divisor.unsigned_abs())
        / (2 * divisor.unsigned_abs()).max(1);
    let magnitude = magnitude.min(UNIT as u32) as i8;
    if numerator < 0 { -magnitude } else { magnitude }
}

/// Two embeddings that cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DimensionMismatch {
    /// Dimension of the first.
    pub left: usize,
    /// Dimension of the second.
    pub right: usize,
}

impl fmt::Display for DimensionMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected two embeddings of one dimension, found {} and {}: they come from different models",
            self.left, self.right
        )
    }
}

impl core::error::Error for DimensionMismatch {}
