//! From a volume and its labels to pictures.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use edge_runtime::picture::Picture;
use image::{DynamicImage, GrayImage};

use super::LabelMap;
use super::nifti::Volume;

/// At most so many of a volume: neighbours are nearly the same picture.
pub(super) const MOST: usize = 3;

/// Below and above these shares of a volume's voxels everything is black, or white: units
/// and ranges differ from volume to volume, even in one set.
const DARKEST: f64 = 0.005;
const BRIGHTEST: f64 = 0.995;

/// A slice that has labels.
pub(super) struct Slice {
    /// Its index on the third axis.
    pub(super) index: usize,
    pub(super) picture: Picture,
    pub(super) labels: LabelMap,
}

/// Slices across the third axis that have labels, at most [`MOST`], evenly spread. They are
/// turned by a quarter anticlockwise, as anatomists look at them where the axes point to the
/// right, to the front and up, and lie in the middle of a black square.
///
/// # Errors
/// When the labels are of another size, or no class numbers.
pub(super) fn slices(volume: &Volume, labels: &Volume) -> Result<Vec<Slice>> {
    let size = volume.size();
    ensure!(
        size == labels.size(),
        "expected labels for {size:?} voxels, found {:?}",
        labels.size()
    );
    let is_class = |value: f32| value.fract() == 0.0 && (0.0..=255.0).contains(&value);
    if let Some(other) = labels.values().find(|&value| !is_class(value)) {
        bail!("expected labels that are numbers of classes, 0 to 255, found {other}");
    }
    let [low, high] = percentiles(volume, [DARKEST, BRIGHTEST]);
    let grey = |value: f32| {
        let share = (f64::from(value) - low) / (high - low).max(f64::MIN_POSITIVE);
        // Below and above, this is 0 and 255.
        (255.0 * share).round() as u8
    };
    let labelled: Vec<usize> = (0..size[2])
        .filter(|&index| labels.slice(index).any(|value| value != 0.0))
        .collect();
    let slice = |index: usize| {
        let pixels = square(size, volume.slice(index).map(grey));
        let values = square(size, labels.slice(index).map(|value| value as u8));
        let side = size[0].max(size[1]) as u32;
        let picture = GrayImage::from_raw(side, side, pixels).unwrap_or_default();
        Slice {
            index,
            picture: DynamicImage::from(picture).into(),
            labels: LabelMap {
                width: side,
                height: side,
                values,
            },
        }
    };
    Ok(spread(&labelled, MOST).into_iter().map(slice).collect())
}

/// At most `most` of the items, each in the middle of a share of them.
fn spread(items: &[usize], most: usize) -> Vec<usize> {
    let count = items.len().min(most);
    (0..count)
        .map(|place| items[(2 * place + 1) * items.len() / (2 * count)])
        .collect()
}

/// A slice's values, its first axis to the right and its second one up, in a square of zeros.
fn square([width, height, _]: [usize; 3], values: impl Iterator<Item = u8>) -> Vec<u8> {
    let side = width.max(height);
    let (left, top) = ((side - width) / 2, (side - height) / 2);
    let mut square = vec![0; side * side];
    for (place, value) in values.enumerate() {
        let (column, row) = (place % width, height - 1 - place / width);
        square[(top + row) * side + left + column] = value;
    }
    square
}

/// The values below which these shares of the voxels lie; between two, in a straight line.
fn percentiles<const N: usize>(volume: &Volume, shares: [f64; N]) -> [f64; N] {
    let voxels: usize = volume.size().iter().product();
    let places = shares.map(|share| share * (voxels - 1) as f64);
    let below = places.map(|place| place.floor() as usize);
    let above = places.map(|place| place.ceil() as usize);
    let [below, above] = ranked(volume, [below, above]).map(|values| values.map(f64::from));
    std::array::from_fn(|index| {
        below[index] + (above[index] - below[index]) * places[index].fract()
    })
}

/// The values of these ranks, counted from the least. Values are counted by the upper half of
/// their bits, then those that share it with a wanted one by the lower half, since a sorted
/// copy would be large.
fn ranked<const M: usize, const N: usize>(
    volume: &Volume,
    ranks: [[usize; N]; M],
) -> [[f32; N]; M] {
    let halves = || {
        let keys = volume.values().map(ordered);
        keys.map(|key| ((key >> 16) as usize, key as usize & 0xffff))
    };
    let none = || vec![0usize; 1 << 16];
    let mut counts = none();
    halves().for_each(|(upper, _)| counts[upper] += 1);
    let uppers = ranks.map(|ranks| ranks.map(|rank| find(&counts, rank)));
    let mut wanted: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (upper, _) in uppers.iter().flatten() {
        wanted.entry(*upper).or_insert_with(none);
    }
    for (upper, lower) in halves() {
        if let Some(counts) = wanted.get_mut(&upper) {
            counts[lower] += 1;
        }
    }
    uppers.map(|uppers| {
        uppers.map(|(upper, rest)| {
            let lower = wanted.get(&upper).map_or(0, |counts| find(counts, rest).0);
            of_order((upper << 16 | lower) as u32)
        })
    })
}

/// Where something of a rank is counted, and its rank among those that are counted there.
fn find(counts: &[usize], mut rank: usize) -> (usize, usize) {
    let place = counts.iter().position(|&count| {
        let is_here = rank < count;
        rank -= if is_here { 0 } else { count };
        is_here
    });
    (place.unwrap_or(0), rank)
}

/// The bits of a real number, such that larger numbers have larger ones.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    match bits >> 31 {
        0 => bits | 1 << 31,
        _ => !bits,
    }
}

/// The number of such bits.
fn of_order(key: u32) -> f32 {
    f32::from_bits(match key >> 31 {
        0 => !key,
        _ => key & !(1 << 31),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::nifti::tests::file;
    use super::*;

    fn volume(size: [u16; 3], values: &[f32]) -> Volume {
        Volume::read(&file(size, values)).unwrap()
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        // From -1250 to 1247.5, in another order, and some of them twice.
        let values: Vec<f32> = (0..1000)
            .map(|n| ((n * 77) % 500) as f32 * 5.0 - 1250.0)
            .collect();
        let volume = volume([10, 10, 10], &values);
        let mut sorted = values.clone();
        sorted.sort_by(f32::total_cmp);
        let ranks = [0, 1, 250, 499, 500, 501, 998, 999];
        assert_eq!(ranked(&volume, [ranks]), [ranks.map(|rank| sorted[rank])]);
        // 4.995 of 999: the fifth and sixth least, of pairs.
        let [few, quarter] = percentiles(&volume, [0.005, 0.2505]);
        assert_eq!(few, -1240.0);
        let place = 0.2505 * 999.0;
        let [below, above] = [250, 251].map(|rank| f64::from(sorted[rank]));
        let expected = below + (above - below) * (place - 250.0);
        assert!((quarter - expected).abs() < 1e-9);
    }

    /// As `numpy.rot90` turns what `[first axis, second axis]` is indexed by.
    #[test]
    fn slices_are_turned_into_the_middle_of_a_square() {
        let turned = square([2, 4, 1], 1..=8);
        assert_eq!(turned, [0, 7, 8, 0, 0, 5, 6, 0, 0, 3, 4, 0, 0, 1, 2, 0]);
        assert_eq!(square([3, 2, 1], 1..=6), [4, 5, 6, 1, 2, 3, 0, 0, 0]);
    }

    #[test]
    fn few_slices_are_taken_from_all_over_those_with_labels() {
        let items: Vec<usize> = (10..40).collect();
        assert_eq!(spread(&items, 3), [15, 25, 35]);
        assert_eq!(spread(&items[..2], 3), [10, 11]);
        assert_eq!(spread(&[], 3), [] as [usize; 0]);
        let labels: Vec<f32> = (0..5 * 4)
            .map(|n| f32::from(u8::from(n / 4 % 2 == 1)))
            .collect();
        let values: Vec<f32> = (0..5 * 4).map(|n| n as f32).collect();
        let found = slices(&volume([2, 2, 5], &values), &volume([2, 2, 5], &labels)).unwrap();
        let indices: Vec<usize> = found.iter().map(|slice| slice.index).collect();
        assert_eq!(indices, [1, 3]);
        assert_eq!(found[0].labels.values, [1; 4]);
        // Between the least and the greatest of 20 values, turned: 6 7 over 4 5.
        let pixels = |slice: &Slice| slice.picture.image().unwrap().pixels().to_vec();
        assert_eq!(pixels(&found[0]), [80, 94, 53, 66]);
    }

    #[test]
    fn labels_that_do_not_fit_are_refused() {
        let plain = volume([2, 1, 1], &[0.0, 1.0]);
        for (labels, expected) in [
            (volume([1, 2, 1], &[0.0, 1.0]), "[1, 2, 1]"),
            (volume([2, 1, 1], &[0.0, 1.5]), "1.5"),
            (volume([2, 1, 1], &[0.0, 256.0]), "256"),
            (volume([2, 1, 1], &[-1.0, 0.0]), "-1"),
        ] {
            let refused = slices(&plain, &labels).err().unwrap().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
        // All of one grey.
        let flat = volume([2, 1, 1], &[3.0, 3.0]);
        let found = slices(&flat, &volume([2, 1, 1], &[0.0, 1.0])).unwrap();
        assert_eq!(found[0].picture.image().unwrap().pixels(), [0; 4]);
    }
}
