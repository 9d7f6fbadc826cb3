//! Plain loops, for every processor: a unit after the other, six sums of products each.

use shared::artifact::plan::Gru;

use super::Weights;
use super::gates::{sigmoid, tanh};
use crate::at_least_one;

/// What gate inputs are cut to, in steps of 2^-12.
const MOST: i64 = 1 << 20;

/// How many rows of a sequence are steps.
pub fn steps(sequence: &[u8], channels: u16) -> usize {
    let mut rows = sequence.chunks_exact(at_least_one(channels));
    let end = rows.position(|row| row.first() == Some(&0));
    end.unwrap_or(sequence.len() / at_least_one(channels))
}

/// Computes `gru` from `input` into `output`, both a row for each step; `weights` are those of
/// the plan. `state` is overwritten.
pub fn gru(gru: &Gru, weights: &[u8], input: &[u8], state: &mut [u8], output: &mut [u8]) {
    let steps = steps(input, gru.input.channels);
    output.fill(0);
    for direction in 0..gru.directions() {
        let Some(weights) = Weights::of(gru, weights, direction) else {
            return;
        };
        begin(state);
        for index in 0..steps {
            let row = match direction {
                0 => index,
                _ => steps - 1 - index,
            };
            let channels = usize::from(gru.input.channels);
            let input = input.get(row * channels..).unwrap_or_default();
            let first = row * usize::from(gru.output.channels) + direction * gru.units();
            let output = output.get_mut(first..).unwrap_or_default();
            step(gru, &weights, input, state, output);
        }
    }
}

/// The state before the first step: zeros, and the bytes that stand for zero.
pub fn begin(state: &mut [u8]) {
    let units = state.len() / 3;
    let (values, bytes) = state.split_at_mut_checked(2 * units).unwrap_or_default();
    values.fill(0);
    bytes.fill(128);
}

/// One step of one direction: `input` begins with the step's channels; `output`, with the
/// places of the direction's units.
pub fn step(gru: &Gru, weights: &Weights<'_>, input: &[u8], state: &mut [u8], output: &mut [u8]) {
    let (channels, units) = (usize::from(gru.input.channels), gru.units());
    let input = input.get(..channels).unwrap_or_default();
    let output = output.get_mut(..units).unwrap_or_default();
    let (values, bytes) = state.split_at_mut_checked(2 * units).unwrap_or_default();
    let values = values.as_chunks_mut::<2>().0;
    for (unit, (value, byte)) in values.iter_mut().zip(&mut *output).enumerate() {
        let [reset, update, new] =
            [0, 1, 2].map(|which| gate(weights, which * units + unit, input, bytes));
        let before = i32::from(i16::from_le_bytes(*value));
        let after = unit_after(before, reset, update, new);
        *value = (after as i16).to_le_bytes();
        *byte = (128 + ((after + 128) >> 8)).clamp(1, 255) as u8;
    }
    bytes
        .iter_mut()
        .zip(output)
        .for_each(|(to, from)| *to = *from);
}

/// What a gate makes of the input and of the state, by one row of the weights.
// One piece of code for three gates.
#[inline(never)]
fn gate(weights: &Weights<'_>, row: usize, input: &[u8], state: &[u8]) -> [i64; 2] {
    let (channels, units) = (input.len(), state.len());
    let inputs = weights.inputs.get(row * channels..).unwrap_or_default();
    let states = weights.states.get(row * units..).unwrap_or_default();
    let constants = weights.constants.as_chunks::<4>().0;
    let constants = constants.get(4 * row..).unwrap_or_default().iter();
    let mut constants = constants.map(|bytes| i32::from_le_bytes(*bytes));
    let mut scaled = |sum: i32| {
        let bias = constants.next().unwrap_or(0);
        let multiplier = i64::from(constants.next().unwrap_or(0));
        let product = i64::from(bias.wrapping_add(sum)) * multiplier;
        ((product + (1 << 23)) >> 24).clamp(-MOST, MOST)
    };
    [scaled(sum(input, inputs)), scaled(sum(state, states))]
}

/// A unit's state after a step, of its gates' inputs.
fn unit_after(before: i32, reset: [i64; 2], update: [i64; 2], new: [i64; 2]) -> i32 {
    let [reset, update] = [reset, update].map(|[input, state]| sigmoid((input + state) as i32));
    let [input, state] = new;
    let new = tanh((input + ((i64::from(reset) * state + (1 << 14)) >> 15)) as i32);
    // Magnitudes below 2^16 times below 2^15.
    new + ((update * (before - new) + (1 << 14)) >> 15)
}

/// The sum of products of as many weights as there are values; it cannot overflow (see
/// `shared::artifact::plan::MAX_FILTER`).
fn sum(values: &[u8], weights: &[u8]) -> i32 {
    let products = values.iter().zip(weights);
    let products = products.map(|(x, w)| i32::from(*x) * i32::from(w.cast_signed()));
    products.fold(0, i32::wrapping_add)
}
