//! Bounds of the steps that compare.

use shared::artifact::plan::*;
use shared::artifact::{ArtifactError, Step};

use super::{compare, place};

const ARENA: u32 = 1024;

/// Input of 8 x 8, features of 4 x 4 in `conv`, normalized and compared, and upsampled.
fn steps() -> (Conv2d, UnitVectors, Compare, Upsample) {
    let features = place(64, [4, 4], 6);
    let conv = Conv2d {
        input: place(0, [8, 8], 1),
        output: features,
        kernel: [1, 1],
        stride: [2, 2],
        padding: [0, 0],
        input_zero_point: 0,
        output_zero_point: 100,
        weights: 0,
        bias: 8,
        multipliers: 32,
    };
    let vectors = UnitVectors {
        place: features,
        zero_point: 100,
    };
    let mut compare = compare([4, 4], 6, 2, true);
    compare.features.offset = 64;
    compare.output.offset = 160;
    let upsample = Upsample {
        input: compare.output,
        output: place(256, [8, 8], 5),
    };
    (conv, vectors, compare, upsample)
}

type Steps<'s> = (
    &'s mut Conv2d,
    &'s mut UnitVectors,
    &'s mut Compare,
    &'s mut Upsample,
);

fn parse(steps: &[Step], output: Place) -> Result<(usize, usize), ArtifactError> {
    let header = PlanHeader {
        arena_len: ARENA,
        input: place(0, [8, 8], 1),
        output,
        steps: steps.len() as u16,
    };
    let mut bytes = vec![0; 1024];
    let mut length = postcard::to_slice(&header, &mut bytes).unwrap().len();
    for step in steps {
        length += postcard::to_slice(step, &mut bytes[length..])
            .unwrap()
            .len();
    }
    let weights = [[1; 8].as_slice(), &[0; 24], &0.5f32.to_le_bytes().repeat(6)].concat();
    Plan::parse(&bytes[..length], &weights).map(|plan| (plan.reference_len(), plan.encoder_steps()))
}

/// What of a plan is refused after a change.
fn refusal(change: impl Fn(Steps<'_>)) -> (u16, &'static str) {
    let (mut conv, mut vectors, mut compare, mut upsample) = steps();
    change((&mut conv, &mut vectors, &mut compare, &mut upsample));
    let steps = [
        Step::Conv2d(conv),
        Step::UnitVectors(vectors),
        Step::Compare(compare),
        Step::Upsample(upsample),
    ];
    match parse(&steps, place(256, [8, 8], 5)) {
        Err(ArtifactError::Step { index, what }) => (index, what),
        other => panic!("expected a step to be refused, found {other:?}"),
    }
}

#[test]
fn a_plan_that_compares_states_its_record() {
    let (conv, vectors, compare, upsample) = steps();
    let steps = [
        Step::Conv2d(conv),
        Step::UnitVectors(vectors),
        Step::Compare(compare),
        Step::Upsample(upsample),
    ];
    // Two prototypes, and two of each of four cells, of six channels; sixteen locations.
    assert_eq!(parse(&steps, upsample.output), Ok((10 * 6 + 16, 2)));
    assert_eq!(Step::Compare(compare).macs(), 10 * 6 * 16);
    let none = [Step::Conv2d(conv)];
    assert_eq!(parse(&none, conv.output), Ok((0, 1)));
    // Twice the same features, which are there still.
    let again = Compare {
        output: place(256, [4, 4], 2),
        grid: 0,
        location: false,
        first: 76,
        ..compare
    };
    let twice = [steps[0], steps[1], steps[2], Step::Compare(again)];
    assert_eq!(parse(&twice, again.output), Ok((76 + 12, 2)));
}

#[test]
fn unit_vectors_out_of_bounds_are_refused() {
    let refused = |change: fn(&mut UnitVectors)| refusal(|(_, vectors, ..)| change(vectors));
    let of_another = "input, written by an earlier step";
    assert_eq!(refused(|v| v.place.offset = 65), (1, of_another));
    assert_eq!(refused(|v| v.place.channels = 5), (1, of_another));
    assert_eq!(
        refused(|v| v.place.offset = ARENA - 95),
        (1, "place in the arena")
    );
    assert_eq!(refused(|v| v.place.channels = 0), (1, "place in the arena"));
    let wide = |v: &mut UnitVectors| v.place = place(0, [1, 1], MAX_FEATURES as u16 + 1);
    assert_eq!(refused(wide), (1, "number of channels"));
}

#[test]
fn comparisons_out_of_bounds_are_refused() {
    let refused = |change: fn(&mut Compare)| refusal(|(.., compare, _)| change(compare));
    let of_another = "input, written by an earlier step";
    assert_eq!(refused(|c| c.features.offset = 60), (2, of_another));
    assert_eq!(
        refused(|c| c.output.offset = 159),
        (2, "place in the arena")
    );
    assert_eq!(
        refused(|c| c.output.offset = ARENA - 79),
        (2, "place in the arena")
    );
    assert_eq!(
        refused(|c| c.features.offset = ARENA),
        (2, "place in the arena")
    );
    // Neither higher, nor wider, nor of other channels.
    assert_eq!(refused(|c| c.output.height = 3), (2, "output size"));
    assert_eq!(refused(|c| c.output.width = 5), (2, "output size"));
    assert_eq!(refused(|c| c.output.channels = 4), (2, "output size"));
    assert_eq!(refused(|c| c.location = false), (2, "output size"));
    assert_eq!(refused(|c| c.grid = 0), (2, "output size"));
    assert_eq!(refused(|c| c.grid = 3), (2, "number of cells"));
    assert_eq!(refused(|c| c.grid = 8), (2, "number of cells"));
    assert_eq!(refused(|c| c.grid = u8::MAX), (2, "number of cells"));
    assert_eq!(
        refused(|c| c.first = 1),
        (2, "place in a reference's record")
    );
    assert_eq!(
        refused(|c| c.first = u32::MAX),
        (2, "place in a reference's record")
    );
    let wide = |c: &mut Compare| c.features = place(512, [1, 1], MAX_FEATURES as u16 + 1);
    assert_eq!(refused(wide), (2, "number of channels"));
    // Features of a part of the input only: 8 rows are no multiple of 3.
    let parts = |(conv, vectors, compare, _): Steps<'_>| {
        for place in [
            &mut conv.output,
            &mut vectors.place,
            &mut compare.features,
            &mut compare.output,
        ] {
            place.height = 3;
        }
        compare.grid = 1;
    };
    assert_eq!(
        refusal(parts),
        (2, "size of the features, a part of the input's")
    );
}

#[test]
fn features_come_from_the_encoder() {
    let (conv, vectors, compare, _) = steps();
    let again = |features| Compare {
        features,
        output: place(512, [4, 4], 5),
        first: 76,
        ..compare
    };
    let what = "features, written before the first comparison";
    let expected = Err(ArtifactError::Step { index: 4, what });
    let encoder = [
        Step::Conv2d(conv),
        Step::UnitVectors(vectors),
        Step::Compare(compare),
    ];
    // Written after it, elsewhere or in place.
    let elsewhere = Conv2d {
        output: place(256, [4, 4], 6),
        ..conv
    };
    for (step, features) in [
        (Step::Conv2d(elsewhere), elsewhere.output),
        (Step::UnitVectors(vectors), vectors.place),
    ] {
        let again = again(features);
        let steps = [&encoder[..], &[step, Step::Compare(again)]].concat();
        assert_eq!(parse(&steps, again.output), expected);
    }
    // The input is no map of features.
    let mut of_input = again(conv.input);
    of_input.output = place(512, [8, 8], 5);
    of_input.first = 0;
    let refused = parse(&[Step::Compare(of_input)], of_input.output);
    assert_eq!(refused, Err(ArtifactError::Step { index: 0, what }));
}

#[test]
fn records_are_of_a_bounded_length() {
    let input = place(0, [256, 256], 1);
    let features = place(1 << 16, [256, 256], 1);
    let header = |steps| PlanHeader {
        arena_len: 1 << 20,
        input,
        output: place(1 << 17, [256, 256], 3),
        steps,
    };
    let first = Compare {
        features,
        output: place(1 << 17, [256, 256], 3),
        grid: 0,
        location: true,
        first: 0,
    };
    let conv = Conv2d {
        input,
        output: features,
        stride: [1, 1],
        ..steps().0
    };
    let mut bytes = vec![0; 256];
    let mut length = postcard::to_slice(&header(2), &mut bytes).unwrap().len();
    for step in [Step::Conv2d(conv), Step::Compare(first)] {
        length += postcard::to_slice(&step, &mut bytes[length..])
            .unwrap()
            .len();
    }
    let weights = [[1; 8].as_slice(), &[0; 24], &0.5f32.to_le_bytes().repeat(6)].concat();
    let refused = Plan::parse(&bytes[..length], &weights)
        .map(|_| ())
        .unwrap_err();
    let what = "size of a reference's record";
    assert_eq!(refused, ArtifactError::Step { index: 1, what });
}

#[test]
fn upsampling_out_of_bounds_is_refused() {
    let refused = |change: fn(&mut Upsample)| refusal(|(.., upsample)| change(upsample));
    let of_another = "input, written by an earlier step";
    assert_eq!(refused(|u| u.input.offset = 161), (3, of_another));
    assert_eq!(
        refused(|u| u.output.channels = 4),
        (3, "number of channels")
    );
    assert_eq!(refused(|u| u.output.height = 7), (3, "output size"));
    assert_eq!(refused(|u| u.output.width = 9), (3, "output size"));
    assert_eq!(
        refused(|u| u.output.offset = 239),
        (3, "place in the arena")
    );
    assert_eq!(
        refused(|u| u.output.offset = ARENA - 319),
        (3, "place in the arena")
    );
}
