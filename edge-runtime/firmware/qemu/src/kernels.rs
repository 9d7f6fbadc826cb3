//! The kernels of this processor against the plain loops, and what they cost.

use edge_runtime::kernels::conv2d::{self, Filters};
use edge_runtime::kernels::depthwise_conv2d;
use hardware::Clock;
use semihosting::{eprintln, println, process};
use shared::artifact::plan::{Conv2d, Place};

use crate::verification;

mod others;

/// The most bytes of a value.
const VALUE: usize = 32 * 1024;
/// The most weights.
const WEIGHTS: usize = 72 * 1024;
/// The most output channels.
const CHANNELS: usize = 64;

/// Memory for one layer.
#[derive(Debug)]
pub struct Memory {
    input: [u8; VALUE],
    output: [u8; VALUE],
    expected: [u8; VALUE],
    weights: [u8; WEIGHTS],
    bias: [u8; 4 * CHANNELS],
    multipliers: [u8; 4 * CHANNELS],
}

impl Memory {
    /// Zeros.
    pub const fn new() -> Self {
        Self {
            input: [0; VALUE],
            output: [0; VALUE],
            expected: [0; VALUE],
            weights: [0; WEIGHTS],
            bias: [0; 4 * CHANNELS],
            multipliers: [0; 4 * CHANNELS],
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers by the shift register of Marsaglia ("Xorshift RNGs", 2003).
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, end: u32) -> u16 {
        (self.next() % end) as u16
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next() as u8);
    }
}

/// A layer's shape: input, channels out, kernel, stride, padding.
struct Shape {
    name: &'static str,
    input: [u16; 3],
    channels: u16,
    kernel: u16,
    stride: u16,
    padding: u16,
    is_depthwise: bool,
}

/// The layers that other libraries' figures are known of.
const MEASURED: &[Shape] = &[
    shape("conv 3x3 16 -> 32, 16x16", [16, 16, 16], 32, 3, 1, 1, false),
    shape("conv 1x1 64 -> 64, 16x16", [16, 16, 64], 64, 1, 1, 0, false),
    shape("depthwise 3x3 32, 16x16", [16, 16, 32], 32, 3, 1, 1, true),
    shape("dense 1024 -> 64", [1, 1, 1024], 64, 1, 1, 0, false),
    shape("conv 3x3 1 -> 8, 32x32", [32, 32, 1], 8, 3, 1, 1, false),
    shape(
        "conv 3x3 3 -> 16, 32x32 / 2",
        [32, 32, 3],
        16,
        3,
        2,
        1,
        false,
    ),
    shape("conv 1x1 32 -> 64, 16x16", [16, 16, 32], 64, 1, 1, 0, false),
];

/// Layers whose filters are longer than some kernels have a place for.
const LONG: &[Shape] = &[
    shape("conv 3x3 160 -> 5, 5x5", [5, 5, 160], 5, 3, 1, 1, false),
    shape("conv 3x3 640 -> 3, 4x4", [4, 4, 640], 3, 3, 1, 0, false),
    shape("depthwise 9x9 20, 9x9", [9, 9, 20], 20, 9, 1, 4, true),
];

const fn shape(
    name: &'static str,
    input: [u16; 3],
    channels: u16,
    kernel: u16,
    stride: u16,
    padding: u16,
    is_depthwise: bool,
) -> Shape {
    Shape {
        name,
        input,
        channels,
        kernel,
        stride,
        padding,
        is_depthwise,
    }
}

impl Shape {
    /// Any that fits.
    fn any(random: &mut Random) -> Self {
        let is_depthwise = random.below(2) == 1;
        let kernel = 1 + random.below(5);
        let channels_in = 1 + random.below(37);
        let most = if is_depthwise { 1 } else { 37 };
        Self {
            name: "any",
            input: [
                kernel + random.below(9),
                kernel + random.below(9),
                channels_in,
            ],
            channels: if is_depthwise {
                channels_in
            } else {
                1 + random.below(most)
            },
            kernel,
            stride: 1 + random.below(3),
            padding: random.below(u32::from(kernel)),
            is_depthwise,
        }
    }

    fn layer(&self, random: &mut Random) -> Conv2d {
        let [height, width, channels] = self.input;
        let side = |side: u16| (side + 2 * self.padding - self.kernel) / self.stride + 1;
        let place = |height, width, channels| Place {
            offset: 0,
            height,
            width,
            channels,
        };
        Conv2d {
            input: place(height, width, channels),
            output: place(side(height), side(width), self.channels),
            kernel: [self.kernel; 2],
            stride: [self.stride; 2],
            padding: [self.padding; 2],
            input_zero_point: random.next() as u8,
            output_zero_point: random.next() as u8,
            weights: 0,
            bias: 0,
            multipliers: 0,
        }
    }
}

/// Computes `count` layers of any shape and as many other steps, then those that are measured;
/// ends the emulator, in failure where a byte differs from the plain loops'.
pub fn try_all(memory: &mut Memory, clock: &mut impl Clock, count: u32) -> ! {
    let mut random = Random(0x5EED);
    for _ in 0..count {
        let shape = Shape::any(&mut random);
        compute(&shape, memory, &mut random, clock);
    }
    for shape in LONG {
        compute(shape, memory, &mut random, clock);
    }
    println!("{count} layers equal the plain loops'");
    others::try_all(memory, &mut random, clock, count);
    for shape in MEASURED {
        let (macs, ticks) = compute(shape, memory, &mut random, clock);
        print(shape.name, "product", ticks, macs, clock);
    }
    others::measure(memory, &mut random, clock);
    verification::measure(clock);
    process::exit(0)
}

/// Prints how many instructions each of `count` took.
fn print(name: &str, unit: &str, ticks: u64, count: u64, clock: &impl Clock) {
    let instructions = match clock.per_second() {
        0 => ticks,
        hertz => ticks * 1_000_000_000 / u64::from(hertz),
    };
    let thousandths = instructions * 1000 / count;
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    println!("{name}: {whole}.{rest:03} instructions per {unit}");
}

/// Computes a layer by both; its products, and the ticks of the faster one.
fn compute(
    shape: &Shape,
    memory: &mut Memory,
    random: &mut Random,
    clock: &mut impl Clock,
) -> (u64, u64) {
    let conv = shape.layer(random);
    let filter_len = match shape.is_depthwise {
        true => conv.taps(),
        false => conv.filter_len(),
    };
    let channels = usize::from(conv.output.channels);
    let input = &mut memory.input[..conv.input.len()];
    let weights = &mut memory.weights[..filter_len * channels];
    random.fill(input);
    random.fill(weights);
    // -128 is no weight.
    weights
        .iter_mut()
        .for_each(|weight| *weight = (*weight).max(1) ^ 0x80);
    for bias in memory.bias[..4 * channels].as_chunks_mut::<4>().0 {
        *bias = ((random.next() as i32) >> 18).to_le_bytes();
    }
    for multiplier in memory.multipliers[..4 * channels].as_chunks_mut::<4>().0 {
        let size = 40.0 * filter_len as f32;
        *multiplier = ((1 + random.below(999)) as f32 / 999.0 / size).to_le_bytes();
    }
    let filters = Filters {
        // In an artifact, others' follow.
        weights: &memory.weights,
        bias: &memory.bias[..4 * channels],
        multipliers: &memory.multipliers[..4 * channels],
    };
    memory.output.copy_from_slice(&memory.expected);
    let output = &mut memory.output[..conv.output.len()];
    let expected = &mut memory.expected[..conv.output.len()];
    let before = clock.ticks();
    match shape.is_depthwise {
        true => depthwise_conv2d::depthwise_conv2d(&conv, &filters, input, output),
        false => conv2d::conv2d(&conv, &filters, input, output),
    }
    let ticks = clock.ticks() - before;
    match shape.is_depthwise {
        true => {
            depthwise_conv2d::scalar::depthwise_conv2d(&conv, &filters, input, expected);
        }
        false => conv2d::scalar::conv2d(&conv, &filters, input, expected),
    }
    // Not part of what is measured.
    clock.ticks();
    // What follows the output must have stayed, too.
    if memory.output != memory.expected {
        eprintln!("error: {} differs: {conv:?}", shape.name);
        process::exit(1);
    }
    let outputs = conv.output.len() as u64;
    (outputs * filter_len as u64, ticks)
}
