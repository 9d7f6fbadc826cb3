//! For processors without vector instructions: a few channels at a time, whose sums stay in
//! registers.
//!
//! Outputs whose windows reach into the padding in the same way are computed together, by a
//! list of the taps inside; that inputs count from their zero point is in the bias then.

use core::ops::Range;

use shared::artifact::plan::Conv2d;

use super::scalar;
use crate::conv2d::Filters;
use crate::requantize::Multiplier;
use crate::window::taps_inside;

/// The most taps of a filter that have a place.
const MOST_TAPS: usize = 128;

/// Computes `conv` from `input` into `output`, both height x width x channels; its
/// filters are int8 `[kernel height, kernel width, channels]`.
pub fn depthwise_conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let channels = usize::from(conv.output.channels);
    let is_ours = conv.taps() <= MOST_TAPS && conv.input.channels == conv.output.channels;
    // Arm has no registers for eight sums.
    if is_ours && channels.is_multiple_of(8) && !cfg!(target_arch = "arm") {
        by_groups::<8>(conv, filters, input, output);
    } else if is_ours && channels.is_multiple_of(4) {
        by_groups::<4>(conv, filters, input, output);
    } else {
        scalar::depthwise_conv2d(conv, filters, input, output);
    }
}

/// Computes groups of `N` channels.
fn by_groups<const N: usize>(
    conv: &Conv2d,
    filters: &Filters<'_>,
    input: &[u8],
    output: &mut [u8],
) {
    let biases = filters.bias.as_chunks::<4>().0.as_chunks().0;
    let multipliers = filters.multipliers.as_chunks::<4>().0.as_chunks().0;
    let mut taps = [Tap {
        weights: [0; N],
        distance: 0,
    }; MOST_TAPS];
    let step = usize::from(conv.output.channels) / N;
    let constants = biases.iter().zip(multipliers).take(step);
    for (index, (biases, multipliers)) in constants.enumerate() {
        let group = Group::<N> {
            conv,
            index,
            step,
            weights: filters.weights.as_chunks().0,
            biases,
            multipliers: multipliers.map(|of| Multiplier::new(f32::from_le_bytes(of))),
        };
        for rows in segments(conv, 0) {
            for columns in segments(conv, 1) {
                group.compute(
                    &rows,
                    &columns,
                    &mut taps,
                    input.as_chunks().0,
                    output.as_chunks_mut().0,
                );
            }
        }
    }
}

/// A tap of `N` channels.
#[derive(Clone, Copy)]
struct Tap<const N: usize> {
    weights: [u8; N],
    /// Groups of channels from the first tap to it.
    distance: usize,
}

/// Output rows or columns whose windows have the same taps inside the input.
struct Segment {
    outputs: Range<usize>,
    taps: Range<usize>,
    /// The input row or column of the first one's first such tap.
    start: usize,
}

/// The segments of axis 0 or 1, from the beginning to the end.
fn segments(conv: &Conv2d, axis: usize) -> impl Iterator<Item = Segment> {
    let of = |pair: [u16; 2]| usize::from(if axis == 0 { pair[0] } else { pair[1] });
    let outputs = of([conv.output.height, conv.output.width]);
    let (stride, padding) = (of(conv.stride), of(conv.padding));
    let mut next = 0;
    core::iter::from_fn(move || {
        let first = next;
        let taps = taps_inside(conv, axis, first);
        while next < outputs && taps_inside(conv, axis, next) == taps {
            next += 1;
        }
        (next > first).then_some(Segment {
            outputs: first..next,
            start: first * stride + taps.start - padding,
            taps,
        })
    })
}

/// `N` channels of a layer.
struct Group<'a, const N: usize> {
    conv: &'a Conv2d,
    /// Which group of channels.
    index: usize,
    /// Groups of a pixel.
    step: usize,
    weights: &'a [[u8; N]],
    biases: &'a [[u8; 4]; N],
    multipliers: [Multiplier; N],
}

impl<const N: usize> Group<'_, N> {
    /// Computes the pixels of some rows and columns.
    #[inline(never)]
    fn compute(
        &self,
        rows: &Segment,
        columns: &Segment,
        taps: &mut [Tap<N>],
        input: &[[u8; N]],
        output: &mut [[u8; N]],
    ) {
        let conv = self.conv;
        let (biases, count) = self.list(&rows.taps, &columns.taps, taps);
        let taps = taps.get(..count).unwrap_or_default();
        let place = |row: usize, column: usize, width: u16| {
            (row * usize::from(width) + column) * self.step + self.index
        };
        let [down, right] = [usize::from(conv.stride[0]), usize::from(conv.stride[1])];
        let mut row = rows.start;
        for y in rows.outputs.clone() {
            let mut from = place(row, columns.start, conv.input.width);
            let mut to = place(y, columns.outputs.start, conv.output.width);
            for _ in columns.outputs.clone() {
                let sums = sums(&biases, taps, input.get(from..).unwrap_or_default());
                if let Some(output) = output.get_mut(to) {
                    let steps = sums.iter().zip(&self.multipliers);
                    for (output, (sum, multiplier)) in output.iter_mut().zip(steps) {
                        *output = multiplier.requantize(*sum, conv.output_zero_point);
                    }
                }
                from += right * self.step;
                to += self.step;
            }
            row += down;
        }
    }

    /// Lists the taps of some rows and columns of the filter; the biases that go with them,
    /// and how many they are.
    fn list(
        &self,
        rows: &Range<usize>,
        columns: &Range<usize>,
        taps: &mut [Tap<N>],
    ) -> ([i32; N], usize) {
        let width = usize::from(self.conv.kernel[1]);
        let input_width = usize::from(self.conv.input.width);
        let zero_point = i32::from(self.conv.input_zero_point);
        let mut biases = self.biases.map(i32::from_le_bytes);
        let mut places = taps.iter_mut();
        for row in rows.clone() {
            for column in columns.clone() {
                let index = (row * width + column) * self.step + self.index;
                let weights = self.weights.get(index).copied().unwrap_or([0; N]);
                for (bias, weight) in biases.iter_mut().zip(&weights) {
                    *bias = bias.wrapping_sub(zero_point * i32::from(weight.cast_signed()));
                }
                if let Some(place) = places.next() {
                    let distance = (row - rows.start) * input_width + column - columns.start;
                    *place = Tap {
                        weights,
                        distance: distance * self.step,
                    };
                }
            }
        }
        (biases, rows.len() * columns.len())
    }
}

/// The sums of a window, which `input` begins with. By itself, so that all it needs stays in
/// registers.
#[inline(never)]
fn sums<const N: usize>(biases: &[i32; N], taps: &[Tap<N>], input: &[[u8; N]]) -> [i32; N] {
    let mut sums = *biases;
    for tap in taps {
        if let Some(values) = input.get(tap.distance) {
            add(&mut sums, tap, values);
        }
    }
    sums
}

/// Adds the products of a tap; written out, since a compiler that saves space would loop.
#[inline(always)]
fn add<const N: usize>(sums: &mut [i32; N], tap: &Tap<N>, values: &[u8; N]) {
    macro_rules! channels {
        ($($channel:literal)*) => {$(
            if let (Some(sum), Some(value), Some(weight)) =
                (sums.get_mut($channel), values.get($channel), tap.weights.get($channel))
            {
                *sum = sum.wrapping_add(i32::from(*value) * i32::from(weight.cast_signed()));
            }
        )*};
    }
    channels!(0 1 2 3 4 5 6 7);
}
