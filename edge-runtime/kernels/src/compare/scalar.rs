//! Pixel by pixel, prototype by prototype.

use shared::artifact::plan::{Compare, MAX_FEATURES};
use shared::embedding::{UNIT, unit_vector};
use shared::segmentation::References;

/// The cosine of opposites, which is also that with nothing at all.
const LEAST: i32 = -UNIT;

/// Compares each pixel of `features` with the references' prototypes.
pub fn compare(step: &Compare, references: References<'_>, features: &[u8], output: &mut [u8]) {
    let dim = super::super::at_least_one(step.features.channels);
    let channels = super::super::at_least_one(step.output.channels);
    let first = step.first as usize;
    let means = [0, 1].map(|which| mean(references, first + which * dim, dim));
    let cells = step.cells();
    let of_cells = [0, 1].map(|which| {
        let begin = first + (2 + which * cells) * dim;
        references.parts(begin, cells * dim)
    });
    let locations = first + step.prototypes() * dim;
    let mut centred = [0i8; MAX_FEATURES];
    let Some(centred) = centred.get_mut(..dim) else {
        return;
    };
    let pixels = features.chunks_exact(dim);
    for (at, (pixel, to)) in pixels.zip(output.chunks_exact_mut(channels)).enumerate() {
        for (component, &value) in centred.iter_mut().zip(pixel) {
            // Byte 0 is no component of a unit vector.
            *component = value.wrapping_sub(128) as i8;
        }
        let mut to = to.iter_mut();
        let mut put = |value: i32| {
            if let Some(byte) = to.next() {
                *byte = (value.clamp(LEAST, UNIT) + 128) as u8;
            }
        };
        for mean in &means {
            put(cosine(centred, mean.get(..dim).unwrap_or_default()));
        }
        if cells > 0 {
            for prototypes in &of_cells {
                let rows = prototypes.clone().flat_map(|part| part.chunks_exact(dim));
                put(nearest(centred, rows));
            }
        }
        if step.location {
            put(location(references, locations + at));
        }
    }
}

/// The unit vector along the sum of one prototype of each reference.
fn mean(references: References<'_>, first: usize, dim: usize) -> [i8; MAX_FEATURES] {
    let mut sums = [0i16; MAX_FEATURES];
    for prototype in references.parts(first, dim) {
        for (sum, &component) in sums.iter_mut().zip(prototype) {
            *sum += i16::from(component);
        }
    }
    let mut mean = [0i8; MAX_FEATURES];
    unit_vector(sums.iter().copied(), UNIT, &mut mean);
    mean
}

/// 127 times the cosine of two unit vectors.
fn cosine(a: &[i8], b: &[i8]) -> i32 {
    rounded(dot(a, b))
}

/// 127 times the cosine with the nearest of those that are not zero.
fn nearest<'a>(pixel: &[i8], prototypes: impl Iterator<Item = &'a [i8]>) -> i32 {
    let mut most = LEAST * UNIT;
    for prototype in prototypes {
        let product = dot(pixel, prototype);
        // Nothing is known of a cell whose prototype is zero.
        if product > most && prototype.iter().any(|&component| component != 0) {
            most = product;
        }
    }
    rounded(most)
}

/// 127 times the mean share of references whose structure covers a pixel.
fn location(references: References<'_>, first: usize) -> i32 {
    let shares = references.parts(first, 1).flatten();
    let sum: i32 = shares.map(|&share| i32::from(share)).sum();
    let count = (references.count() as i32).max(1);
    (2 * sum + count) / (2 * count)
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    let products = a.iter().zip(b);
    products.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// A product of two vectors of length 127 in steps of 1 / 127, halves away from zero.
fn rounded(product: i32) -> i32 {
    (2 * product + UNIT * product.signum()) / (2 * UNIT)
}
