//! How far apart two embeddings are.
//!
//! Int8 embeddings of one scale are compared in exact integers, turned into a
//! real number by one correctly rounded operation at the end; everything else in
//! single precision, summed in order. Every machine gets the same result.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::embedding::{DimensionMismatch, Embedding};

/// A distance between embeddings `a` and `b`: 0 for equal ones, larger is farther.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// `sqrt(sum (a - b)^2)`, 0 to infinity.
    Euclidean,
    /// `sum (a - b)^2`, 0 to infinity.
    SquaredEuclidean,
    /// `1 - a.b / (|a| |b|)`, 0 to 2; 1 when one of them is zero.
    Cosine,
    /// `sum |a - b|`, 0 to infinity.
    Manhattan,
}

impl Distance {
    /// The distance between `a` and `b`, finite for finite components.
    ///
    /// # Errors
    /// [`DimensionMismatch`] when they have different dimensions.
    ///
    /// ```
    /// use shared::{Distance, Embedding};
    /// let a = Embedding::Float(&[1.0, 0.0]);
    /// let b = Embedding::Int8 { values: &[0, 127], scale: 1.0 / 127.0 };
    /// assert_eq!(Distance::Cosine.between(a, b), Ok(1.0));
    /// assert_eq!(Distance::Manhattan.between(a, b), Ok(2.0));
    /// ```
    pub fn between(self, a: Embedding<'_>, b: Embedding<'_>) -> Result<f32, DimensionMismatch> {
        if a.dim() != b.dim() {
            return Err(DimensionMismatch {
                left: a.dim(),
                right: b.dim(),
            });
        }
        Ok(match (a, b) {
            (
                Embedding::Int8 { values: a, scale },
                Embedding::Int8 {
                    values: b,
                    scale: other,
                },
            ) if scale == other => self.between_int8(a, b, scale),
            _ => self.between_real(a, b),
        })
    }

    fn between_int8(self, a: &[i8], b: &[i8], scale: f32) -> f32 {
        match self {
            Self::Euclidean => libm::sqrtf(squared_difference(a, b) as f32) * scale,
            Self::SquaredEuclidean => squared_difference(a, b) as f32 * (scale * scale),
            Self::Cosine => cosine_int8(a, b),
            Self::Manhattan => absolute_difference(a, b) as f32 * scale,
        }
    }

    fn between_real(self, a: Embedding<'_>, b: Embedding<'_>) -> f32 {
        let pairs = || a.components().zip(b.components());
        let squared = || pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        match self {
            Self::Euclidean => libm::sqrtf(squared()),
            Self::SquaredEuclidean => squared(),
            Self::Cosine => {
                let dot: f32 = pairs().map(|(a, b)| a * b).sum();
                let length = |e: Embedding<'_>| libm::sqrtf(e.components().map(|v| v * v).sum());
                let lengths = length(a) * length(b);
                if lengths > 0.0 {
                    (1.0 - dot / lengths).clamp(0.0, 2.0)
                } else {
                    1.0
                }
            }
            Self::Manhattan => pairs().map(|(a, b)| libm::fabsf(a - b)).sum(),
        }
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Euclidean => "euclidean",
            Self::SquaredEuclidean => "squared-euclidean",
            Self::Cosine => "cosine",
            Self::Manhattan => "manhattan",
        })
    }
}

/// `sum a b`; below 2^24 in magnitude for up to 512 components, so exact as f32 too.
pub fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| i32::from(a) * i32::from(b))
        .sum()
}

fn squared_difference(a: &[i8], b: &[i8]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2))
        .sum()
}

fn absolute_difference(a: &[i8], b: &[i8]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum()
}

/// Cosine distance from integer sums, which are exact; each of product, root, quotient and
/// difference is rounded to single precision, so that every processor gives the same. Of a
/// vector and itself it is 0.
fn cosine_int8(a: &[i8], b: &[i8]) -> f32 {
    let lengths = libm::sqrtf(dot(a, a) as f32 * dot(b, b) as f32);
    if lengths == 0.0 {
        return 1.0;
    }
    (1.0 - dot(a, b) as f32 / lengths).clamp(0.0, 2.0)
}
