//! The kernels of every instruction set against the definition, written as naively as can
//! be.

use core::fmt;

use edge_runtime::kernels::conv2d::{self, Filters, packed::PackedConv2d};
use edge_runtime::kernels::depthwise_conv2d::{self, packed::PackedDepthwiseConv2d};
use edge_runtime::kernels::{InstructionSet, add, copy, max_pool, prelu};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use shared::artifact::plan::{self, Add, Conv2d, MaxPool, Place, Prelu};

/// A convolution with its constants and an input; depthwise where it has as many
/// channels out as in and says so.
#[derive(Debug)]
struct Case {
    conv: Conv2d,
    depthwise: bool,
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

/// Kernel, stride, padding before, input size and number of windows along one axis.
fn axis() -> impl Strategy<Value = [u16; 5]> {
    axis_of(7)
}

fn axis_of(more: u16) -> impl Strategy<Value = [u16; 5]> {
    (1u16..=5, 1u16..=3, 0u16..=4).prop_flat_map(move |(kernel, stride, padding)| {
        let padding = padding.min(kernel - 1);
        let smallest = kernel.saturating_sub(2 * padding).max(1);
        (smallest..smallest + more).prop_flat_map(move |size| {
            // As much padding after as before, or any number of windows that see some input.
            let alike = (size + 2 * padding - kernel) / stride + 1;
            let most = (size + padding - 1) / stride + 1;
            prop_oneof![3 => Just(alike), 1 => 1..=most]
                .prop_map(move |windows| [kernel, stride, padding, size, windows])
        })
    })
}

fn case() -> impl Strategy<Value = Case> {
    cases(1u16..=9, 1u16..=9, false)
}

/// Whole registers of channels and parts of one, more than a tile holds, rows of more pixels
/// than a tile has.
fn wide_case() -> impl Strategy<Value = Case> {
    cases(1u16..=20, 1u16..=150, false)
}

/// Filters of which boards have room for the inputs of some pixels, of one, or of none.
fn long_case() -> impl Strategy<Value = Case> {
    cases(60u16..=120, 1u16..=5, false)
}

/// More channels than a block of the kernel has, and fewer.
fn depthwise_case() -> impl Strategy<Value = Case> {
    cases(1u16..=140, Just(0), true)
}

fn cases(
    inputs: impl Strategy<Value = u16>,
    outputs: impl Strategy<Value = u16>,
    depthwise: bool,
) -> impl Strategy<Value = Case> {
    (axis(), axis_of(30), inputs, outputs, any::<[u8; 2]>()).prop_flat_map(
        move |(
            [ky, sy, py, height, rows],
            [kx, sx, px, width, columns],
            inputs,
            outputs,
            zero_points,
        )| {
            let outputs = if depthwise { inputs } else { outputs };
            let conv = Conv2d {
                input: place(height, width, inputs),
                output: place(rows, columns, outputs),
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
            let filter = if depthwise {
                conv.taps()
            } else {
                conv.filter_len()
            };
            (
                bytes(any::<i8>(), [i8::MIN, i8::MAX], filter * channels),
                prop::collection::vec(-100_000i32..100_000, channels),
                prop::collection::vec(1e-5f32..0.1, channels),
                bytes(any::<u8>(), [u8::MIN, u8::MAX], conv.input.len()),
            )
                .prop_map(move |(weights, bias, multipliers, input)| Case {
                    conv,
                    depthwise,
                    weights,
                    bias,
                    multipliers,
                    input,
                })
        },
    )
}

/// Any bytes or, in a quarter of the cases, only the extreme ones, whose sums are the
/// largest.
fn bytes<T: Copy + fmt::Debug + 'static>(
    any: impl Strategy<Value = T>,
    extremes: [T; 2],
    len: usize,
) -> impl Strategy<Value = Vec<T>> {
    let extreme = prop::sample::select(extremes.to_vec());
    prop_oneof![
        3 => prop::collection::vec(any, len),
        1 => prop::collection::vec(extreme, len),
    ]
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
            let tap = (ky * i64::from(conv.kernel[1]) + kx) as usize;
            let seen = if case.depthwise {
                o..o + 1
            } else {
                0..channels
            };
            for channel in seen {
                let value = case.input[(row * width + column) as usize * channels + channel];
                let weight = match case.depthwise {
                    true => case.weights[tap * channels + o],
                    false => case.weights[o * conv.filter_len() + tap * channels + channel],
                };
                sum += (i64::from(value) - i64::from(conv.input_zero_point)) * i64::from(weight);
            }
        }
    }
    byte(
        sum as i32 as f32 * case.multipliers[o],
        conv.output_zero_point,
    )
}

/// Whether a kernel gives what the definition says, everywhere.
fn check(case: &Case) -> Result<(), TestCaseError> {
    let weights: Vec<u8> = case.weights.iter().map(|w| w.to_le_bytes()[0]).collect();
    let bias: Vec<u8> = case.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
    let multipliers: Vec<u8> = case
        .multipliers
        .iter()
        .flat_map(|m| m.to_le_bytes())
        .collect();
    let filters = Filters {
        weights: &weights,
        bias: &bias,
        multipliers: &multipliers,
    };
    for set in InstructionSet::supported() {
        let mut output = vec![0; case.conv.output.len()];
        compute(case, set, &filters, &mut output);
        let channels = usize::from(case.conv.output.channels);
        let columns = usize::from(case.conv.output.width);
        for (index, &value) in output.iter().enumerate() {
            let (pixel, o) = (index / channels, index % channels);
            let (y, x) = ((pixel / columns) as i64, (pixel % columns) as i64);
            prop_assert_eq!(value, naive(case, y, x, o), "{} at {}", set, index);
        }
    }
    on_boards(case, &filters)
}

/// What boards without vector instructions compute, which are given more than the weights.
fn on_boards(case: &Case, filters: &Filters<'_>) -> Result<(), TestCaseError> {
    let (conv, input) = (&case.conv, &case.input);
    let mut expected = vec![0; conv.output.len()];
    compute(case, InstructionSet::Scalar, filters, &mut expected);
    let more = [filters.weights, &[0x55; 9]].concat();
    for weights in [filters.weights, &more] {
        let filters = Filters {
            weights,
            ..*filters
        };
        let mut output = vec![0; conv.output.len()];
        match case.depthwise {
            true => depthwise_conv2d::depthwise_conv2d(conv, &filters, input, &mut output),
            false => conv2d::conv2d(conv, &filters, input, &mut output),
        }
        prop_assert_eq!(&output, &expected, "boards");
    }
    Ok(())
}

/// As an engine does: packed where that is possible.
fn compute(case: &Case, set: InstructionSet, filters: &Filters<'_>, output: &mut [u8]) {
    let (conv, input) = (&case.conv, &case.input);
    if case.depthwise {
        match PackedDepthwiseConv2d::new(set, conv, filters) {
            Some(packed) => packed.run(input, output, &mut vec![7; packed.scratch_len()]),
            None => depthwise_conv2d::scalar::depthwise_conv2d(conv, filters, input, output),
        }
    } else {
        match PackedConv2d::new(set, conv, filters) {
            Some(packed) => packed.run(input, output, &mut vec![7; packed.scratch_len()]),
            None => conv2d::scalar::conv2d(conv, filters, input, output),
        }
    }
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (seed.wrapping_mul(i.wrapping_mul(2) + 1) >> 40) as u8)
        .collect()
}

/// `round(steps) + zero_point`, cut to a byte; exact in double precision.
fn byte(steps: f32, zero_point: u8) -> u8 {
    (f64::from(steps.round_ties_even()) + f64::from(zero_point)).clamp(0.0, 255.0) as u8
}

/// The tables of `shared/docs/int8-arithmetic.md`.
#[test]
fn sums_and_slopes_of_the_document() {
    let sum = |a: i8, b: i8, multipliers| {
        let step = Add {
            place: place(1, 1, 1),
            other: place(1, 1, 1),
            zero_points: [100, 50],
            output_zero_point: 10,
            multipliers,
        };
        let mut value = [100u8.wrapping_add_signed(a)];
        add::scalar::add(&step, &mut value, &[50u8.wrapping_add_signed(b)]);
        value[0]
    };
    assert_eq!(sum(3, 4, [0.5, 0.25]), 12);
    assert_eq!(sum(-3, -1, [0.5, 1.0]), 8);
    let sloped = |x: i8, multiplier, slope: f32| {
        let step = Prelu {
            place: place(1, 1, 1),
            input_zero_point: 100,
            output_zero_point: 10,
            multiplier,
            slopes: 0,
        };
        let mut value = [100u8.wrapping_add_signed(x)];
        prelu::scalar::prelu(&step, &slope.to_le_bytes(), &mut value);
        value[0]
    };
    assert_eq!(sloped(5, 0.5, 0.5), 12);
    assert_eq!(sloped(-5, 0.5, 0.5), 9);
    assert_eq!(sloped(-7, 1.0, -1.0), 17);
}

/// A thousand cases, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(1000),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn convolution_equals_the_definition(case in case()) {
        check(&case)?;
    }

    #[test]
    fn wide_convolution_equals_the_definition(case in wide_case()) {
        check(&case)?;
    }

    #[test]
    fn depthwise_convolution_equals_the_definition(case in depthwise_case()) {
        check(&case)?;
    }

    #[test]
    fn addition_equals_the_definition(
        values in prop::collection::vec(any::<[u8; 2]>(), 1..200),
        zero_points: [u8; 2],
        output_zero_point: u8,
        multipliers in prop::array::uniform2(0.0f32..20.0),
    ) {
        let place = place(1, 1, values.len() as u16);
        let other = Place { offset: 200, ..place };
        let step = Add { place, other, zero_points, output_zero_point, multipliers };
        let sums: Vec<u8> = values.iter().map(|[a, _]| *a).collect();
        let others: Vec<u8> = values.iter().map(|[_, b]| *b).collect();
        for set in InstructionSet::supported() {
            let mut sums = sums.clone();
            add::add(set, &step, &mut sums, &others);
            for (sum, values) in sums.into_iter().zip(&values) {
                let [a, b] = [0, 1].map(|i| (f32::from(values[i]) - f32::from(zero_points[i])) * multipliers[i]);
                prop_assert_eq!(sum, byte(a + b, output_zero_point), "{}", set);
            }
        }
    }

    #[test]
    fn prelu_equals_the_definition(
        slopes in prop::collection::vec(-3.0f32..3.0, 1..40),
        pixels in 1u16..6,
        zero_points: [u8; 2],
        multiplier in 0.0f32..20.0,
        seed: u64,
    ) {
        let step = Prelu {
            place: place(pixels, 1, slopes.len() as u16),
            input_zero_point: zero_points[0],
            output_zero_point: zero_points[1],
            multiplier,
            slopes: 0,
        };
        let input = noise(seed, step.place.len());
        let bytes: Vec<u8> = slopes.iter().flat_map(|slope| slope.to_le_bytes()).collect();
        for set in InstructionSet::supported() {
            let mut output = input.clone();
            prelu::prelu(set, &step, &bytes, &mut output);
            for (index, (output, &input)) in output.into_iter().zip(&input).enumerate() {
                let x = (f32::from(input) - f32::from(zero_points[0])) * multiplier;
                let x = if input < zero_points[0] { x * slopes[index % slopes.len()] } else { x };
                prop_assert_eq!(output, byte(x, zero_points[1]), "{}", set);
            }
        }
    }

    #[test]
    fn max_pool_equals_the_definition(
        [ky, sy, py, height, rows] in axis(), [kx, sx, px, width, columns] in axis(),
        channels in 1u16..=5, seed: u64,
    ) {
        let pool = MaxPool {
            input: place(height, width, channels),
            output: place(rows, columns, channels),
            kernel: [ky, kx],
            stride: [sy, sx],
            padding: [py, px],
        };
        let input = noise(seed, pool.input.len());
        // Nothing where the position lies in the padding.
        let at = |y: usize, x: usize, c: usize| {
            let inside = |at: usize, padding: u16, size: u16| {
                at.checked_sub(usize::from(padding)).filter(|&at| at < usize::from(size))
            };
            let (y, x) = (inside(y, py, height)?, inside(x, px, width)?);
            Some(input[(y * usize::from(width) + x) * usize::from(channels) + c])
        };
        for set in InstructionSet::supported() {
            let mut output = vec![0; pool.output.len()];
            max_pool::max_pool(set, &pool, &input, &mut output);
            for (index, &value) in output.iter().enumerate() {
                let (pixel, c) = (index / usize::from(channels), index % usize::from(channels));
                let columns = usize::from(pool.output.width);
                let (y, x) = (pixel / columns * usize::from(sy), pixel % columns * usize::from(sx));
                let window = (y..y + usize::from(ky))
                    .flat_map(|row| (x..x + usize::from(kx)).map(move |column| (row, column)));
                prop_assert_eq!(Some(value), window.filter_map(|(row, column)| at(row, column, c)).max());
            }
        }
    }

    #[test]
    fn copy_equals_the_definition(
        sides in [1u16..9, 1u16..9, 1u16..9, 1u16..9], channels in 1u16..=5, at: [u16; 4],
        size: [u16; 2], seed: u64,
    ) {
        let [height, width, to_height, to_width] = sides;
        let size = [1 + size[0] % height.min(to_height), 1 + size[1] % width.min(to_width)];
        let free = [height - size[0], width - size[1], to_height - size[0], to_width - size[1]];
        let at: [u16; 4] = core::array::from_fn(|i| at[i] % (free[i] + 1));
        let step = plan::Copy {
            input: place(height, width, channels),
            output: place(to_height, to_width, channels),
            from: [at[0], at[1]],
            to: [at[2], at[3]],
            size,
        };
        let (input, before) = (noise(seed, step.input.len()), noise(!seed, step.output.len()));
        let mut output = before.clone();
        copy::scalar::copy(&step, &input, &mut output);
        for (index, (&found, &before)) in output.iter().zip(&before).enumerate() {
            let (pixel, c) = (index / usize::from(channels), index % usize::from(channels));
            let (y, x) = (pixel / usize::from(to_width), pixel % usize::from(to_width));
            let inside = |at: usize, first: u16, len: u16| {
                at.checked_sub(first.into()).filter(|&at| at < usize::from(len))
            };
            let expected = match (inside(y, at[2], size[0]), inside(x, at[3], size[1])) {
                (Some(y), Some(x)) => {
                    let (y, x) = (y + usize::from(at[0]), x + usize::from(at[1]));
                    input[(y * usize::from(width) + x) * usize::from(channels) + c]
                }
                _ => before,
            };
            prop_assert_eq!(found, expected);
        }
    }
}

proptest! {
    // Long filters take long.
    #![proptest_config(ProptestConfig { cases: config().cases.div_ceil(10), ..config() })]

    #[test]
    fn long_convolution_equals_the_definition(case in long_case()) {
        check(&case)?;
    }
}
