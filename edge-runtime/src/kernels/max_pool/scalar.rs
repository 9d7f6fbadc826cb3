//! The reference: plain loops, the oracle of every other instruction set.

use core::ops::Range;

use shared::artifact::plan::MaxPool;

/// Computes `pool` from `input` into `output`, both height x width x channels.
pub fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    let channels_of_pixel = usize::from(pool.output.channels);
    let columns = usize::from(pool.output.width);
    for (index, pixel) in output.chunks_exact_mut(channels_of_pixel).enumerate() {
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
    let [channels, width] = [pool.input.channels, pool.input.width].map(usize::from);
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
    let along = |axis: usize, position: usize, size: u16| {
        let [stride, kernel, padding] =
            [pool.stride, pool.kernel, pool.padding].map(|pair| usize::from(pair[axis]));
        let first = position * stride;
        let end = (first + kernel).saturating_sub(padding);
        first.saturating_sub(padding)..end.min(usize::from(size))
    };
    [
        along(0, y, pool.input.height),
        along(1, x, pool.input.width),
    ]
}
