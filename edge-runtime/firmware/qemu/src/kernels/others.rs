//! The kernels that know no filters.

use edge_runtime::kernels::{add, max_pool, prelu};
use hardware::Clock;
use semihosting::{eprintln, println, process};
use shared::artifact::plan::{Add, MaxPool, Place, Prelu};

use super::{Memory, Random, print};

/// A step, with what its kernels are.
#[derive(Debug)]
enum Other {
    Add(Add),
    MaxPool(MaxPool),
    Prelu(Prelu),
}

/// Computes `count` steps of any shape; ends the emulator where a byte differs.
pub(super) fn try_all(
    memory: &mut Memory,
    random: &mut Random,
    clock: &mut impl Clock,
    count: u32,
) {
    for _ in 0..count {
        let size = [(); 3].map(|()| 1 + random.below(20));
        let kernel = [(); 2].map(|()| 1 + random.below(4));
        let other = match random.below(3) {
            0 => addition(random, size),
            1 => pool(random, size, kernel),
            _ => slopes(random, size),
        };
        compute(&other, memory, random, clock);
    }
    println!("{count} other steps equal the plain loops'");
}

/// Prints what they cost.
pub(super) fn measure(memory: &mut Memory, random: &mut Random, clock: &mut impl Clock) {
    let size = [16, 16, 32];
    let measured = [
        ("add 16x16x32", addition(random, size)),
        (
            "max pool 2x2 / 2, 16x16x32",
            Other::MaxPool(MaxPool {
                input: place(size),
                output: place([8, 8, 32]),
                kernel: [2; 2],
                stride: [2; 2],
                padding: [0; 2],
            }),
        ),
        ("prelu 16x16x32", slopes(random, size)),
    ];
    for (name, other) in measured {
        let (outputs, ticks) = compute(&other, memory, random, clock);
        print(name, "output", ticks, outputs, clock);
    }
}

fn place([height, width, channels]: [u16; 3]) -> Place {
    Place {
        offset: 0,
        height,
        width,
        channels,
    }
}

/// A number from 0 to 3.
fn real(random: &mut Random) -> f32 {
    f32::from(random.below(1000)) / 333.0
}

fn addition(random: &mut Random, size: [u16; 3]) -> Other {
    Other::Add(Add {
        place: place(size),
        other: place(size),
        zero_points: [(); 2].map(|()| random.next() as u8),
        output_zero_point: random.next() as u8,
        multipliers: [(); 2].map(|()| real(random)),
    })
}

/// Windows that see something of the input.
fn pool(random: &mut Random, size: [u16; 3], kernel: [u16; 2]) -> Other {
    let stride = [(); 2].map(|()| 1 + random.below(3));
    let padding = kernel.map(|side| random.below(side.into()));
    let side = |axis: usize| (size[axis] + padding[axis] - 1) / stride[axis] + 1;
    Other::MaxPool(MaxPool {
        input: place(size),
        output: place([side(0), side(1), size[2]]),
        kernel,
        stride,
        padding,
    })
}

fn slopes(random: &mut Random, size: [u16; 3]) -> Other {
    Other::Prelu(Prelu {
        place: place(size),
        input_zero_point: random.next() as u8,
        output_zero_point: random.next() as u8,
        multiplier: real(random),
        slopes: 0,
    })
}

/// Computes a step by both; its outputs, and the ticks of the faster one.
fn compute(
    other: &Other,
    memory: &mut Memory,
    random: &mut Random,
    clock: &mut impl Clock,
) -> (u64, u64) {
    let (input, slopes) = (&mut memory.input, &mut memory.multipliers);
    random.fill(input);
    for slope in slopes.as_chunks_mut::<4>().0 {
        *slope = (real(random) - 1.5).to_le_bytes();
    }
    let [output, expected] = [&mut memory.output, &mut memory.expected].map(|values| {
        values.copy_from_slice(input);
        // What is added to, or multiplied.
        values.reverse();
        values
    });
    let before = clock.ticks();
    let length = match other {
        Other::Add(step) => {
            let length = step.place.len();
            add::native::add(step, &mut output[..length], &input[..length]);
            length
        }
        Other::MaxPool(step) => {
            let length = step.output.len();
            max_pool::native::max_pool(step, input, &mut output[..length]);
            length
        }
        Other::Prelu(step) => {
            let length = step.place.len();
            prelu::native::prelu(step, slopes, &mut output[..length]);
            length
        }
    };
    let ticks = clock.ticks() - before;
    let plain = &mut expected[..length];
    match other {
        Other::Add(step) => add::scalar::add(step, plain, &input[..length]),
        Other::MaxPool(step) => max_pool::scalar::max_pool(step, input, plain),
        Other::Prelu(step) => prelu::scalar::prelu(step, slopes, plain),
    }
    // Not part of what is measured.
    clock.ticks();
    // What follows must have stayed, too.
    if output != expected {
        eprintln!("error: differs: {other:?}");
        process::exit(1);
    }
    (length as u64, ticks)
}
