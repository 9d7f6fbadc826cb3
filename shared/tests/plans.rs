//! Steps that a plan may not have: every bound of a step is checked when it is parsed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use shared::artifact::plan::{
    self, Add, Conv2d, Gru, MAX_BIAS, MAX_MULTIPLIER, Place, Plan, PlanHeader, Prelu, SequenceMean,
};
use shared::artifact::{ArtifactError, Step};

const ARENA: u32 = 256;

/// Offsets in [`weights`].
const FILTERS: u32 = 0;
const BIAS: u32 = 100;
const MULTIPLIERS: u32 = 108;
const SLOPES: u32 = 116;
const END: u32 = 124;

fn place(offset: u32, side: u16, channels: u16) -> Place {
    Place {
        offset,
        height: side,
        width: side,
        channels,
    }
}

/// Filters of 50 weights at most for two channels, and their other constants.
fn weights() -> Vec<u8> {
    let mut weights = vec![3; BIAS as usize];
    weights.extend([5i32, -7].iter().flat_map(|bias| bias.to_le_bytes()));
    let reals = [0.5f32, 0.25, -0.5, 2.0];
    weights.extend(reals.iter().flat_map(|real| real.to_le_bytes()));
    weights
}

/// A residual block: a depthwise convolution, PReLU, and the sum with what it read.
fn block() -> (Conv2d, Prelu, Add) {
    let (input, output) = (place(0, 4, 2), place(64, 4, 2));
    let conv = Conv2d {
        input,
        output,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        input_zero_point: 1,
        output_zero_point: 2,
        weights: FILTERS,
        bias: BIAS,
        multipliers: MULTIPLIERS,
    };
    let prelu = Prelu {
        place: output,
        input_zero_point: 2,
        output_zero_point: 3,
        multiplier: 1.5,
        slopes: SLOPES,
    };
    let add = Add {
        place: output,
        other: input,
        zero_points: [3, 1],
        output_zero_point: 0,
        multipliers: [0.5, 0.0],
    };
    (conv, prelu, add)
}

fn parse(steps: &[Step], weights: &[u8]) -> Result<u64, ArtifactError> {
    let header = PlanHeader {
        arena_len: ARENA,
        input: place(0, 4, 2),
        output: place(64, 4, 2),
        steps: steps.len() as u16,
    };
    let mut bytes = vec![0; 1024];
    let mut length = postcard::to_slice(&header, &mut bytes).unwrap().len();
    for step in steps {
        length += postcard::to_slice(step, &mut bytes[length..])
            .unwrap()
            .len();
    }
    Plan::parse(&bytes[..length], weights).map(|plan| plan.macs())
}

/// Why the block is refused after a change.
fn refusal(change: impl Fn(&mut Conv2d, &mut Prelu, &mut Add)) -> (u16, &'static str) {
    let (mut conv, mut prelu, mut add) = block();
    change(&mut conv, &mut prelu, &mut add);
    let steps = [
        Step::DepthwiseConv2d(conv),
        Step::Prelu(prelu),
        Step::Add(add),
    ];
    match parse(&steps, &weights()) {
        Err(ArtifactError::Step { index, what }) => (index, what),
        other => panic!("expected a step to be refused, found {other:?}"),
    }
}

#[test]
fn a_residual_block_is_read() {
    let (conv, prelu, add) = block();
    let steps = [
        Step::DepthwiseConv2d(conv),
        Step::Prelu(prelu),
        Step::Add(add),
    ];
    assert_eq!(parse(&steps, &weights()), Ok(9 * 32));
}

#[test]
fn depthwise_convolutions_out_of_bounds_are_refused() {
    let refused = |change: fn(&mut Conv2d)| refusal(|conv, _, _| change(conv));
    assert_eq!(
        refused(|conv| conv.output.channels = 1),
        (0, "number of channels")
    );
    // A window that sees none of the input; one that ends before it.
    assert_eq!(refused(|conv| conv.stride = [3, 1]), (0, "output size"));
    assert_eq!(refused(|conv| conv.padding = [1, 3]), (0, "output size"));
    assert_eq!(
        refused(|conv| conv.output.offset = 31),
        (0, "place in the arena")
    );
    assert_eq!(
        refused(|conv| conv.output.offset = ARENA - 31),
        (0, "place in the arena")
    );
    // Two filters of nine weights end at the last byte, or beyond.
    assert_eq!(
        refused(|conv| conv.weights = END - 16),
        (0, "place of weights")
    );
    assert_eq!(refused(|conv| conv.bias = END - 4), (0, "place of bias"));
    assert_eq!(refused(|conv| conv.bias = 1), (0, "place of bias"));
    assert_eq!(
        refused(|conv| conv.multipliers = END),
        (0, "place of multipliers")
    );
    assert_eq!(refused(|conv| conv.multipliers = SLOPES), (0, "multiplier"));
    assert_eq!(refused(|conv| conv.bias = SLOPES), (0, "bias"));
    assert_eq!(refused(|conv| conv.kernel = [0, 3]), (0, "filter size"));
}

#[test]
fn prelus_out_of_bounds_are_refused() {
    let refused = |change: fn(&mut Prelu)| refusal(|_, prelu, _| change(prelu));
    let of_another = "input, written by an earlier step";
    assert_eq!(refused(|prelu| prelu.place.offset = 65), (1, of_another));
    assert_eq!(refused(|prelu| prelu.place.channels = 1), (1, of_another));
    assert_eq!(
        refused(|prelu| prelu.place.offset = ARENA),
        (1, "place in the arena")
    );
    assert_eq!(
        refused(|prelu| prelu.slopes = END - 4),
        (1, "place of slopes")
    );
    for multiplier in [f32::NAN, -1.0, MAX_MULTIPLIER, f32::INFINITY] {
        assert_eq!(
            refusal(|_, prelu, _| prelu.multiplier = multiplier),
            (1, "multiplier")
        );
    }
    for slope in [f32::NAN, f32::NEG_INFINITY, -MAX_MULTIPLIER] {
        let mut weights = weights();
        weights[SLOPES as usize..][..4].copy_from_slice(&slope.to_le_bytes());
        let steps = [Step::DepthwiseConv2d(block().0), Step::Prelu(block().1)];
        let what = "slope";
        assert_eq!(
            parse(&steps, &weights),
            Err(ArtifactError::Step { index: 1, what })
        );
    }
}

#[test]
fn sums_out_of_bounds_are_refused() {
    let refused = |change: fn(&mut Add)| refusal(|_, _, add| change(add));
    let of_another = "input, written by an earlier step";
    assert_eq!(refused(|add| add.place.offset = 96), (2, of_another));
    assert_eq!(refused(|add| add.other.offset = 128), (2, of_another));
    assert_eq!(
        refused(|add| add.other.channels = 1),
        (2, "shape of the addends")
    );
    assert_eq!(
        refused(|add| add.other = add.place),
        (2, "place in the arena")
    );
    assert_eq!(
        refused(|add| add.other.offset = ARENA - 1),
        (2, "place in the arena")
    );
    for multiplier in [f32::NAN, -1.0, MAX_MULTIPLIER, f32::INFINITY] {
        for addend in 0..2 {
            assert_eq!(
                refusal(|_, _, add| add.multipliers[addend] = multiplier),
                (2, "multiplier")
            );
        }
    }
}

#[test]
fn biases_beyond_the_largest_are_refused() {
    for (bias, fits) in [(MAX_BIAS, true), (-MAX_BIAS, true), (MAX_BIAS + 1, false)] {
        let mut weights = weights();
        weights[BIAS as usize..][..4].copy_from_slice(&bias.to_le_bytes());
        let parsed = parse(&[Step::DepthwiseConv2d(block().0)], &weights);
        assert_eq!(parsed.is_ok(), fits, "{parsed:?}");
    }
}

#[test]
fn copies_out_of_bounds_are_refused() {
    let (conv, ..) = block();
    let (input, output) = (conv.input, conv.output);
    let whole = plan::Copy {
        input,
        output,
        from: [0, 0],
        to: [0, 0],
        size: [4, 4],
    };
    let parsed = |change: fn(&mut plan::Copy)| {
        let mut copy = whole;
        change(&mut copy);
        match parse(&[Step::Copy(copy)], &weights()) {
            Ok(macs) => Ok(macs),
            Err(ArtifactError::Step { what, .. }) => Err(what),
            Err(other) => panic!("expected a step to be refused, found {other}"),
        }
    };
    assert_eq!(parsed(|_| ()), Ok(0));
    for change in [
        (|copy| copy.size = [0, 4]) as fn(&mut plan::Copy),
        |copy| copy.size = [4, 5],
        |copy| copy.size = [5, 4],
        |copy| copy.from = [1, 0],
        |copy| copy.to = [0, 1],
        |copy| copy.from = [u16::MAX, 0],
    ] {
        assert_eq!(parsed(change), Err("rectangle"));
    }
    assert_eq!(
        parsed(|copy| copy.output.channels = 1),
        Err("number of channels")
    );
    assert_eq!(
        parsed(|copy| copy.output.offset = 31),
        Err("place in the arena")
    );
}

/// Rows, columns, height and width of rectangles.
type Rectangle = [u16; 4];

#[test]
fn a_map_is_read_only_when_all_its_rectangles_are_there() {
    let (conv, ..) = block();
    let (input, output) = (conv.input, conv.output);
    let parsed = |rectangles: &[Rectangle]| {
        let copies = rectangles.iter().map(|&[row, column, rows, columns]| {
            Step::Copy(plan::Copy {
                input,
                output,
                from: [row, column],
                to: [row, column],
                size: [rows, columns],
            })
        });
        parse(&copies.collect::<Vec<_>>(), &weights())
    };
    let not_whole = Err(ArtifactError::Contract("place of the output"));
    let wholes: [&[Rectangle]; 5] = [
        &[[0, 0, 4, 4]],
        &[[0, 0, 1, 4], [1, 0, 3, 4]],
        &[[0, 0, 4, 1], [0, 1, 4, 3]],
        &[[0, 0, 1, 3], [0, 3, 1, 1], [1, 0, 3, 2], [1, 2, 3, 2]],
        // Begun anew.
        &[[0, 0, 1, 4], [0, 0, 4, 4]],
    ];
    for whole in wholes {
        assert_eq!(parsed(whole), Ok(0), "{whole:?}");
    }
    let parts: [&[Rectangle]; 3] = [
        &[[0, 0, 1, 1]],
        &[[0, 0, 3, 4]],
        &[[0, 0, 4, 4], [0, 0, 1, 1]],
    ];
    for incomplete in parts {
        assert_eq!(parsed(incomplete), not_whole, "{incomplete:?}");
    }
    let strays: [(u16, &[Rectangle]); 5] = [
        (0, &[[1, 0, 3, 4]]),
        (1, &[[0, 0, 1, 4], [2, 0, 2, 4]]),
        (1, &[[0, 0, 2, 2], [0, 2, 1, 2]]),
        (1, &[[0, 0, 4, 4], [1, 0, 3, 4]]),
        (1, &[[0, 0, 4, 1], [0, 2, 4, 2]]),
    ];
    for (index, astray) in strays {
        let what = "rectangle that goes on where the one before it ended";
        let expected = Err(ArtifactError::Step { index, what });
        assert_eq!(parsed(astray), expected, "{astray:?}");
    }
}

#[test]
fn nothing_is_written_over_a_map_between_its_rectangles() {
    let (conv, ..) = block();
    let (input, output) = (conv.input, conv.output);
    let copy = |row: u16, output| {
        Step::Copy(plan::Copy {
            input,
            output,
            from: [row, 0],
            to: [row, 0],
            size: [2, 4],
        })
    };
    // A map one byte on, which lies over most of it.
    let beside = Place {
        offset: output.offset + 1,
        ..output
    };
    let what = "rectangle that goes on where the one before it ended";
    assert_eq!(
        parse(
            &[copy(0, output), copy(0, beside), copy(2, output)],
            &weights()
        ),
        Err(ArtifactError::Step { index: 2, what })
    );
}

/// Two units in each direction over three channels, and the mean over their steps.
fn sequence() -> (Gru, SequenceMean, Vec<u8>) {
    let rows = |offset, channels| Place {
        offset,
        height: 4,
        width: 1,
        channels,
    };
    let gru = Gru {
        input: rows(0, 3),
        output: rows(64, 4),
        state: place(32, 1, 6),
        bidirectional: true,
        weights: 4,
    };
    let mean = SequenceMean {
        input: gru.output,
        output: place(96, 1, 4),
        input_zero_point: 128,
        output_zero_point: 100,
        multiplier: 1 << 24,
    };
    let one: usize = gru.weights_len().iter().sum();
    (gru, mean, vec![1; 4 + 2 * one])
}

fn sequence_refusal(change: impl Fn(&mut Gru, &mut SequenceMean, &mut Vec<u8>)) -> ArtifactError {
    let (mut gru, mut mean, mut weights) = sequence();
    change(&mut gru, &mut mean, &mut weights);
    let header = PlanHeader {
        arena_len: ARENA,
        input: gru.input,
        output: mean.output,
        steps: 2,
    };
    let mut bytes = vec![0; 256];
    let mut length = postcard::to_slice(&header, &mut bytes).unwrap().len();
    for step in [Step::Gru(gru), Step::SequenceMean(mean)] {
        let written = postcard::to_slice(&step, &mut bytes[length..]).unwrap();
        length += written.len();
    }
    let plan = Plan::parse(&bytes[..length], &weights);
    plan.err().unwrap_or(ArtifactError::Magic)
}

#[test]
fn recurrent_layers_out_of_bounds_are_refused() {
    let (gru, ..) = sequence();
    assert_eq!(sequence_refusal(|_, _, _| {}), ArtifactError::Magic);
    assert_eq!(Step::Gru(gru).macs(), 4 * 4 * 3 * (3 + 2));
    let refused =
        |change: &dyn Fn(&mut Gru, &mut SequenceMean, &mut Vec<u8>)| match sequence_refusal(change)
        {
            ArtifactError::Step { index, what } => (index, what),
            other => panic!("expected a step to be refused, found {other:?}"),
        };
    type Change<'c> = &'c dyn Fn(&mut Gru, &mut SequenceMean, &mut Vec<u8>);
    let cases: [(Change<'_>, (u16, &str)); 9] = [
        (
            &|gru, _, _| gru.output.width = 2,
            (0, "shape of a sequence"),
        ),
        (
            &|gru, _, _| gru.output.height = 3,
            (0, "shape of a sequence"),
        ),
        (&|gru, _, _| gru.output.channels = 5, (0, "number of units")),
        (&|gru, _, _| gru.output.channels = 1, (0, "number of units")),
        (
            &|gru, _, _| gru.state.channels = 5,
            (0, "size of the state"),
        ),
        (
            &|_, _, weights| weights.truncate(weights.len() - 1),
            (0, "place of weights"),
        ),
        (&|gru, _, _| gru.weights = 3, (0, "place of weights")),
        (
            &|_, mean, _| mean.output.channels = 3,
            (1, "number of channels"),
        ),
        (&|_, mean, _| mean.multiplier = -1, (1, "multiplier")),
    ];
    for (case, (change, expected)) in cases.into_iter().enumerate() {
        assert_eq!(refused(change), expected, "case {case}");
    }
    // Over the input, over the output, out of the arena.
    for offset in [10, 60, 64, 251] {
        let refused = refused(&|gru, _, _| gru.state.offset = offset);
        assert_eq!(refused, (0, "place in the arena"));
    }
    // The last row's bias and multiplier of the states.
    let last = |back: usize, value: i32| {
        move |_: &mut Gru, _: &mut SequenceMean, weights: &mut Vec<u8>| {
            let at = weights.len() - back;
            weights[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    };
    assert_eq!(refused(&last(8, MAX_BIAS + 1)), (0, "bias"));
    assert_eq!(refused(&last(8, i32::MIN)), (0, "bias"));
    assert_eq!(refused(&last(4, -1)), (0, "multiplier"));
    // The state is written too: what lay there is no value any more.
    assert_eq!(
        refused(&|_, mean, _| mean.input.offset = 32),
        (1, "input, written by an earlier step")
    );
}
