//! The reference: plain loops, the oracle of every other instruction set.

use shared::artifact::plan::MaxPool;

/// Computes `pool` from `input` into `output`, both height x width x channels.
#[inline(always)]
pub fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    let channels = usize::from(pool.output.channels);
    let columns = usize::from(pool.output.width);
    let row_len = usize::from(pool.input.width) * channels;
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let along = |axis: usize, position: usize, size: u16| {
            let [stride, kernel, padding] =
                [pool.stride, pool.kernel, pool.padding].map(|pair| usize::from(pair[axis]));
            let first = position * stride;
            let end = (first + kernel).saturating_sub(padding);
            first.saturating_sub(padding)..end.min(usize::from(size))
        };
        let window = along(1, index % columns, pool.input.width);
        pixel.fill(0);
        for row in along(0, index / columns, pool.input.height) {
            let [from, to] = [window.start, window.end].map(|x| row * row_len + x * channels);
            for values in input.get(from..to).unwrap_or(&[]).chunks_exact(channels) {
                for (out, &value) in pixel.iter_mut().zip(values) {
                    *out = value.max(*out);
                }
            }
        }
    }
}
