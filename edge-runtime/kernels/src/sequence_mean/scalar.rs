//! Plain loops, for every processor.

use shared::artifact::plan::SequenceMean;

use crate::at_least_one;
use crate::gru::scalar::steps;

/// Computes `mean` from `input`, a row for each step, into `output`, a byte for each channel.
pub fn sequence_mean(mean: &SequenceMean, input: &[u8], output: &mut [u8]) {
    let channels = at_least_one(mean.input.channels);
    let steps = steps(input, mean.input.channels);
    for (channel, output) in output.iter_mut().enumerate() {
        let values = input.iter().skip(channel).step_by(channels).take(steps);
        let sum = values.map(|&value| centred(mean, value)).sum();
        *output = of_sum(mean, sum, steps as u32);
    }
}

/// What one step adds to the sum.
pub fn centred(mean: &SequenceMean, value: u8) -> i32 {
    i32::from(value) - i32::from(mean.input_zero_point)
}

/// The byte of a channel whose values add up to `sum` in so many steps.
pub fn of_sum(mean: &SequenceMean, sum: i32, steps: u32) -> u8 {
    let steps = i64::from(steps);
    let doubled = 2 * i64::from(sum) * i64::from(mean.multiplier) + (steps << 24);
    let quotient = doubled.checked_div_euclid(steps << 25).unwrap_or(0);
    (i64::from(mean.output_zero_point) + quotient).clamp(0, 255) as u8
}
