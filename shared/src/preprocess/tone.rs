//! From a pixel's numbers to intensities.

use serde::{Deserialize, Serialize};

use super::colour::Component;
use super::image::Image;

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
    /// Histogram equalization: intensities by rank, the darkest 0, the lightest 255.
    /// Faces, lit anyhow.
    Equalize,
    /// Mean 128 and standard deviation 48, what goes beyond cut off: faces, lit more or
    /// less.
    Standardize,
}

/// Mean and standard deviation of [`Tone::Standardize`].
const STANDARD_MEAN: i64 = 128;
const STANDARD_DEVIATION: i64 = 48;

/// Maps luma, or another number of a pixel, to intensity.
pub(super) struct ToneTable([u8; 256]);

impl ToneTable {
    pub(super) fn new(tone: Tone, image: &Image<'_>) -> Self {
        let mut table = [0u8; 256];
        match tone {
            Tone::Keep => (0u8..=255).zip(&mut table).for_each(|(v, out)| *out = v),
            Tone::Invert => (0u8..=255)
                .zip(&mut table)
                .for_each(|(v, out)| *out = 255 - v),
            Tone::Ink => ink(&histogram(image), &mut table),
            Tone::Equalize => equalize(&histogram(image), &mut table),
            Tone::Standardize => standardize(&histogram(image), &mut table),
        }
        Self(table)
    }

    /// Whether the picture has one intensity everywhere.
    pub(super) fn is_blank(&self, image: &Image<'_>) -> bool {
        let first = self.luma(image, 0, 0);
        let is_first = |x, y| self.luma(image, x, y) == first;
        (0..image.height).all(|y| (0..image.width).all(|x| is_first(x, y)))
    }

    /// The intensity of a pixel as a whole.
    pub(super) fn luma(&self, image: &Image<'_>, x: u32, y: u32) -> u8 {
        self.intensity(image, Component::Luma, x, y)
    }

    /// The intensity of one of its numbers.
    pub(super) fn intensity(&self, image: &Image<'_>, component: Component, x: u32, y: u32) -> u8 {
        let value = image.value(component, x, y);
        self.0.get(usize::from(value)).copied().unwrap_or(0)
    }
}

fn ink(histogram: &[u32; 256], table: &mut [u8; 256]) {
    // A blank sheet has no ink.
    if histogram.iter().filter(|&&count| count > 0).count() < 2 {
        return;
    }
    let threshold = otsu(histogram);
    let darkest = histogram.iter().position(|&count| count > 0).unwrap_or(0) as u32;
    // Paper starts above the threshold; the darkest ink maps to 255.
    let span = threshold.saturating_sub(darkest).saturating_add(1);
    for (v, out) in (0u32..=255).zip(table) {
        if v <= threshold {
            let depth = (threshold + 1).saturating_sub(v.max(darkest));
            *out = ((depth * 255 + span / 2) / span).min(255) as u8;
        }
    }
}

/// `255 (pixels up to v - pixels of the darkest) / (pixels - pixels of the darkest)`,
/// rounded half up.
fn equalize(histogram: &[u32; 256], table: &mut [u8; 256]) {
    let total: u64 = histogram.iter().map(|&count| u64::from(count)).sum();
    let darkest = histogram.iter().copied().find(|&count| count > 0);
    let darkest = u64::from(darkest.unwrap_or(0));
    let span = (total - darkest).max(1);
    let mut up_to = 0;
    for (&count, out) in histogram.iter().zip(table) {
        up_to += u64::from(count);
        let rank = up_to.saturating_sub(darkest);
        *out = ((2 * 255 * rank + span) / (2 * span).max(1)).min(255) as u8;
    }
}

/// `128 + 48 (v - mean) / deviation`, rounded half up, with mean and deviation in units of
/// 2^-20, rounded down: of `n` pixels with the sum `s` and the sum of squares `q` the mean is
/// `2^20 s / n`, the deviation `sqrt(2^20 (2^20 q / n) - mean^2)`.
fn standardize(histogram: &[u32; 256], table: &mut [u8; 256]) {
    let [mut pixels, mut sum, mut squares] = [0u64; 3];
    for (v, &count) in (0u64..).zip(histogram) {
        pixels += u64::from(count);
        sum += v * u64::from(count);
        squares += v * v * u64::from(count);
    }
    // At most 2^26 pixels: sums of squares are below 2^42, their means in 2^-20 below 2^36.
    let mean = (sum << 20) / pixels.max(1);
    let square = (squares << 20) / pixels.max(1);
    let deviation = (square << 20).saturating_sub(mean * mean).isqrt().max(1);
    let [mean, deviation] = [mean, deviation].map(|value| value as i64);
    for (v, out) in (0i64..=255).zip(table) {
        let away = STANDARD_DEVIATION * ((v << 20) - mean);
        // Twice the intensity and a half, times the deviation; below zero is cut off.
        let doubled = 2 * (STANDARD_MEAN * deviation + away) + deviation;
        let [doubled, by] = [doubled, 2 * deviation].map(|value| value.max(0).unsigned_abs());
        *out = (doubled / by.max(1)).min(255) as u8;
    }
}

fn histogram(image: &Image<'_>) -> [u32; 256] {
    let mut counts = [0u32; 256];
    for y in 0..image.height {
        for x in 0..image.width {
            if let Some(count) = counts.get_mut(usize::from(image.value(Component::Luma, x, y))) {
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
