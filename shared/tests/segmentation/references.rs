//! Records of references and masks.

use proptest::prelude::*;
use shared::artifact::plan::*;
use shared::segmentation::{MaskError, RecordShape, References, nearest, record, shrink};

use super::compare;

/// A comparison, the map that it reads, and a mask of so many rows and columns for each pixel.
#[derive(Clone, Debug)]
struct Case {
    compare: Compare,
    block: [usize; 2],
    features: Vec<u8>,
    mask: Vec<u8>,
}

impl Case {
    fn columns(&self) -> usize {
        usize::from(self.compare.features.width) * self.block[1]
    }

    /// Which share of a pixel the structure covers.
    fn share(&self, y: usize, x: usize) -> f64 {
        let [rows, columns] = self.block;
        let covered = (0..rows * columns).filter(|at| {
            let (row, column) = (y * rows + at / columns, x * columns + at % columns);
            self.mask[row * self.columns() + column] > 0
        });
        covered.count() as f64 / (rows * columns) as f64
    }

    /// The direction of the mean of features over what is in a rectangle and is the
    /// structure's, or is not; nothing where there is less than the least share.
    fn prototype(
        &self,
        [top, left, rows, columns]: [usize; 4],
        is_structure: bool,
        least: f64,
    ) -> Option<Vec<f64>> {
        let dim = self.compare.dim();
        let width = usize::from(self.compare.features.width);
        let (mut sum, mut all) = (vec![0.0; dim], 0.0);
        for y in top..top + rows {
            for x in left..left + columns {
                let share = self.share(y, x);
                let weight = if is_structure { share } else { 1.0 - share };
                all += weight;
                for (channel, sum) in sum.iter_mut().enumerate() {
                    let feature = self.features[(y * width + x) * dim + channel];
                    *sum += weight * (f64::from(feature) - 128.0);
                }
            }
        }
        let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
        let is_enough = all > 0.0 && all / (rows * columns) as f64 >= least - 1e-12;
        let is_enough = is_enough && length > 1e-9;
        is_enough.then(|| sum.iter().map(|v| 127.0 * v / length).collect())
    }

    /// All prototypes, then locations.
    fn naive(&self) -> (Vec<Option<Vec<f64>>>, Vec<f64>) {
        let Place { height, width, .. } = self.compare.features;
        let [height, width] = [height, width].map(usize::from);
        let whole = [0, 0, height, width];
        let mut prototypes = vec![
            self.prototype(whole, true, 0.0),
            self.prototype(whole, false, 0.0),
        ];
        let grid = usize::from(self.compare.grid);
        for is_structure in [true, false] {
            for cell in 0..grid * grid {
                let [rows, columns] = [height / grid, width / grid];
                let cell = [cell / grid * rows, cell % grid * columns, rows, columns];
                prototypes.push(self.prototype(cell, is_structure, 0.02));
            }
        }
        let pixels = (0..height * width).filter(|_| self.compare.location);
        let shares = pixels.map(|at| self.share(at / width, at % width));
        (prototypes, shares.collect())
    }
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (0u8..4, 1u16..4, 1u16..4, 1u16..12, any::<bool>());
    (shape, 1usize..9, 1usize..9).prop_flat_map(|(shape, rows, columns)| {
        let (grid, height, width, channels, location) = shape;
        let cells = u16::from(grid.max(1));
        let compare = compare([height * cells, width * cells], channels, grid, location);
        let pixels = compare.pixels() * rows * columns;
        let features = prop::collection::vec(any::<u8>(), compare.features.len());
        let sparse = prop_oneof![9 => Just(0u8), 1 => Just(1)];
        let mask = prop_oneof![
            prop::collection::vec(0u8..2, pixels),
            prop::collection::vec(sparse, pixels),
        ];
        (features, mask).prop_map(move |(features, mask)| Case {
            compare,
            block: [rows, columns],
            features,
            mask,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn records_say_what_means_over_the_mask_do(case in case()) {
        let compare = &case.compare;
        let mut found = vec![99; compare.record_len()];
        record(compare, &case.features, &case.mask, case.columns() as u16, &mut found);
        let (prototypes, shares) = case.naive();
        prop_assert_eq!(prototypes.len(), compare.prototypes());
        let (directions, locations) = found.split_at(prototypes.len() * compare.dim());
        for (expected, found) in prototypes.iter().zip(directions.chunks(compare.dim())) {
            match expected {
                // Of sums that cancel each other, either may see a direction.
                None => prop_assert!(found.iter().all(|&v| v == 0)),
                Some(expected) => for (expected, &found) in expected.iter().zip(found) {
                    // Half a step of rounding, and what 15 bits of the sums leave.
                    prop_assert!((expected - f64::from(found)).abs() < 0.52, "{} {}", expected, found);
                },
            }
        }
        prop_assert_eq!(shares.len(), locations.len());
        for (share, &found) in shares.iter().zip(locations) {
            prop_assert_eq!((127.0 * share + 0.5).floor() as i8, found);
        }
    }

    /// Whatever is wrong, nothing breaks.
    #[test]
    fn buffers_of_any_size_are_answered(
        case in case(),
        features in 0usize..200,
        mask in prop::collection::vec(any::<u8>(), 0..300),
        width in 0u16..40,
        length in 0usize..300,
    ) {
        let features = case.features.get(..features).unwrap_or(&case.features);
        record(&case.compare, features, &mask, width, &mut vec![0; length]);
        let size = u32::from(width);
        let mut input = vec![7; length];
        let _ = shrink(&mask, [size, size / 2], |v| v > 9, &mut input, [width, 3]);
        // Of whole rows; what is left over stays.
        let rows = length / size.max(1) as usize * size.max(1) as usize;
        prop_assert!(input[..rows].iter().all(|&v| v < 2));
        let records: Vec<i8> = mask.iter().map(|&v| v as i8).collect();
        let references = References::new(&records, length);
        prop_assert!(references.count() <= records.len());
        for part in references.parts(width.into(), features.len()) {
            prop_assert_eq!(part.len(), features.len());
        }
    }

    #[test]
    fn a_pixel_is_the_nearest_one(from in 1u32..300, to in 1u32..300) {
        for index in 0..from as usize {
            // Centres in the other grid; of two equally near ones, the later.
            let centre = (index as f64 + 0.5) * f64::from(to) / f64::from(from);
            let found = f64::from(nearest(index, from, to));
            let distance = (found + 0.5 - centre).abs();
            prop_assert!(distance <= 0.5 + 1e-9, "{} of {}: {}", index, from, found);
        }
        prop_assert_eq!(nearest(0, from, from), 0);
        prop_assert_eq!(nearest(from as usize - 1, from, from), from - 1);
        prop_assert_eq!(nearest(from as usize + 5, from, to), to - 1);
    }

    #[test]
    fn records_are_cut_into_shots_of_one_length(len in 1usize..70_000) {
        let shape = RecordShape::new(len);
        prop_assert!(shape.dim <= 512 && shape.stride() >= len);
        // Less filler than shots, and no shot without a byte of the record.
        prop_assert!(shape.stride() - len < shape.shots);
        prop_assert_eq!(shape.shots, len.div_ceil(512));
    }
}

#[test]
fn a_mask_is_shrunk_to_the_nearest_pixels() {
    let mut input = [9; 4];
    // Of 4 x 6 pixels, rows 1 and 4 and columns 1 and 3 are looked at.
    let at = |x: usize, y: usize| 4 * y + x;
    let mut mask = [0; 24];
    mask[at(3, 4)] = 200;
    mask[at(1, 1)] = 7;
    let shrunk = shrink(&mask, [4, 6], |v| v > 0, &mut input, [2, 2]);
    assert_eq!((shrunk, input), (Ok(()), [1, 0, 0, 1]));
    let one = shrink(&mask, [4, 6], |v| v == 200, &mut input, [2, 2]);
    assert_eq!((one, input), (Ok(()), [0, 0, 0, 1]));
    let none = shrink(&mask, [4, 6], |v| v == 9, &mut input, [2, 2]);
    assert_eq!(none, Err(MaskError::Empty));
    let all = shrink(&mask, [4, 6], |_| true, &mut input, [2, 2]);
    assert_eq!(all, Err(MaskError::Full));
    // A structure that the network does not see is none.
    let mut mask = [0; 24];
    mask[at(0, 0)] = 1;
    let unseen = shrink(&mask, [4, 6], |v| v > 0, &mut input, [2, 2]);
    assert_eq!(unseen, Err(MaskError::Empty));
}

#[test]
fn no_more_references_than_there_may_be_are_seen() {
    let records = vec![1i8; 20 * 3 + 2];
    assert_eq!(References::new(&records, 3).count(), MAX_REFERENCES);
    assert_eq!(References::new(&records[..8], 3).count(), 2);
    assert_eq!(References::new(&records[..8], 3).parts(1, 2).count(), 2);
    assert_eq!(References::new(&records[..8], 3).parts(2, 2).count(), 0);
    assert_eq!(References::new(&records, 0).count(), 0);
    assert_eq!(References::default().count(), 0);
}

/// Opposite pictures have opposite prototypes, bit for bit.
#[test]
fn a_direction_and_its_opposite_stay_opposite() {
    let compare = compare([4, 4], 3, 2, false);
    let features: Vec<u8> = (0..48u32).map(|at| (1 + at * 37 % 255) as u8).collect();
    let opposite: Vec<u8> = features
        .iter()
        .map(|&v| (256 - u16::from(v)) as u8)
        .collect();
    let mask: Vec<u8> = (0..64 * 64).map(|at| u8::from(at % 7 < 3)).collect();
    let [a, b] = [features, opposite].map(|features| {
        let mut found = vec![0; compare.record_len()];
        record(&compare, &features, &mask, 64, &mut found);
        found
    });
    assert!(a.iter().any(|&v| v != 0));
    assert!(a.iter().zip(&b).all(|(a, b)| *a == -b));
}
