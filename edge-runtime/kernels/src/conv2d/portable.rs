//! For processors without vector instructions: plain loops over blocks of a few pixels by a
//! few channels, so that each input is read once for several filters and each weight once
//! for several pixels; more would not fit the registers.
//!
//! Inputs are widened to 16 bits less their zero point, taps in the padding as zeros, those
//! of a block's pixels side by side, tap by tap. As many blocks as have a place are widened
//! before the first channels are computed, whose constants are made ready once for all of
//! them. Filters stay where they are.

use core::slice::ChunksMut;

use shared::artifact::plan::Conv2d;

use super::{Filters, scalar};
use crate::requantize::Multiplier;
use crate::window::Window;

/// Widened inputs that have a place.
const COLUMN: usize = 2304;

// What compilers keep in registers: 13 of Arm, whose loads move pointers as they go, and 27 of
// RISC-V, where more taps would be multiplied before the first is added.

/// Pixels of a block.
const PIXELS: usize = if cfg!(target_arch = "arm") { 2 } else { 4 };
/// Channels of a block.
const CHANNELS: usize = 2;
/// Taps between two looks at whether there are more.
const STEP: usize = if cfg!(target_arch = "arm") { 2 } else { 1 };
/// Channels of a block of one pixel, for what is left of pixels, and where no more have a
/// place.
const ALONE_CHANNELS: usize = if cfg!(target_arch = "arm") { 2 } else { 4 };
/// Its taps between two looks.
const ALONE_STEP: usize = if cfg!(target_arch = "arm") { 2 } else { 3 };
/// The most of each.
const MOST: usize = 4;

/// A loop of four turns, written out, since a compiler that saves space would loop; turns
/// that an array is too short for cost nothing.
macro_rules! for_four {
    ($index:ident => $body:block) => {{
        for_four!(0, $index => $body);
        for_four!(1, $index => $body);
        for_four!(2, $index => $body);
        for_four!(3, $index => $body);
    }};
    ($value:literal, $index:ident => $body:block) => {{
        let $index: usize = $value;
        $body
    }};
}

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub fn conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let taps = conv.filter_len();
    if taps > COLUMN {
        return scalar::conv2d(conv, filters, input, output);
    }
    let channels = usize::from(conv.output.channels);
    if taps == 0 || channels == 0 {
        return;
    }
    let mut layer = Layer {
        conv,
        filters,
        input,
        taps,
        channels,
        column: [0; COLUMN + PIXELS - 1],
        next: [0; 2],
    };
    let places = COLUMN / taps;
    let mut rest = output;
    if places >= PIXELS {
        let blocks = rest.len() / (PIXELS * channels);
        let whole = rest.split_at_mut_checked(blocks * PIXELS * channels);
        let (pixels, last) = whole.unwrap_or_default();
        for batch in batches(pixels, places / PIXELS * PIXELS * channels) {
            layer.compute::<PIXELS, CHANNELS, STEP>(batch);
        }
        rest = last;
    }
    for batch in batches(rest, places * channels) {
        layer.compute::<1, ALONE_CHANNELS, ALONE_STEP>(batch);
    }
}

/// Chunks of a size that is never zero, though the compiler cannot know: those of none panic.
fn batches(output: &mut [u8], size: usize) -> ChunksMut<'_, u8> {
    output.chunks_mut(size.max(1))
}

/// A layer, whose pixels are computed in their order.
struct Layer<'a> {
    conv: &'a Conv2d,
    filters: &'a Filters<'a>,
    input: &'a [u8],
    /// Of a filter.
    taps: usize,
    /// Of the output.
    channels: usize,
    column: [i16; COLUMN + PIXELS - 1],
    /// Row and column of the next output pixel.
    next: [usize; 2],
}

impl Layer<'_> {
    /// Computes the next pixels, a multiple of `P` that have a place.
    fn compute<const P: usize, const C: usize, const S: usize>(&mut self, output: &mut [u8]) {
        let (taps, channels) = (self.taps, self.channels);
        let mut pixels = 0;
        while pixels * channels < output.len() {
            self.fill::<P>(pixels / P * P * taps + pixels % P);
            pixels += 1;
        }
        let columns = self.column.as_chunks::<P>().0;
        let columns = columns.get(..pixels / P * taps).unwrap_or_default();
        let mut block = Block::<C> {
            filters: [&[]; MOST],
            biases: [0; C],
            multipliers: [Multiplier::new(0.0); C],
            count: 0,
            zero_point: self.conv.output_zero_point,
            taps,
            channels,
        };
        for first in (0..channels).step_by(C) {
            block.take(self.filters, first);
            block.compute::<P, S>(columns, output.get_mut(first..).unwrap_or_default());
        }
    }

    /// Puts the window of the next output pixel into its places, the first of which is
    /// `place`, `P` from each other.
    fn fill<const P: usize>(&mut self, place: usize) {
        let conv = self.conv;
        let [y, x] = self.next;
        self.next = match x + 1 < usize::from(conv.output.width) {
            true => [y, x + 1],
            false => [y + 1, 0],
        };
        let channels = usize::from(conv.input.channels);
        let zero_point = i16::from(conv.input_zero_point);
        let window = Window::at(conv, y, x);
        let places = self.column.get_mut(place..).unwrap_or_default();
        // Arrays that begin with the place of a tap.
        let places = places.as_chunks_mut::<P>().0;
        if !window.is_whole(conv) {
            let all = places.get_mut(..self.taps).unwrap_or_default();
            for places in all {
                if let Some(place) = places.first_mut() {
                    *place = 0;
                }
            }
        }
        for run in window.runs(conv) {
            let (from, len) = (run.pixel * channels, run.len * channels);
            let values = self.input.get(from..from + len).unwrap_or_default();
            let places = places.get_mut(run.tap * channels..).unwrap_or_default();
            for (places, value) in places.iter_mut().zip(values) {
                if let Some(place) = places.first_mut() {
                    *place = i16::from(*value) - zero_point;
                }
            }
        }
    }
}

/// Channels that are computed at once.
struct Block<'a, const C: usize> {
    filters: [&'a [u8]; MOST],
    biases: [i32; C],
    multipliers: [Multiplier; C],
    /// How many of the channels there are.
    count: usize,
    zero_point: u8,
    taps: usize,
    /// Channels of the layer.
    channels: usize,
}

impl<'a, const C: usize> Block<'a, C> {
    /// Takes the channels from `first` on.
    fn take(&mut self, all: &Filters<'a>, first: usize) {
        let filters = all.weights.get(first * self.taps..).unwrap_or_default();
        let mut rest = filters;
        let mut next = || {
            // Beyond the last filter, what follows; or the first again.
            let (filter, more) = rest.split_at_checked(self.taps).unwrap_or((filters, &[]));
            rest = more;
            filter
        };
        let (a, b) = (next(), next());
        let (c, d) = if C > 2 { (next(), next()) } else { (a, a) };
        self.filters = [a, b, c, d];
        self.count = (self.channels - first).min(C);
        let after = |all: &'a [u8]| all.as_chunks::<4>().0.get(first..).unwrap_or_default();
        for (place, bias) in self.biases.iter_mut().zip(after(all.bias)) {
            *place = i32::from_le_bytes(*bias);
        }
        for (place, multiplier) in self.multipliers.iter_mut().zip(after(all.multipliers)) {
            *place = Multiplier::new(f32::from_le_bytes(*multiplier));
        }
    }

    /// Computes the pixels of some columns. By itself, so that what the loops need stays in
    /// registers.
    #[inline(never)]
    fn compute<const P: usize, const S: usize>(&self, columns: &[[i16; P]], output: &mut [u8]) {
        let size = P * self.channels;
        // Never so; chunks panic otherwise.
        if self.taps == 0 || size == 0 {
            return;
        }
        // Their lengths known, the loops need not look at them.
        let [a, b, c, d] = self.filters;
        let (Some(a), Some(b), Some(c), Some(d)) = (
            a.get(..self.taps),
            b.get(..self.taps),
            c.get(..self.taps),
            d.get(..self.taps),
        ) else {
            return;
        };
        let multipliers = self.multipliers.get(..self.count).unwrap_or_default();
        for (column, pixels) in columns.chunks_exact(self.taps).zip(output.chunks_mut(size)) {
            let sums = multiply::<P, C, S>(column, [a, b, c, d], &self.biases);
            for (channel, (sums, multiplier)) in sums.iter().zip(multipliers).enumerate() {
                for_four!(pixel => {
                    let output = pixels.get_mut(channel + pixel * self.channels);
                    if let (Some(sum), Some(output)) = (sums.get(pixel), output) {
                        *output = multiplier.requantize(*sum, self.zero_point);
                    }
                });
            }
        }
    }
}

/// The biases and the sums of products of `P` pixels with `C` filters, which all have as many
/// taps.
#[inline(always)]
fn multiply<const P: usize, const C: usize, const S: usize>(
    column: &[[i16; P]],
    [a, b, c, d]: [&[u8]; MOST],
    biases: &[i32; C],
) -> [[i32; P]; C] {
    let mut sums = const { [[0; P]; C] };
    for_four!(channel => {
        if let (Some(sums), Some(bias)) = (sums.get_mut(channel), biases.get(channel)) {
            for_four!(pixel => {
                if let Some(sum) = sums.get_mut(pixel) {
                    *sum = *bias;
                }
            });
        }
    });
    let (steps, rest) = column.as_chunks::<S>();
    let (a, rest_of_a) = a.as_chunks::<S>();
    let (b, rest_of_b) = b.as_chunks::<S>();
    let (c, rest_of_c) = c.as_chunks::<S>();
    let (d, rest_of_d) = d.as_chunks::<S>();
    for ((((values, a), b), c), d) in steps.iter().zip(a).zip(b).zip(c).zip(d) {
        add(&mut sums, values, [a, b, c, d]);
    }
    // What is left, one by one.
    let [a, b, c, d] = [rest_of_a, rest_of_b, rest_of_c, rest_of_d];
    let (a, b) = (a.as_chunks::<1>().0, b.as_chunks::<1>().0);
    let (c, d) = (c.as_chunks::<1>().0, d.as_chunks::<1>().0);
    let rest = rest.as_chunks::<1>().0;
    for ((((values, a), b), c), d) in rest.iter().zip(a).zip(b).zip(c).zip(d) {
        add(&mut sums, values, [a, b, c, d]);
    }
    sums
}

/// Adds the products of some taps.
#[inline(always)]
fn add<const P: usize, const C: usize, const S: usize>(
    sums: &mut [[i32; P]; C],
    values: &[[i16; P]; S],
    weights: [&[u8; S]; MOST],
) {
    for_four!(tap => {
        if let Some(values) = values.get(tap) {
            for_four!(channel => {
                let weight = weights.get(channel).and_then(|taps| taps.get(tap));
                if let (Some(sums), Some(weight)) = (sums.get_mut(channel), weight) {
                    let weight = i32::from(weight.cast_signed());
                    for_four!(pixel => {
                        if let (Some(sum), Some(value)) = (sums.get_mut(pixel), values.get(pixel)) {
                            *sum = sum.wrapping_add(i32::from(*value) * weight);
                        }
                    });
                }
            });
        }
    });
}
