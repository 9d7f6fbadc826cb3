//! Seeded random numbers and smooth random fields, the same on every machine.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{AREA, SIDE};

/// Finer fields are computed at every pixel, coarser ones on a grid of cells a pixel and
/// more wide, so that a bell is about this many cells wide.
const CELLS: f32 = 1.5;

/// A bell is cut off at this many of its widths.
const REACH: f32 = 3.0;

/// A stream of random numbers.
///
/// Built from [`libm`] and IEEE arithmetic alone: the distributions of the standard
/// library's and of most crates' mathematics differ in last bits across platforms.
pub(super) struct Noise {
    stream: ChaCha8Rng,
    /// Kept between fields, which are many.
    grid: Vec<f32>,
    blur: Blur,
}

impl Noise {
    /// The stream of a task.
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&index.to_le_bytes());
        Self {
            stream: ChaCha8Rng::from_seed(bytes),
            grid: vec![],
            blur: Blur::default(),
        }
    }

    /// Uniform in `0.0..1.0`.
    pub(super) fn uniform(&mut self) -> f32 {
        self.stream.random()
    }

    /// Uniform in `low..high`.
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Gaussian of mean 0 and deviation 1, by the Box-Muller transform.
    pub(super) fn normal(&mut self) -> f32 {
        let radius = libm::sqrtf(-2.0 * libm::logf(1.0 - self.uniform()));
        radius * libm::cosf(core::f32::consts::TAU * self.uniform())
    }

    /// One of `low..high`.
    pub(super) fn whole(&mut self, low: usize, high: usize) -> usize {
        low + ((high - low) as f32 * self.uniform()) as usize
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(&mut self, probability: f32) -> bool {
        self.uniform() < probability
    }

    /// Independent numbers of mean 0 and deviation 1. The sum of four bytes is near enough
    /// to a Gaussian for grain, and several times as fast.
    pub(super) fn white(&mut self, field: &mut [f32]) {
        /// Four times the mean of a byte, and the deviation of their sum.
        const MEAN: f32 = 510.0;
        const DEVIATION: f32 = 147.801_9;
        for value in field {
            let bytes = self.stream.next_u32().to_le_bytes();
            let sum: u32 = bytes.into_iter().map(u32::from).sum();
            *value = (sum as f32 - MEAN) / DEVIATION;
        }
    }

    /// A field of deviation 1 that is smooth over about `width` pixels: white noise under a
    /// bell of that width.
    pub(super) fn smooth(&mut self, width: f32) -> Vec<f32> {
        let mut field = vec![0.0; AREA];
        let cell = (width / CELLS) as usize;
        if cell <= 1 {
            self.white(&mut field);
            self.blur.run(&mut field, SIDE, width);
        } else {
            // A cell more on each side, since the middle of the outermost lies inside.
            let side = SIDE.div_ceil(cell) + 2;
            let mut grid = std::mem::take(&mut self.grid);
            grid.resize(side * side, 0.0);
            self.white(&mut grid);
            self.blur.run(&mut grid, side, width / cell as f32);
            enlarge(&grid, side, cell, &mut field);
            self.grid = grid;
        }
        to_unit_deviation(&mut field);
        field
    }
}

/// Divides by the deviation; the mean stays, as an offset that a smooth field has.
fn to_unit_deviation(field: &mut [f32]) {
    let count = field.len() as f32;
    let mean = sum(field, |value| value) / count;
    let variance = sum(field, |value| (value - mean) * (value - mean)) / count;
    let factor = 1.0 / (libm::sqrtf(variance) + 1e-6);
    for value in field {
        *value *= factor;
    }
}

/// The sum in a fixed order that lets a compiler add eight at a time.
fn sum(field: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; 8];
    for values in field.as_chunks::<8>().0 {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += of(value);
        }
    }
    let rest = field.as_chunks::<8>().1;
    sums.iter().sum::<f32>() + rest.iter().map(|&value| of(value)).sum::<f32>()
}

/// Between the middles of cells, `cell` pixels wide, in a straight line.
fn enlarge(grid: &[f32], side: usize, cell: usize, field: &mut [f32]) {
    let place = |pixel: usize| {
        let place = (pixel as f32 + 0.5) / cell as f32 + 0.5;
        let first = (place as usize).min(side - 2);
        (first, place - first as f32)
    };
    let columns: [(usize, f32); SIDE] = std::array::from_fn(place);
    let mut wide = vec![0.0; side * SIDE];
    for (wide, row) in wide.chunks_exact_mut(SIDE).zip(grid.chunks_exact(side)) {
        for (value, (first, share)) in wide.iter_mut().zip(columns) {
            *value = row[first] + (row[first + 1] - row[first]) * share;
        }
    }
    for (y, row) in field.chunks_exact_mut(SIDE).enumerate() {
        let (first, share) = place(y);
        let upper = &wide[first * SIDE..(first + 1) * SIDE];
        let lower = &wide[(first + 1) * SIDE..(first + 2) * SIDE];
        for ((value, upper), lower) in row.iter_mut().zip(upper).zip(lower) {
            *value = upper + (lower - upper) * share;
        }
    }
}

/// A bell over squares, rows and columns apart; beyond the border they are mirrored.
#[derive(Default)]
pub(super) struct Blur {
    weights: Vec<f32>,
    padded: Vec<f32>,
    rows: Vec<f32>,
}

impl Blur {
    /// Blurs a square of `side` by a bell `width` wide.
    pub(super) fn run(&mut self, field: &mut [f32], side: usize, width: f32) {
        let reach = (libm::ceilf(REACH * width) as usize).clamp(1, side);
        let bell = |place: usize| {
            let place = place as f32 / width;
            libm::expf(-0.5 * place * place)
        };
        self.weights.clear();
        self.weights.extend((0..=reach).map(bell));
        let total = 2.0 * self.weights.iter().sum::<f32>() - self.weights[0];
        self.weights.iter_mut().for_each(|weight| *weight /= total);
        self.rows.resize(side * side, 0.0);
        self.padded.resize(side + 2 * reach, 0.0);
        for (row, out) in field
            .chunks_exact(side)
            .zip(self.rows.chunks_exact_mut(side))
        {
            self.padded[reach..reach + side].copy_from_slice(row);
            for place in 0..reach {
                self.padded[place] = row[reach - 1 - place];
                self.padded[reach + side + place] = row[side - 1 - place];
            }
            for (out, value) in out.iter_mut().zip(row) {
                *out = value * self.weights[0];
            }
            for (step, &weight) in self.weights.iter().enumerate().skip(1) {
                let left = &self.padded[reach - step..reach - step + side];
                let right = &self.padded[reach + step..reach + step + side];
                add(out, left, right, weight);
            }
        }
        for (y, out) in field.chunks_exact_mut(side).enumerate() {
            let row = |row: usize| &self.rows[row * side..(row + 1) * side];
            for (out, value) in out.iter_mut().zip(row(y)) {
                *out = value * self.weights[0];
            }
            for (step, &weight) in self.weights.iter().enumerate().skip(1) {
                let above = if step <= y { y - step } else { step - y - 1 };
                let below = (y + step).min(2 * side - 1 - y - step);
                add(out, row(above), row(below), weight);
            }
        }
    }
}

fn add(out: &mut [f32], one: &[f32], other: &[f32], weight: f32) {
    for ((out, one), other) in out.iter_mut().zip(one).zip(other) {
        *out += (one + other) * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(field: &[f32]) -> (f32, f32) {
        let count = field.len() as f32;
        let mean = field.iter().sum::<f32>() / count;
        let squares = field.iter().map(|value| (value - mean) * (value - mean));
        (mean, libm::sqrtf(squares.sum::<f32>() / count))
    }

    /// Of neighbours `step` pixels apart.
    fn correlation(field: &[f32], step: usize) -> f32 {
        let (mean, deviation) = moments(field);
        let rows = field.chunks_exact(SIDE);
        let pairs = rows.flat_map(|row| row.iter().zip(&row[step..]));
        let products: Vec<f32> = pairs.map(|(a, b)| (a - mean) * (b - mean)).collect();
        products.iter().sum::<f32>() / products.len() as f32 / (deviation * deviation)
    }

    #[test]
    fn white_noise_has_no_mean_and_a_deviation_of_one() {
        let mut field = vec![0.0; AREA];
        Noise::new(1, 2).white(&mut field);
        let (mean, deviation) = moments(&field);
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((deviation - 1.0).abs() < 0.02, "{deviation}");
        assert!(correlation(&field, 1).abs() < 0.03);
    }

    /// White noise under a bell of width s is alike at a distance d by exp(-d^2 / 4 s^2).
    #[test]
    fn smooth_noise_is_as_smooth_as_asked() {
        let mut noise = Noise::new(3, 4);
        for width in [0.8, 2.0, 2.9, 4.0, 6.0, 9.0] {
            let step = libm::roundf(width) as usize;
            let found = (0..8).map(|_| correlation(&noise.smooth(width), step));
            let found = found.sum::<f32>() / 8.0;
            let place = step as f32 / width;
            let expected = libm::expf(-place * place / 4.0);
            assert!(
                (found - expected).abs() < 0.09,
                "{width}: {found} {expected}"
            );
        }
    }

    #[test]
    fn a_bell_keeps_the_sum_and_mirrors_borders() {
        let mut corner = vec![0.0; AREA];
        corner[0] = 1.0;
        let mut blur = Blur::default();
        blur.run(&mut corner, SIDE, 2.0);
        assert!((corner.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        assert!(corner[0] > corner[1] && corner[1] > corner[2]);
        assert!((corner[1] - corner[SIDE]).abs() < 1e-6);
        // Wider than what it blurs.
        let mut small = [1.0, 2.0, 3.0, 4.0];
        blur.run(&mut small, 2, 50.0);
        assert!((small.iter().sum::<f32>() - 10.0).abs() < 1e-4, "{small:?}");
    }
}
