//! Few-shot segmentation: what references say of a structure.
//!
//! A reference is a picture with a mask of the structure. It is run through the encoder, and
//! what the encoder makes of it is averaged over the mask and over the rest: prototypes. They
//! are the record of the reference, which a support set keeps instead of the picture; a query
//! is compared with the records of all references of a structure.
//!
//! Bytes and arithmetic are specified in `shared/docs/segmentation.md`.

use core::fmt;

use crate::artifact::plan::{Compare, MAX_FEATURES, MAX_REFERENCES};
use crate::embedding::{MAX_DIM, UNIT, unit_vector};

/// Of a cell's pixels one in so many must belong to the structure, or to its surroundings, for
/// a prototype of it.
pub const LEAST_SHARE: u64 = 50;

/// How a record lies in a support set: as so many shots of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordShape {
    /// Bytes of the record.
    pub len: usize,
    /// Shots that it is cut into.
    pub shots: usize,
    /// Components of each; the last one is filled up with zeros.
    pub dim: usize,
}

impl RecordShape {
    /// That of records of `len` bytes.
    pub fn new(len: usize) -> Self {
        let shots = len.div_ceil(MAX_DIM).max(1);
        Self {
            len,
            shots,
            dim: len.div_ceil(shots),
        }
    }

    /// Bytes of a record with what it is filled up with.
    pub fn stride(&self) -> usize {
        self.shots * self.dim
    }
}

/// The references of a structure, record after record.
#[derive(Clone, Copy, Debug, Default)]
pub struct References<'a> {
    records: &'a [i8],
    stride: usize,
}

impl<'a> References<'a> {
    /// Records that are `stride` bytes apart, the last one as long as the others; those beyond
    /// [`MAX_REFERENCES`] are left out.
    pub fn new(records: &'a [i8], stride: usize) -> Self {
        let most = stride.saturating_mul(MAX_REFERENCES);
        Self {
            records: records.get(..most).unwrap_or(records),
            stride,
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.records.len() / self.stride.max(1)
    }

    /// Of each reference `len` bytes of its record from `first` on.
    pub fn parts(&self, first: usize, len: usize) -> impl Iterator<Item = &'a [i8]> + Clone {
        let records = self.records.chunks_exact(self.stride.max(1));
        records.filter_map(move |record| record.get(first..)?.get(..len))
    }
}

/// Why a mask cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaskError {
    /// It is not of the picture's size.
    Size {
        /// Width and height of the picture.
        expected: [u32; 2],
        /// Width and height of the mask.
        found: [u32; 2],
    },
    /// It has other values than one beside 0.
    Values {
        /// Red, green and blue of two of them that are not 0.
        found: [[u16; 3]; 2],
    },
    /// Nothing is marked, or less than a pixel of the network's input.
    Empty,
    /// Everything is marked: there are no surroundings.
    Full,
}

impl fmt::Display for MaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size {
                expected: [width, height],
                found,
            } => write!(
                f,
                "expected a mask as large as its picture, {width} x {height} pixels, found {} x {}: \
                 save it without resizing",
                found[0], found[1]
            ),
            Self::Values { found: [a, b] } => {
                f.write_str("expected a mask of two values, 0 and another, found ")?;
                write_value(f, a)?;
                f.write_str(" and ")?;
                write_value(f, b)?;
                f.write_str(" in it: say which grey value is meant, or save it as black and white")
            }
            Self::Empty => f.write_str(
                "expected a mask with the structure marked, found nothing marked, or less than \
                 the network sees: give a reference that shows the structure",
            ),
            Self::Full => f.write_str(
                "expected a mask with surroundings of the structure, found everything marked: \
                 0 is what does not belong to it",
            ),
        }
    }
}

impl core::error::Error for MaskError {}

/// A grey value, or red, green and blue of a colour.
fn write_value(f: &mut fmt::Formatter<'_>, [red, green, blue]: &[u16; 3]) -> fmt::Result {
    match red == green && green == blue {
        true => write!(f, "{red}"),
        false => write!(f, "({red}, {green}, {blue})"),
    }
}

/// A mask in the size of the network's input: bytes 0 and 1.
///
/// `belongs` says of each byte whether it is the structure's. A pixel of the input is the
/// nearest one of the mask.
///
/// # Errors
/// [`MaskError::Empty`], [`MaskError::Full`].
pub fn shrink(
    mask: &[u8],
    [width, height]: [u32; 2],
    belongs: impl Fn(u8) -> bool,
    input: &mut [u8],
    [input_width, input_height]: [u16; 2],
) -> Result<(), MaskError> {
    let columns = usize::from(input_width).max(1);
    let rows = input.chunks_exact_mut(columns);
    let (mut inside, mut outside) = (false, false);
    for (y, row) in rows.enumerate() {
        let from_y = nearest(y, input_height.into(), height);
        for (x, pixel) in row.iter_mut().enumerate() {
            let from_x = nearest(x, input_width.into(), width);
            let at = from_y as usize * width as usize + from_x as usize;
            let is_inside = mask.get(at).is_some_and(|&value| belongs(value));
            *pixel = is_inside.into();
            inside |= is_inside;
            outside |= !is_inside;
        }
    }
    match (inside, outside) {
        (false, _) => Err(MaskError::Empty),
        (true, false) => Err(MaskError::Full),
        (true, true) => Ok(()),
    }
}

/// Which of `to` places lies nearest to place `index` of `from`.
pub fn nearest(index: usize, from: u32, to: u32) -> u32 {
    let place = (2 * index as u64 + 1) * u64::from(to) / (2 * u64::from(from.max(1)));
    (place as u32).min(to.saturating_sub(1))
}

/// Writes what a reference says at one comparison into its part of the record.
///
/// `features` is the map that the encoder made of the picture, `mask` that of its input's size
/// (`width` columns) with bytes 0 and 1.
pub fn record(compare: &Compare, features: &[u8], mask: &[u8], width: u16, record: &mut [i8]) {
    let map = Map::new(compare, features, mask, width);
    let dim = compare.dim();
    let (prototypes, locations) = record
        .split_at_mut_checked(compare.prototypes() * dim)
        .unwrap_or_default();
    let mut prototypes = prototypes.chunks_exact_mut(dim.max(1));
    for (cells, least) in [(1, None), (usize::from(compare.grid), Some(LEAST_SHARE))] {
        for structure in [true, false] {
            for cell in 0..cells * cells {
                if let Some(prototype) = prototypes.next() {
                    map.prototype(cell, cells, structure, least, prototype);
                }
            }
        }
    }
    for (pixel, location) in locations.iter_mut().enumerate() {
        let share = (2 * UNIT as u64 * map.inside(pixel) + map.area()) / (2 * map.area()).max(1);
        *location = share.min(UNIT as u64) as i8;
    }
}

/// A map of features and what of each of its pixels a mask covers.
struct Map<'a> {
    features: &'a [u8],
    mask: &'a [u8],
    size: [usize; 2],
    dim: usize,
    /// Rows and columns of the mask for each pixel.
    block: [usize; 2],
    mask_width: usize,
}

impl<'a> Map<'a> {
    fn new(compare: &Compare, features: &'a [u8], mask: &'a [u8], width: u16) -> Self {
        let size =
            [compare.features.height, compare.features.width].map(|side| usize::from(side).max(1));
        let mask_width = usize::from(width).max(1);
        Self {
            features,
            mask,
            size,
            dim: compare.dim().max(1),
            block: [mask.len() / mask_width / size[0], mask_width / size[1]],
            mask_width,
        }
    }

    /// Pixels of the mask for each of the map.
    fn area(&self) -> u64 {
        (self.block[0] * self.block[1]) as u64
    }

    /// How many of them are the structure's.
    fn inside(&self, pixel: usize) -> u64 {
        let [rows, columns] = self.block;
        let (y, x) = (pixel / self.size[1], pixel % self.size[1]);
        let row = |row: usize| {
            let start = (y * rows + row) * self.mask_width + x * columns;
            let part = self.mask.get(start..start + columns).unwrap_or_default();
            part.iter().map(|&value| u64::from(value)).sum::<u64>()
        };
        (0..rows).map(row).sum()
    }

    /// The direction of the mean of features over the structure, or its surroundings, in one
    /// of `cells` x `cells` cells; zeros where less than one in `least` pixels is.
    fn prototype(
        &self,
        cell: usize,
        cells: usize,
        structure: bool,
        least: Option<u64>,
        prototype: &mut [i8],
    ) {
        let [rows, columns] = [0, 1].map(|axis| self.size[axis] / cells.max(1));
        let (top, left) = (cell / cells.max(1) * rows, cell % cells.max(1) * columns);
        let mut sums = [0i64; MAX_FEATURES];
        let mut weights = 0;
        for y in top..top + rows {
            for x in left..left + columns {
                let pixel = y * self.size[1] + x;
                let inside = self.inside(pixel);
                let weight = match structure {
                    true => inside,
                    false => self.area().saturating_sub(inside),
                };
                weights += weight;
                let features = self.features.get(pixel * self.dim..).unwrap_or_default();
                if weight > 0 {
                    for (sum, &feature) in sums.iter_mut().zip(features).take(self.dim) {
                        *sum += weight as i64 * (i64::from(feature) - 128);
                    }
                }
            }
        }
        let all = (rows * columns) as u64 * self.area();
        let is_enough = weights > 0 && least.is_none_or(|least| least * weights >= all);
        match is_enough {
            true => direction(sums.get(..self.dim).unwrap_or_default(), prototype),
            false => prototype.fill(0),
        }
    }
}

/// The unit vector along sums, of which at most 15 bits are looked at.
fn direction(sums: &[i64], unit: &mut [i8]) {
    let largest = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or(0);
    let bits = u64::BITS - largest.leading_zeros();
    let shift = bits.saturating_sub(15);
    // Towards zero, so that a direction and its opposite stay opposite.
    let small = sums.iter().map(|sum| (sum / (1i64 << shift)) as i16);
    unit_vector(small, UNIT, unit);
}
