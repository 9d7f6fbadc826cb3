//! The reference: plain loops, the oracle of every other instruction set.

use shared::artifact::plan::MaxPool;

/// Computes `pool` from `input` into `output`, both height x width x channels.
#[inline(always)]
pub fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    let channels = usize::from(pool.output.channels);
    let columns = usize::from(pool.output.width);
    let row_len = usize::from(pool.input.width) * channels;
    let [stride_y, stride_x] = pool.stride.map(usize::from);
    let [kernel_y, kernel_x] = pool.kernel.map(usize::from);
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let (y, x) = (index / columns * stride_y, index % columns * stride_x);
        pixel.fill(0);
        for row in y..y + kernel_y {
            let from = row * row_len + x * channels;
            let window = input.get(from..from + kernel_x * channels).unwrap_or(&[]);
            for values in window.chunks_exact(channels) {
                for (out, &value) in pixel.iter_mut().zip(values) {
                    *out = value.max(*out);
                }
            }
        }
    }
}
