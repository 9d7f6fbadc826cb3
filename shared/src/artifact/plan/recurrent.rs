//! Steps of a network over sequences.

use serde::{Deserialize, Serialize};

use super::Place;

/// A gated recurrent unit (Cho et al., 2014), the reset gate after the product; specified in
/// `shared/docs/int8-arithmetic.md`. Rows of the input are steps up to the first one that
/// begins with byte 0; what follows becomes zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gru {
    /// Read from: a row for each step, one column.
    pub input: Place,
    /// Written to: as many rows, a channel for each unit, those of the first direction first.
    pub output: Place,
    /// Overwritten: of each unit of one direction its state (int16) and then, of all units,
    /// the state's byte.
    pub state: Place,
    /// Whether a second direction runs from the last step to the first.
    pub bidirectional: bool,
    /// Offset of the weights, those of a second direction after those of the first: int8
    /// `[3, units, in channels]` and `[3, units, units]`, each filled up to a multiple of 4,
    /// then `[3, units, 4]` little-endian int32 (bias and multiplier of the inputs, of the
    /// states). Gates in the order reset, update, new.
    pub weights: u32,
}

impl Gru {
    /// Directions.
    pub fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Units of one direction.
    pub fn units(&self) -> usize {
        usize::from(self.output.channels) / self.directions()
    }

    /// Bytes of input weights, of state weights and of constants of one direction; the
    /// largest numbers where they cannot be addressed.
    pub fn weights_len(&self) -> [usize; 3] {
        let (units, channels) = (self.units(), usize::from(self.input.channels));
        let matrix = |columns: usize| {
            let len = (3 * units).saturating_mul(columns);
            len.checked_next_multiple_of(4).unwrap_or(usize::MAX)
        };
        [matrix(channels), matrix(units), 48 * units]
    }
}

/// `y[c] = output_zero_point + round(multiplier / 2^24 * mean (x[t, c] - input_zero_point))`
/// over the rows `t` that are steps, up to the first that begins with byte 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceMean {
    /// Read from: a row for each step, one column.
    pub input: Place,
    /// Written to: one row and column, as many channels.
    pub output: Place,
    /// The input byte that means zero.
    pub input_zero_point: u8,
    /// The output byte that means zero.
    pub output_zero_point: u8,
    /// Scale of the input by that of the output, in steps of 2^-24; not negative.
    pub multiplier: i32,
}
