//! The reference: plain loops, the oracle of every other instruction set.

use core::ops::Range;

use shared::artifact::plan::MaxPool;

use crate::at_least_one;

/// Computes `pool` from `input` into `output`, both height x width x channels.
pub fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    let pixel_len = at_least_one(pool.output.channels);
    let columns = at_least_one(pool.output.width);
    for (index, pixel) in output.chunks_exact_mut(pixel_len).enumerate() {
        let window = window(pool, index / columns, index % columns);
        channels(pool, window, input, 0, pixel);
    }
}

/// The maxima of one window, of the channels from `first` on that `output` has room for.
#[inline(always)]
pub(super) fn channels(
    pool: &MaxPool,
    [rows, across]: [Range<usize>; 2],
    input: &[u8],
    first: usize,
    output: &mut [u8],
) {
    let channels = at_least_one(pool.input.channels);
    let width = at_least_one(pool.input.width);
    output.fill(0);
    for row in rows {
        let [from, to] = [across.start, across.end].map(|x| (row * width + x) * channels);
        for pixel in input.get(from..to).unwrap_or(&[]).chunks_exact(channels) {
            for (out, &value) in output.iter_mut().zip(pixel.iter().skip(first)) {
                *out = value.max(*out);
            }
        }
    }
}

/// Rows and columns of the input that output row `y`, column `x` looks at.
#[inline(always)]
pub(super) fn window(pool: &MaxPool, y: usize, x: usize) -> [Range<usize>; 2] {
    let along = |position: usize, stride: u16, kernel: u16, padding: u16, size: u16| {
        let first = position * usize::from(stride);
        let padding = usize::from(padding);
        let end = (first + usize::from(kernel)).saturating_sub(padding);
        first.saturating_sub(padding)..end.min(usize::from(size))
    };
    let ([down, across], [height, width], [top, left]) = (pool.stride, pool.kernel, pool.padding);
    [
        along(y, down, height, top, pool.input.height),
        along(x, across, width, left, pool.input.width),
    ]
}
