//! Row by row.

use shared::artifact::plan::Upsample;
use shared::bytes::copy_front;

/// Writes each pixel of `input` four times.
pub fn upsample(step: &Upsample, input: &[u8], output: &mut [u8]) {
    let channels = super::super::at_least_one(step.input.channels);
    let row = super::super::at_least_one(step.input.width) * channels;
    for (from, to) in input
        .chunks_exact(row)
        .zip(output.chunks_exact_mut(4 * row))
    {
        let (first, second) = to.split_at_mut_checked(2 * row).unwrap_or_default();
        let pixels = first.chunks_exact_mut(2 * channels);
        for (to, from) in pixels.zip(from.chunks_exact(channels)) {
            let (left, right) = to.split_at_mut_checked(channels).unwrap_or_default();
            copy_front(left, from);
            copy_front(right, from);
        }
        copy_front(second, first);
    }
}
