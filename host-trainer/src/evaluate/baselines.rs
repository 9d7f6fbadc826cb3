//! What a network must beat: pictures compared as they are, and eigenfaces.

use anyhow::{Result, ensure};
use nalgebra::{DMatrix, SymmetricEigen};

use crate::dataset::Tensors;
use crate::engine::Embeddings;

/// Preprocessed pictures without their mean intensity: the cosine between two of them is
/// their normalised correlation.
pub fn mean_free_pixels(tensors: &Tensors) -> Embeddings {
    let dim = tensors.preprocess.output_len();
    let mean_free = tensors.pixels.chunks(dim).flat_map(|picture| {
        let sum: f32 = picture.iter().map(|&pixel| f32::from(pixel)).sum();
        let mean = sum / dim as f32;
        picture.iter().map(move |&pixel| f32::from(pixel) - mean)
    });
    Embeddings::Float {
        dim,
        values: mean_free.collect(),
    }
}

/// The principal components of pictures (Turk and Pentland, "Eigenfaces for
/// recognition", 1991). Pictures are compared by the Euclidean distance between their
/// coordinates.
#[derive(Clone, Debug)]
pub struct Eigenfaces {
    /// The mean picture.
    mean: Vec<f64>,
    /// `[components, pixels]`, of unit length, by falling variance.
    components: DMatrix<f64>,
}

impl Eigenfaces {
    /// Finds all components of `tensors`. With fewer pictures than pixels they come from
    /// the small matrix of inner products between pictures: when `A` holds the centred
    /// pictures as rows and `A A^T v = l v`, then `A^T v / sqrt(l)` is a component
    /// (section "Calculating eigenfaces").
    ///
    /// # Errors
    /// With fewer than two different pictures.
    pub fn fit(tensors: &Tensors) -> Result<Self> {
        let (count, dim) = (tensors.len(), tensors.preprocess.output_len());
        let pixel = |row: usize, column: usize| f64::from(tensors.pixels[row * dim + column]);
        let mean: Vec<f64> = (0..dim)
            .map(|column| (0..count).map(|row| pixel(row, column)).sum::<f64>() / count as f64)
            .collect();
        let centred = DMatrix::from_fn(count, dim, |row, column| pixel(row, column) - mean[column]);
        let eigen = SymmetricEigen::new(&centred * centred.transpose());
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        // Centred pictures depend on each other: one eigenvalue is zero but for rounding.
        let least = 1e-9 * order.first().map_or(0.0, |&first| eigen.eigenvalues[first]);
        order.retain(|&index| eigen.eigenvalues[index] > least.max(f64::MIN_POSITIVE));
        ensure!(
            !order.is_empty(),
            "expected at least two different pictures to find components of, found {count} equal ones"
        );
        let mut components = DMatrix::zeros(order.len(), dim);
        for (row, &index) in order.iter().enumerate() {
            let component = centred
                .tr_mul(&eigen.eigenvectors.column(index))
                .normalize();
            components.set_row(row, &component.transpose());
        }
        Ok(Self { mean, components })
    }

    /// How many components there are.
    pub fn len(&self) -> usize {
        self.components.nrows()
    }

    /// Whether there are none, which [`fit`](Self::fit) refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The coordinates of pictures along the first `count` components.
    pub fn project(&self, tensors: &Tensors, count: usize) -> Embeddings {
        let dim = self.mean.len();
        let centred = DMatrix::from_fn(tensors.len(), dim, |row, column| {
            f64::from(tensors.pixels[row * dim + column]) - self.mean[column]
        });
        let count = count.min(self.len());
        let coordinates = centred * self.components.rows(0, count).transpose();
        // One picture's coordinates after the other's: rows, where nalgebra keeps columns.
        let by_picture = coordinates.transpose();
        Embeddings::Float {
            dim: count,
            values: by_picture.iter().map(|&value| value as f32).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;
    use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
    use shared::{Distance, Embedding};

    use super::*;
    use crate::dataset::Kind;

    fn tensors(pixels: Vec<u8>, [width, height]: [u16; 2]) -> Tensors {
        let count = pixels.len() / usize::from(width * height);
        Tensors {
            preprocess: PicturePreprocess {
                width,
                height,
                colour: Colour::Grey,
                tone: Tone::Keep,
                crop: Crop::Whole,
                fit: Fit::Stretch,
                quantization: Quantization {
                    scale: 1.0,
                    zero_point: 0,
                },
            }
            .into(),
            pixels,
            classes: vec![0; count],
            kinds: vec![Kind::Genuine; count],
            indices: (0..count as u32).collect(),
        }
    }

    fn distance(embeddings: &Embeddings, a: usize, b: usize, distance: Distance) -> f32 {
        distance
            .between(embeddings.get(a), embeddings.get(b))
            .unwrap()
    }

    proptest! {
        /// All components together keep every distance between the pictures that they
        /// were found from; fewer keep less.
        #[test]
        fn components_span_the_pictures(pixels in prop::collection::vec(any::<u8>(), 6 * 12)) {
            let pictures = tensors(pixels, [4, 3]);
            let eigenfaces = Eigenfaces::fit(&pictures).unwrap();
            prop_assert!(eigenfaces.len() <= 5);
            let all = eigenfaces.project(&pictures, usize::MAX);
            let few = eigenfaces.project(&pictures, 2);
            for (a, b) in [(0, 1), (2, 5), (3, 4)] {
                let real = |index: usize| -> Vec<f32> {
                    pictures.sample(index).iter().map(|&pixel| f32::from(pixel)).collect()
                };
                let (left, right) = (real(a), real(b));
                let expected = Distance::Euclidean
                    .between(Embedding::Float(&left), Embedding::Float(&right))
                    .unwrap();
                let found = distance(&all, a, b, Distance::Euclidean);
                prop_assert!((found - expected).abs() < 0.01, "{found} {expected}");
                prop_assert!(distance(&few, a, b, Distance::Euclidean) <= expected + 0.01);
            }
        }

        /// Normalised correlation knows neither brightness nor contrast.
        #[test]
        fn correlation_ignores_brightness(pixels in prop::collection::vec(0u8..100, 12)) {
            prop_assume!(pixels.iter().any(|pixel| *pixel != pixels[0]));
            let brighter = pixels.iter().map(|pixel| 2 * pixel + 20);
            let both = tensors(pixels.iter().copied().chain(brighter).collect(), [4, 3]);
            let apart = distance(&mean_free_pixels(&both), 0, 1, Distance::Cosine);
            prop_assert!(apart.abs() < 1e-5, "{apart}");
        }
    }

    #[test]
    fn the_first_component_is_along_the_widest_spread() {
        // Pictures differ by 100 in the first pixel, by 10 in the second.
        let pictures = tensors(vec![0, 0, 7, 100, 10, 7, 0, 10, 7, 100, 0, 7], [3, 1]);
        let eigenfaces = Eigenfaces::fit(&pictures).unwrap();
        assert_eq!(eigenfaces.len(), 2);
        let along = eigenfaces.project(&pictures, 1);
        assert!((distance(&along, 0, 3, Distance::Euclidean) - 100.0).abs() < 1e-3);
        assert!(distance(&along, 0, 2, Distance::Euclidean) < 1e-3);
        assert!(Eigenfaces::fit(&tensors(vec![5; 12], [3, 1])).is_err());
    }
}
