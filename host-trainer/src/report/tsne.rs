//! A plane in which neighbours stay neighbours: exact t-SNE (van der Maaten and Hinton,
//! "Visualizing data using t-SNE", 2008), started from principal components, which keeps
//! the large picture and needs no chance (Kobak and Berens, "The art of using t-SNE for
//! single-cell transcriptomics", 2019). The same points give the same plane on every
//! machine: one thread, sums in one order, exponentials from libm.
//!
//! Work and memory grow with the square of the number of points: meant for hundreds.

use nalgebra::{DMatrix, SymmetricEigen};

/// Effective number of neighbours.
const PERPLEXITY: f64 = 20.0;
/// Steps in which attraction is exaggerated, and by how much.
const EARLY: usize = 250;
const EXAGGERATION: f64 = 12.0;
/// Steps in all.
const STEPS: usize = 1000;
/// A coordinate that keeps its direction moves faster (Jacobs, "Increased rates of
/// convergence through learning rate adaptation", 1988), at most by this: faster ones
/// leave the plane when there are few points.
const MOST_GAIN: f64 = 3.0;
/// Standard deviation of the start along its longer axis.
const START: f64 = 1e-4;

/// Fewer points have no neighbourhoods to keep: all are about equally near, and t-SNE lets
/// them fall together. [`principal_components`] show them.
pub const FEWEST: usize = 60;

/// A place in the plane for every point; components of each are in `points`, which are at
/// least [`FEWEST`].
pub fn tsne(points: &[Vec<f64>]) -> Vec<[f64; 2]> {
    let count = points.len();
    let mut places = principal_components(points);
    let attraction = affinities(points);
    let mut velocity = vec![[0.0; 2]; count];
    let mut gains = vec![[1.0f64; 2]; count];
    for step in 0..STEPS {
        if step == EARLY && deviation(&places) < START {
            // Points without groups have drawn together to almost nothing: their shape
            // counts, not its size.
            places = scaled(&places);
            velocity.fill([0.0; 2]);
        }
        let (exaggeration, momentum) = match step < EARLY {
            true => (EXAGGERATION, 0.5),
            false => (1.0, 0.8),
        };
        // As fast as is stable: in proportion to the number of points, and the slower the
        // stronger the attraction (Belkina et al., "Automated optimized parameters for
        // t-SNE", 2019).
        let rate = count as f64 / (4.0 * exaggeration);
        let gradient = gradient(&places, &attraction, exaggeration);
        for index in 0..count {
            for axis in 0..2 {
                let (slope, speed) = (gradient[index][axis], &mut velocity[index][axis]);
                let gain = &mut gains[index][axis];
                let turns = slope * *speed > 0.0;
                *gain = if turns { *gain * 0.8 } else { *gain + 0.2 }.clamp(0.01, MOST_GAIN);
                *speed = momentum * *speed - rate * *gain * slope;
                places[index][axis] += *speed;
            }
        }
        centre(&mut places);
    }
    places
}

/// `4 sum_j (e p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2)`.
fn gradient(places: &[[f64; 2]], attraction: &[f64], exaggeration: f64) -> Vec<[f64; 2]> {
    let count = places.len();
    // Unnormalized q: Student's t with one degree of freedom.
    let mut kernel = vec![0.0; count * count];
    let mut sum = 0.0;
    for i in 0..count {
        for j in 0..i {
            let [x, y] = [0, 1].map(|axis| places[i][axis] - places[j][axis]);
            let value = 1.0 / (1.0 + x * x + y * y);
            kernel[i * count + j] = value;
            kernel[j * count + i] = value;
            sum += 2.0 * value;
        }
    }
    let of = |i: usize| {
        let mut slope = [0.0; 2];
        for j in 0..count {
            let value = kernel[i * count + j];
            let force = 4.0 * (exaggeration * attraction[i * count + j] - value / sum) * value;
            for axis in 0..2 {
                slope[axis] += force * (places[i][axis] - places[j][axis]);
            }
        }
        slope
    };
    (0..count).map(of).collect()
}

/// Joint probabilities `(p_j|i + p_i|j) / 2n` of every pair, with widths that give each
/// point the same effective number of neighbours.
fn affinities(points: &[Vec<f64>]) -> Vec<f64> {
    let count = points.len();
    let squared = |i: usize, j: usize| -> f64 {
        let components = points[i].iter().zip(&points[j]);
        components.map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let rows: Vec<Vec<f64>> = (0..count)
        .map(|i| {
            let distances: Vec<f64> = (0..count).map(|j| squared(i, j)).collect();
            neighbourhood(&distances, i, PERPLEXITY)
        })
        .collect();
    let joint = |i: usize, j: usize| ((rows[i][j] + rows[j][i]) / (2 * count) as f64).max(1e-12);
    (0..count * count)
        .map(|pair| joint(pair / count, pair % count))
        .collect()
}

/// `p_j|own`: a normal distribution around a point whose entropy is that of `perplexity`
/// equal neighbours, found by bisection.
fn neighbourhood(squared: &[f64], own: usize, perplexity: f64) -> Vec<f64> {
    let others = || squared.iter().enumerate().filter(|(j, _)| *j != own);
    let nearest = others().map(|(_, &d)| d).fold(f64::INFINITY, f64::min);
    let weights = |precision: f64| -> Vec<f64> {
        let weight = |(j, &d): (usize, &f64)| match j == own {
            true => 0.0,
            false => libm::exp(-precision * (d - nearest)),
        };
        squared.iter().enumerate().map(weight).collect()
    };
    let entropy = |weights: &[f64]| {
        let sum: f64 = weights.iter().sum();
        let share = weights.iter().map(|weight| weight / sum);
        -share
            .filter(|&p| p > 0.0)
            .map(|p| p * libm::log(p))
            .sum::<f64>()
    };
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut precision = 1.0;
    for _ in 0..64 {
        // Narrower has less entropy.
        if entropy(&weights(precision)) > libm::log(perplexity) {
            low = precision;
        } else {
            high = precision;
        }
        precision = match high.is_finite() {
            true => (low + high) / 2.0,
            false => precision * 2.0,
        };
    }
    let mut weights = weights(precision);
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// Places along the two directions of largest variance; the first has standard deviation
/// [`START`].
pub fn principal_components(points: &[Vec<f64>]) -> Vec<[f64; 2]> {
    let (count, dim) = (points.len(), points.first().map_or(0, Vec::len));
    if count == 0 {
        return vec![];
    }
    let sum = |axis: usize| points.iter().map(|point| point[axis]).sum::<f64>();
    let mean: Vec<f64> = (0..dim).map(|axis| sum(axis) / count as f64).collect();
    let centred = DMatrix::from_fn(count, dim, |row, axis| points[row][axis] - mean[axis]);
    let eigen = SymmetricEigen::new(centred.tr_mul(&centred));
    let mut order: Vec<usize> = (0..dim).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let mut places = vec![[0.0; 2]; count];
    for (axis, &index) in order.iter().take(2).enumerate() {
        let along = &centred * eigen.eigenvectors.column(index);
        for (place, &value) in places.iter_mut().zip(along.iter()) {
            place[axis] = value;
        }
    }
    scaled(&places)
}

/// The places stretched so that their first coordinates have standard deviation
/// [`START`]; those that are all equal stay.
fn scaled(places: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let deviation = deviation(places);
    let scale = if deviation > 0.0 {
        START / deviation
    } else {
        1.0
    };
    let stretched = |place: &[f64; 2]| place.map(|value| value * scale);
    places.iter().map(stretched).collect()
}

/// Moves the mean to zero. Gains differ, so steps move it, and places that draw together
/// around any other place would become equal in floating point.
fn centre(places: &mut [[f64; 2]]) {
    for axis in 0..2 {
        let mean = places.iter().map(|place| place[axis]).sum::<f64>() / places.len() as f64;
        places.iter_mut().for_each(|place| place[axis] -= mean);
    }
}

/// The standard deviation of the first coordinates, whose mean is zero.
fn deviation(places: &[[f64; 2]]) -> f64 {
    let squares = places.iter().map(|place| place[0] * place[0]).sum::<f64>();
    libm::sqrt(squares / places.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Groups of points that are far apart.
    fn groups(count: usize, groups: usize) -> Vec<Vec<f64>> {
        let point = |index: usize| {
            let jitter = |axis: usize| (index * (2 * axis + 5) % 13) as f64 / 13.0;
            let mut point: Vec<f64> = (0..groups).map(jitter).collect();
            point[index % groups] += 20.0;
            point
        };
        (0..count).map(point).collect()
    }

    #[test]
    fn neighbours_stay_neighbours() {
        for (count, of) in [(60, 3), (200, 10)] {
            let points = groups(count, of);
            let places = tsne(&points);
            let squared = |i: usize, j: usize| {
                let [x, y] = [0, 1].map(|axis| places[i][axis] - places[j][axis]);
                x * x + y * y
            };
            for i in 0..count {
                let others = (0..count).filter(|&j| j != i);
                let nearest = others.min_by(|&a, &b| squared(i, a).total_cmp(&squared(i, b)));
                assert_eq!(nearest.map(|j| j % of), Some(i % of), "{count} points");
            }
            assert_eq!(places, tsne(&points));
        }
    }

    #[test]
    fn neighbourhoods_have_the_perplexity_asked_for() {
        let squared: Vec<f64> = (0..40).map(|j| f64::from(j) / 3.0).collect();
        let shares = neighbourhood(&squared, 4, 10.0);
        let entropy: f64 = shares
            .iter()
            .filter(|&&p| p > 0.0)
            .map(|p| -p * p.ln())
            .sum();
        assert!((entropy.exp() - 10.0).abs() < 1e-6);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(shares[4], 0.0);
    }

    /// A numerical derivative of the Kullback-Leibler divergence is the oracle.
    #[test]
    fn the_gradient_is_that_of_the_divergence() {
        let attraction: Vec<f64> = (0..144)
            .map(|pair| ((pair / 12 * 5 + pair % 12 * 5) % 7 + 1) as f64)
            .collect();
        let off_diagonal = (0..144).filter(|pair| pair / 12 != pair % 12);
        let all: f64 = off_diagonal.map(|pair| attraction[pair]).sum();
        let attraction: Vec<f64> = attraction.iter().map(|value| value / all).collect();
        let places: Vec<[f64; 2]> = (0..12)
            .map(|i| [f64::from(i * 7 % 5), f64::from(i * 3 % 7)])
            .collect();
        let divergence = |places: &[[f64; 2]]| {
            let value = |i: usize, j: usize| {
                let [x, y] = [0, 1].map(|axis| places[i][axis] - places[j][axis]);
                1.0 / (1.0 + x * x + y * y)
            };
            let pairs = || {
                (0..144)
                    .map(|pair| (pair / 12, pair % 12))
                    .filter(|(i, j)| i != j)
            };
            let sum: f64 = pairs().map(|(i, j)| value(i, j)).sum();
            let of = |(i, j): (usize, usize)| {
                let p = attraction[i * 12 + j];
                p * (p / (value(i, j) / sum)).ln()
            };
            pairs().map(of).sum::<f64>()
        };
        let found = gradient(&places, &attraction, 1.0);
        for (index, axis) in [(0, 0), (3, 1), (11, 0)] {
            let moved = |by: f64| {
                let mut places = places.clone();
                places[index][axis] += by;
                divergence(&places)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - found[index][axis]).abs() < 1e-6, "{slope}");
        }
    }

    proptest! {
        #[test]
        fn places_spread_and_stay_near(
            values in prop::collection::vec(-1.0f64..1.0, 3 * 60..3 * 90), size in -4i32..4
        ) {
            let unit = 10f64.powi(size);
            let point = |chunk: &[f64]| chunk.iter().map(|value| value * unit).collect();
            let points: Vec<Vec<f64>> = values.chunks_exact(3).map(point).collect();
            let places = tsne(&points);
            let farthest = places.iter().flatten().fold(0.0, |most: f64, v| most.max(v.abs()));
            prop_assert!(places.iter().flatten().all(|value| value.is_finite()));
            prop_assert!((0.1..1e4).contains(&farthest), "{}", farthest);
        }
    }

    #[test]
    fn few_or_equal_points_have_places() {
        for points in [vec![], vec![vec![1.0, 2.0]], vec![vec![3.0]; 9]] {
            let places = principal_components(&points);
            assert_eq!(places.len(), points.len());
            assert!(places.iter().flatten().all(|value| value.is_finite()));
        }
    }
}
