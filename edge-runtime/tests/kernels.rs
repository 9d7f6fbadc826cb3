//! The scalar kernels against the definition, written as naively as can be.

use edge_runtime::kernels::conv2d::{Filters, scalar::conv2d};
use edge_runtime::kernels::max_pool::scalar::max_pool;
use proptest::prelude::*;
use shared::artifact::plan::{Conv2d, MaxPool, Place};

/// A convolution with its constants and an input.
#[derive(Debug)]
struct Case {
    conv: Conv2d,
    weights: Vec<i8>,
    bias: Vec<i32>,
    multipliers: Vec<f32>,
    input: Vec<u8>,
}

fn place(height: u16, width: u16, channels: u16) -> Place {
    Place {
        offset: 0,
        height,
        width,
        channels,
    }
}

fn windows(size: u16, kernel: u16, stride: u16, padding: u16) -> u16 {
    (size + 2 * padding - kernel) / stride + 1
}

/// Kernel, stride, padding and input size along one axis.
fn axis() -> impl Strategy<Value = [u16; 4]> {
    (1u16..=5, 1u16..=3, 0u16..=4).prop_flat_map(|(kernel, stride, padding)| {
        let padding = padding.min(kernel - 1);
        let smallest = kernel.saturating_sub(2 * padding).max(1);
        (smallest..smallest + 7).prop_map(move |size| [kernel, stride, padding, size])
    })
}

fn case() -> impl Strategy<Value = Case> {
    (axis(), axis(), 1u16..=9, 1u16..=9, any::<[u8; 2]>()).prop_flat_map(
        |([ky, sy, py, height], [kx, sx, px, width], inputs, outputs, zero_points)| {
            let conv = Conv2d {
                input: place(height, width, inputs),
                output: place(
                    windows(height, ky, sy, py),
                    windows(width, kx, sx, px),
                    outputs,
                ),
                kernel: [ky, kx],
                stride: [sy, sx],
                padding: [py, px],
                input_zero_point: zero_points[0],
                output_zero_point: zero_points[1],
                weights: 0,
                bias: 0,
                multipliers: 0,
            };
            let channels = usize::from(outputs);
            (
                prop::collection::vec(any::<i8>(), conv.filter_len() * channels),
                prop::collection::vec(-100_000i32..100_000, channels),
                prop::collection::vec(1e-5f32..0.1, channels),
                prop::collection::vec(any::<u8>(), conv.input.len()),
            )
                .prop_map(move |(weights, bias, multipliers, input)| Case {
                    conv,
                    weights,
                    bias,
                    multipliers,
                    input,
                })
        },
    )
}

/// One output value by the definition in `shared/docs/int8-arithmetic.md`.
fn naive(case: &Case, y: i64, x: i64, o: usize) -> u8 {
    let conv = &case.conv;
    let (height, width) = (i64::from(conv.input.height), i64::from(conv.input.width));
    let channels = usize::from(conv.input.channels);
    let mut sum = i64::from(case.bias[o]);
    for ky in 0..i64::from(conv.kernel[0]) {
        for kx in 0..i64::from(conv.kernel[1]) {
            let row = y * i64::from(conv.stride[0]) + ky - i64::from(conv.padding[0]);
            let column = x * i64::from(conv.stride[1]) + kx - i64::from(conv.padding[1]);
            if !(0..height).contains(&row) || !(0..width).contains(&column) {
                continue;
            }
            for channel in 0..channels {
                let value = case.input[(row * width + column) as usize * channels + channel];
                let tap = (ky * i64::from(conv.kernel[1]) + kx) as usize * channels + channel;
                let weight = case.weights[o * conv.filter_len() + tap];
                sum += (i64::from(value) - i64::from(conv.input_zero_point)) * i64::from(weight);
            }
        }
    }
    let scaled = (sum as i32 as f32 * case.multipliers[o]).round_ties_even();
    (f64::from(scaled) + f64::from(conv.output_zero_point)).clamp(0.0, 255.0) as u8
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn convolution_equals_the_definition(case in case()) {
        let weights: Vec<u8> = case.weights.iter().map(|w| w.to_le_bytes()[0]).collect();
        let bias: Vec<u8> = case.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
        let multipliers: Vec<u8> = case.multipliers.iter().flat_map(|m| m.to_le_bytes()).collect();
        let filters = Filters { weights: &weights, bias: &bias, multipliers: &multipliers };
        let mut output = vec![0; case.conv.output.len()];
        conv2d(&case.conv, &filters, &case.input, &mut output);
        let channels = usize::from(case.conv.output.channels);
        let columns = usize::from(case.conv.output.width);
        for (index, &value) in output.iter().enumerate() {
            let (pixel, o) = (index / channels, index % channels);
            let (y, x) = ((pixel / columns) as i64, (pixel % columns) as i64);
            prop_assert_eq!(value, naive(&case, y, x, o));
        }
    }

    #[test]
    fn max_pool_equals_the_definition(
        [ky, sy, _, height] in axis(), [kx, sx, _, width] in axis(), channels in 1u16..=5, seed: u64,
    ) {
        let (height, width) = (height.max(ky), width.max(kx));
        let pool = MaxPool {
            input: place(height, width, channels),
            output: place(windows(height, ky, sy, 0), windows(width, kx, sx, 0), channels),
            kernel: [ky, kx],
            stride: [sy, sx],
        };
        let input: Vec<u8> = (0..pool.input.len() as u64)
            .map(|i| (seed.wrapping_mul(i.wrapping_mul(2) + 1) >> 40) as u8)
            .collect();
        let mut output = vec![0; pool.output.len()];
        max_pool(&pool, &input, &mut output);
        let at = |y: usize, x: usize, c: usize| {
            input[(y * usize::from(width) + x) * usize::from(channels) + c]
        };
        for (index, &value) in output.iter().enumerate() {
            let (pixel, c) = (index / usize::from(channels), index % usize::from(channels));
            let columns = usize::from(pool.output.width);
            let (y, x) = (pixel / columns * usize::from(sy), pixel % columns * usize::from(sx));
            let window = (y..y + usize::from(ky))
                .flat_map(|row| (x..x + usize::from(kx)).map(move |column| (row, column)));
            prop_assert_eq!(Some(value), window.map(|(row, column)| at(row, column, c)).max());
        }
    }
}
