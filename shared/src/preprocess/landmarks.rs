//! Turning and scaling a face so that eyes, nose and mouth lie where networks expect them.
//!
//! The similarity that brings five landmarks nearest to their places, in least squares (Umeyama,
//! "Least-squares estimation of transformation parameters between two point patterns", 1991,
//! equations 40 to 42, in the plane and without reflection), and the picture seen through it.
//!
//! With points as complex numbers, `p` the landmarks and `q` their places less their means, it is
//!
//! ```text
//! q = c p,  c = sum of conj(p) q / sum of |p|^2
//! ```
//!
//! and each pixel of the result is looked up at `1 / c` of where it lies. All of it is integer
//! arithmetic.

use super::PreprocessError;
use super::colour::Component;
use super::image::{Image, MAX_SIDE};

/// Pixels of each side of an aligned face.
pub const ALIGNED_SIDE: u32 = 112;

/// Bytes of an aligned face of three channels, the most that there are.
pub const ALIGNED_LEN: usize = 3 * (ALIGNED_SIDE * ALIGNED_SIDE) as usize;

/// Steps of a coordinate in a pixel.
const UNIT: i64 = 256;

/// Steps of a place in a picture in a pixel.
const FINE: i64 = 1 << 16;

/// Where the landmarks lie in an aligned face, in 1/256 pixel: those of InsightFace's networks,
/// (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655) and
/// (70.7299, 92.2041).
const PLACES: Landmarks = Landmarks([
    [9803, 13234],
    [18824, 13184],
    [14342, 18365],
    [10637, 23646],
    [18107, 23604],
]);

/// A pixel of the result is the mean of at most so many places along each side.
const MOST_PLACES: i64 = 16;

/// Five points of a face: the eye on the left of the picture, the one on the right, the tip of the
/// nose, the corner of the mouth on the left and that on the right; each to the right and down, in
/// 1/256 pixel from the middle of the first pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landmarks(pub [[i32; 2]; 5]);

impl Landmarks {
    /// The sums of the coordinates.
    fn sums(&self) -> [i64; 2] {
        [0, 1].map(|axis| self.0.iter().map(|point| i64::from(point[axis])).sum())
    }

    /// Five times what each point is from their mean.
    fn centred(&self) -> [[i64; 2]; 5] {
        let sums = self.sums();
        self.0
            .map(|point| [0, 1].map(|axis| 5 * i64::from(point[axis]) - sums[axis]))
    }
}

impl Image<'_> {
    /// The face with these landmarks, turned and scaled into [`ALIGNED_SIDE`] pixels square, in as
    /// many channels; black where it reaches beyond the picture. `output` must hold it; what is
    /// longer is left as it is.
    ///
    /// # Errors
    /// [`PreprocessError::Landmarks`] when their middle is not on the picture, or they lie far from it
    /// or on each other,
    /// [`PreprocessError::Output`] when `output` is too short.
    pub fn aligned<'a>(
        &self,
        landmarks: &Landmarks,
        output: &'a mut [u8],
    ) -> Result<Image<'a>, PreprocessError> {
        let sums = landmarks.sums();
        // A face whose middle is not there is no face on the picture.
        let is_there = |sum: i64, side: u32| (0..=5 * UNIT * i64::from(side)).contains(&sum);
        if !is_there(sums[0], self.width) || !is_there(sums[1], self.height) {
            return Err(PreprocessError::Landmarks);
        }
        let view = View::new(landmarks)?;
        let channels = self.channels();
        let expected = (ALIGNED_SIDE * ALIGNED_SIDE) as usize * usize::from(channels);
        let found = output.len();
        let output = output
            .get_mut(..expected)
            .ok_or(PreprocessError::Output { expected, found })?;
        let components: &[Component] = match channels {
            3 => &[Component::Red, Component::Green, Component::Blue],
            _ => &[Component::Luma],
        };
        let rows = output.chunks_exact_mut(ALIGNED_SIDE as usize * components.len());
        for (y, row) in (0i64..).zip(rows) {
            for (x, pixel) in (0i64..).zip(row.chunks_exact_mut(components.len())) {
                for (component, value) in components.iter().zip(pixel) {
                    *value = view.pixel(self, *component, x, y);
                }
            }
        }
        Image::new(ALIGNED_SIDE, ALIGNED_SIDE, channels, output)
    }

    /// The number of a pixel between pixels, in 1/[`FINE`] pixel, times `UNIT` squared.
    fn between(&self, component: Component, x: i64, y: i64) -> i64 {
        let at = |column: i64, row: i64| -> i64 {
            match (u32::try_from(column), u32::try_from(row)) {
                (Ok(column), Ok(row)) if column < self.width && row < self.height => {
                    self.value(component, column, row).into()
                }
                _ => 0,
            }
        };
        let (column, row) = (x.div_euclid(FINE), y.div_euclid(FINE));
        let [right, down] = [x, y].map(|place| place.rem_euclid(FINE) * UNIT / FINE);
        let line = |row| at(column, row) * (UNIT - right) + at(column + 1, row) * right;
        line(row) * (UNIT - down) + line(row + 1) * down
    }
}

/// Where in a picture the pixels of the result lie.
struct View {
    /// How far the next pixel to the right is: to the right and down, in 1/[`FINE`] pixel.
    step: [i64; 2],
    /// The means of the landmarks and of their places.
    means: [[i64; 2]; 2],
    /// Places along each side that a pixel is the mean of: shrunk pictures are not to glitter.
    places: i64,
}

impl View {
    fn new(landmarks: &Landmarks) -> Result<Self, PreprocessError> {
        let most = i64::from(MAX_SIDE) * UNIT;
        let coordinates = landmarks.0.as_flattened().iter();
        let mut are_near = coordinates.map(|&c| (-most..=2 * most).contains(&c.into()));
        if !are_near.all(|is_near| is_near) {
            return Err(PreprocessError::Landmarks);
        }
        let (mut along, mut across, mut square) = (0i64, 0i64, 0i64);
        for ([px, py], [qx, qy]) in landmarks.centred().into_iter().zip(PLACES.centred()) {
            along += px * qx + py * qy;
            across += px * qy - py * qx;
            square += px * px + py * py;
        }
        // Below 2^26, 2^18 and five times their squares: nothing overflows 128 bits.
        let length = i128::from(along).pow(2) + i128::from(across).pow(2);
        let part = |of: i64| {
            let step = (i128::from(of) * i128::from(square) * i128::from(FINE)).checked_div(length);
            let step = step.and_then(|step| i64::try_from(step).ok());
            // Not even a whole picture lies between two pixels.
            step.filter(|step| step.abs() < most * FINE / UNIT)
        };
        let step = [part(along), part(-across)];
        let [Some(right), Some(down)] = step else {
            return Err(PreprocessError::Landmarks);
        };
        let mean = |sums: [i64; 2]| sums.map(|sum| sum * FINE / (5 * UNIT));
        let longest = right.abs().max(down.abs());
        if longest == 0 {
            return Err(PreprocessError::Landmarks);
        }
        Ok(Self {
            step: [right, down],
            means: [mean(landmarks.sums()), mean(PLACES.sums())],
            places: ((longest + FINE - 1) / FINE).clamp(1, MOST_PLACES),
        })
    }

    /// The mean over a pixel of the result, rounded half up.
    fn pixel(&self, image: &Image<'_>, component: Component, x: i64, y: i64) -> u8 {
        let [right, down] = self.step;
        let [picture, result] = self.means;
        let places = self.places;
        let mut sum = 0;
        for row in 0..places {
            for column in 0..places {
                // In the middle of each part of a pixel.
                let part = |index: i64| (2 * index + 1 - places) * FINE / (2 * places);
                let across = x * FINE + part(column) - result[0];
                let along = y * FINE + part(row) - result[1];
                let to_right = (right * across - down * along).div_euclid(FINE);
                let to_below = (down * across + right * along).div_euclid(FINE);
                sum += image.between(component, picture[0] + to_right, picture[1] + to_below);
            }
        }
        let all = places * places * UNIT * UNIT;
        ((2 * sum + all) / (2 * all)).clamp(0, 255) as u8
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// A picture whose numbers rise evenly, and differ in each direction.
    fn slope() -> [u8; 112 * 112] {
        core::array::from_fn(|i| (30 + (i % 112) + (i / 112) / 2) as u8)
    }

    /// Landmarks that lie where they should leave everything as it is.
    #[test]
    fn a_face_in_place_stays() {
        let pixels = slope();
        let image = Image::new(112, 112, 1, &pixels).unwrap();
        let mut output = [7; 112 * 112 + 3];
        let aligned = image.aligned(&PLACES, &mut output).unwrap();
        assert_eq!(aligned.pixels(), pixels);
        assert_eq!(output[112 * 112..], [7; 3]);
    }

    /// Of a picture turned by a quarter, the face comes upright again.
    #[test]
    fn a_turned_face_comes_upright() {
        let pixels = slope();
        // What was at (x, y) is at (111 - y, x).
        let turned: [u8; 112 * 112] =
            core::array::from_fn(|i| pixels[(111 - i % 112) * 112 + i / 112]);
        let image = Image::new(112, 112, 1, &turned).unwrap();
        let landmarks = Landmarks(PLACES.0.map(|[x, y]| [111 * 256 - y, x]));
        let mut output = [0; 112 * 112];
        let aligned = image.aligned(&landmarks, &mut output).unwrap();
        let differ = aligned.pixels().iter().zip(&pixels);
        let most = differ.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(most <= 1, "{most}");
    }

    /// A larger picture is shrunk; what reaches beyond it is black; colours stay apart.
    #[test]
    fn a_large_face_is_shrunk_and_black_beyond_the_picture() {
        let side = 300;
        let pixels: [u8; 3 * 300 * 300] =
            core::array::from_fn(|i| [100, (i / 3 % 2 * 200) as u8, 50][i % 3]);
        let image = Image::new(side, side, 3, &pixels).unwrap();
        let landmarks = Landmarks(PLACES.0.map(|[x, y]| [4 * x, 4 * y]));
        let mut output = [0; ALIGNED_LEN];
        let aligned = image.aligned(&landmarks, &mut output).unwrap();
        let pixel = |x: usize, y: usize| &aligned.pixels()[3 * (112 * y + x)..][..3];
        // Columns of 0 and 200 become their mean.
        assert_eq!(pixel(30, 30), [100, 100, 50]);
        assert_eq!(pixel(100, 30), [0; 3]);
    }

    #[test]
    fn landmarks_that_are_none_are_refused() {
        let image = Image::new(2, 2, 1, &[0; 4]).unwrap();
        let large = Image::new(112, 112, 1, &[9; 112 * 112]).unwrap();
        let mut output = [0; 112 * 112];
        let wrong = [Landmarks([[5, 5]; 5]), Landmarks([[i32::MAX, i32::MIN]; 5])];
        for landmarks in wrong {
            let refused = image.aligned(&landmarks, &mut output);
            assert_eq!(refused.unwrap_err(), PreprocessError::Landmarks);
        }
        let beside = Landmarks(PLACES.0.map(|[x, y]| [x + 112 * 256, y]));
        let refused = large.aligned(&beside, &mut output);
        assert_eq!(refused.unwrap_err(), PreprocessError::Landmarks);
        let short = large.aligned(&PLACES, &mut output[1..]);
        let expected = 112 * 112;
        let found = expected - 1;
        assert_eq!(
            short.unwrap_err(),
            PreprocessError::Output { expected, found }
        );
    }
}
