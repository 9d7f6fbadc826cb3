//! Resizing with a triangle filter, in integers.

use super::placement::Rectangle;

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
        // Both are at least 1.
        let (source, target) = (i64::from(source), i64::from(target.max(1)));
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

/// One target pixel at (`x`, `y`) of `target`: the weighted mean of the intensities at
/// columns and rows of `source`, rounded half up.
pub(super) fn resample(
    intensity: impl Fn(u32, u32) -> u8,
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
            let intensity = intensity(source.x + column, source.y + row);
            sum += weight * u64::from(intensity);
            total += weight;
        }
    }
    ((2 * sum + total) / (2 * total).max(1)).min(255) as u8
}
