//! Steps of a network that compares a picture with references of a structure.

use serde::{Deserialize, Serialize};

use super::written::Written;
use super::{Place, Step};

/// The most channels of a pixel that is compared.
pub const MAX_FEATURES: usize = 64;

/// The most references of a structure.
pub const MAX_REFERENCES: usize = 16;

/// The most cells along one side of a map, each of which is a prototype.
const MAX_GRID: u8 = 8;

/// The longest record of a reference: 64 KiB.
const MAX_RECORD: usize = 64 << 10;

/// `v[y, x, ..] = 128 + unit vector of (v[y, x, ..] - zero_point)`, of length 127, exactly
/// rounded as [`unit_vector`](crate::embedding::unit_vector) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitVectors {
    /// Read from and written to.
    pub place: Place,
    /// The input byte that means zero.
    pub zero_point: u8,
}

/// `out[y, x, c] = in[y / 2, x / 2, c]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upsample {
    /// Read from.
    pub input: Place,
    /// Written to: twice as high and wide, as many channels.
    pub output: Place,
}

/// Cosines of each pixel's features with prototypes of a structure and of what is around it
/// (Wang et al., "PANet: few-shot image semantic segmentation with prototype alignment", 2019,
/// equations 1 and 3), those of whole references and the nearest of their cells (Ouyang et
/// al., "Self-supervision with superpixels: training few-shot medical image segmentation
/// without annotation", 2020, section 3.4), and where in references the structure lies.
///
/// Channels of the output, byte `128 + 127 v` for the real number `v`: the cosine with the
/// structure's prototype, with its surroundings', the largest cosine with a cell's prototype
/// of the structure, of its surroundings (only with cells; -1 where there is none), and the
/// mean share of references whose structure covers the pixel (only with `location`).
///
/// `shared/docs/segmentation.md` specifies the record of a reference and the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// Read from: unit vectors, zero point 128.
    pub features: Place,
    /// Written to: as high and wide.
    pub output: Place,
    /// Cells along each side of the map; none, of no cells.
    pub grid: u8,
    /// Whether it is compared where the structure lies.
    pub location: bool,
    /// Where in a reference's record that of this comparison begins.
    pub first: u32,
}

impl Compare {
    /// Prototypes of one reference: one of the structure and one of its surroundings, of the
    /// whole map and of each cell.
    pub fn prototypes(&self) -> usize {
        2 + 2 * self.cells()
    }

    /// Cells of the map.
    pub fn cells(&self) -> usize {
        usize::from(self.grid) * usize::from(self.grid)
    }

    /// Channels of a prototype.
    pub fn dim(&self) -> usize {
        self.features.channels.into()
    }

    /// Pixels of the map.
    pub fn pixels(&self) -> usize {
        usize::from(self.features.height) * usize::from(self.features.width)
    }

    /// Bytes of a reference's record that are this comparison's: prototypes, then locations.
    pub fn record_len(&self) -> usize {
        self.prototypes() * self.dim() + if self.location { self.pixels() } else { 0 }
    }

    /// Channels of its output.
    pub fn channels(&self) -> u16 {
        2 + if self.grid > 0 { 2 } else { 0 } + u16::from(self.location)
    }

    /// Multiplications with one reference.
    pub(super) fn macs(&self) -> u64 {
        // More than 32 bits hold, of a large map and many cells.
        self.prototypes() as u64 * self.dim() as u64 * self.pixels() as u64
    }

    /// Shapes, apart from places.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let (from, to) = (&self.features, &self.output);
        if [from.height, from.width] != [to.height, to.width] || to.channels != self.channels() {
            return Err("output size");
        }
        let grid = u16::from(self.grid);
        let fits = |size: u16| size.is_multiple_of(grid.max(1));
        if self.grid > MAX_GRID || !fits(from.height) || !fits(from.width) {
            return Err("number of cells");
        }
        Ok(())
    }
}

/// The comparisons of a plan, while its steps are gone through in order.
#[derive(Debug, Default)]
pub(super) struct Comparisons {
    reference_len: usize,
    /// Whether the first was met: after how many steps.
    encoder: Option<u16>,
    steps: u16,
}

impl Comparisons {
    /// Takes in the next step, whose bounds were checked, before it writes.
    pub(super) fn add(
        &mut self,
        step: &Step,
        input: Place,
        written: &Written,
    ) -> Result<(), &'static str> {
        let index = self.steps;
        self.steps = index.saturating_add(1);
        let Step::Compare(compare) = step else {
            return Ok(());
        };
        let encoder = *self.encoder.get_or_insert(index);
        // A reference is run through the steps before the first comparison only.
        if written
            .writer(&compare.features)
            .is_none_or(|by| by >= encoder)
        {
            return Err("features, written before the first comparison");
        }
        let blocks = |size: u16, map: u16| size.is_multiple_of(map.max(1));
        if !blocks(input.height, compare.features.height)
            || !blocks(input.width, compare.features.width)
        {
            return Err("size of the features, a part of the input's");
        }
        if compare.first as usize != self.reference_len {
            return Err("place in a reference's record");
        }
        self.reference_len += compare.record_len();
        let is_short = self.reference_len <= MAX_RECORD;
        is_short.then_some(()).ok_or("size of a reference's record")
    }

    /// Bytes of a reference's record.
    pub(super) fn reference_len(&self) -> usize {
        self.reference_len
    }
}
