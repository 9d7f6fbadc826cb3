//! For processors without vector instructions: plain loops over blocks of two pixels by two
//! channels, so that each input is read once for two filters and each weight once for two
//! pixels; more would not fit the registers.
//!
//! The inputs of two output pixels are widened to 16 bits less their zero point, taps in the
//! padding as zeros, side by side four taps at a time: `A A A A B B B B`. Filters stay where
//! they are.

use shared::artifact::plan::Conv2d;

use super::{Filters, scalar};
use crate::kernels::requantize::requantize;
use crate::kernels::window::Window;

/// The longest filter whose columns have a place.
const MOST_TAPS: usize = 1152;
/// Taps that are multiplied at once.
const STEP: usize = 4;
/// Channels that are computed at once.
const CHANNELS: usize = 2;

/// Filter, bias and multiplier of a channel.
type Constants<'a> = ((&'a [u8], &'a [u8; 4]), &'a [u8; 4]);

/// Four taps of two pixels.
type Taps = [i16; 2 * STEP];

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub fn conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let taps = conv.filter_len();
    if taps > MOST_TAPS {
        return scalar::conv2d(conv, filters, input, output);
    }
    let mut column = [[0; 2 * STEP]; MOST_TAPS / STEP];
    let Some(column) = column.get_mut(..taps.div_ceil(STEP)) else {
        return;
    };
    let channels = usize::from(conv.output.channels);
    let mut pixels = output.chunks_exact_mut(channels);
    let mut index = 0;
    while let Some(first) = pixels.next() {
        fill(column, 0, conv, index, input);
        let second = pixels.next();
        if second.is_some() {
            fill(column, 1, conv, index + 1, input);
        }
        compute(conv, filters, column, first, second.unwrap_or_default());
        index += 2;
    }
}

/// Puts the window of an output pixel into the place of the first or the second.
fn fill(column: &mut [Taps], place: usize, conv: &Conv2d, index: usize, input: &[u8]) {
    let columns = usize::from(conv.output.width);
    let channels = usize::from(conv.input.channels);
    let zero_point = i16::from(conv.input_zero_point);
    let window = Window::at(conv, index / columns, index % columns);
    if !window.is_whole(conv) || !conv.filter_len().is_multiple_of(STEP) {
        for taps in column.iter_mut() {
            if let Some(taps) = taps.as_chunks_mut::<STEP>().0.get_mut(place) {
                *taps = [0; STEP];
            }
        }
    }
    for run in window.runs(conv) {
        let (from, len) = (run.pixel * channels, run.len * channels);
        let values = input.get(from..from + len).unwrap_or_default();
        let tap = run.tap * channels;
        if channels.is_multiple_of(STEP) {
            let steps = column.iter_mut().skip(tap / STEP);
            for (taps, values) in steps.zip(values.as_chunks::<STEP>().0) {
                let [a, b, c, d] = values.map(|value| i16::from(value) - zero_point);
                if let Some(taps) = taps.as_chunks_mut::<STEP>().0.get_mut(place) {
                    *taps = [a, b, c, d];
                }
            }
            continue;
        }
        let halves = column.as_flattened_mut();
        let mut half = tap / STEP * 2 * STEP + place * STEP + tap % STEP;
        for value in values {
            if let Some(tap) = halves.get_mut(half) {
                *tap = i16::from(*value) - zero_point;
            }
            half += 1;
            // The other pixel's four come between.
            if half.is_multiple_of(STEP) {
                half += STEP;
            }
        }
    }
}

/// Computes one pixel or two from their column; a second one that is empty is none.
fn compute(
    conv: &Conv2d,
    filters: &Filters<'_>,
    column: &[Taps],
    first: &mut [u8],
    second: &mut [u8],
) {
    let taps = conv.filter_len();
    let mut constants = filters
        .weights
        .chunks_exact(taps)
        .zip(filters.bias.as_chunks::<4>().0)
        .zip(filters.multipliers.as_chunks::<4>().0);
    let mut seconds = second.chunks_mut(CHANNELS);
    for firsts in first.chunks_mut(CHANNELS) {
        let Some(a) = constants.next() else { return };
        // An odd channel is a pair with itself.
        let b = constants.next().unwrap_or(a);
        let [of_a, of_b] = multiply(column, a.0.0, b.0.0);
        let finish = |sum: i32, ((_, bias), multiplier): Constants<'_>| {
            requantize(
                i32::from_le_bytes(*bias).wrapping_add(sum),
                f32::from_le_bytes(*multiplier),
                conv.output_zero_point,
            )
        };
        let seconds = seconds.next().unwrap_or_default();
        for (place, outputs) in [firsts, seconds].into_iter().enumerate() {
            if let Some(output) = outputs.first_mut() {
                *output = finish(of_a[place], a);
            }
            if let Some(output) = outputs.get_mut(1) {
                *output = finish(of_b[place], b);
            }
        }
    }
}

/// The sums of products of two channels and two pixels.
#[inline(always)]
fn multiply(column: &[Taps], a: &[u8], b: &[u8]) -> [[i32; 2]; CHANNELS] {
    let ((a, rest_of_a), (b, rest_of_b)) = (a.as_chunks::<STEP>(), b.as_chunks::<STEP>());
    let (mut of_a, mut of_b) = ([0; 2], [0; 2]);
    for ((taps, a), b) in column.iter().zip(a).zip(b) {
        add(&mut of_a, taps, a);
        add(&mut of_b, taps, b);
    }
    if let (Some(taps), false) = (column.get(a.len()), rest_of_a.is_empty()) {
        add(&mut of_a, taps, &padded(rest_of_a));
        add(&mut of_b, taps, &padded(rest_of_b));
    }
    [of_a, of_b]
}

/// What is left of a filter, and zeros.
fn padded(rest: &[u8]) -> [u8; STEP] {
    let mut weights = [0; STEP];
    for (weight, rest) in weights.iter_mut().zip(rest) {
        *weight = *rest;
    }
    weights
}

/// Adds the products of four taps of both pixels; written out, since a compiler that saves
/// space would loop.
#[inline(always)]
fn add([first, second]: &mut [i32; 2], taps: &Taps, weights: &[u8; STEP]) {
    let [a0, a1, a2, a3, b0, b1, b2, b3] = *taps;
    let [w0, w1, w2, w3] = *weights;
    let product = |tap: i16, weight: u8| i32::from(tap) * i32::from(weight.cast_signed());
    *first = first.wrapping_add(product(a0, w0));
    *first = first.wrapping_add(product(a1, w1));
    *first = first.wrapping_add(product(a2, w2));
    *first = first.wrapping_add(product(a3, w3));
    *second = second.wrapping_add(product(b0, w0));
    *second = second.wrapping_add(product(b1, w1));
    *second = second.wrapping_add(product(b2, w2));
    *second = second.wrapping_add(product(b3, w3));
}
