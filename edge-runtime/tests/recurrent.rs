//! Recurrent layers against their definition, written as naively as can be, and one step at a
//! time.

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::engine::int8::stream::StreamEngine;
use edge_runtime::kernels::{InstructionSet, gru, sequence_mean};
use proptest::prelude::*;
use shared::artifact::plan::{Conv2d, Gru, Place, PlanHeader, SequenceMean};
use shared::artifact::{Artifact, Card, Contents, Contract, OperatingPoint, Step, write};
use shared::preprocess::pen::{FEATURES, PenPreprocess, Sampling, Scale};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};

/// A recurrent layer with its constants and an input.
#[derive(Clone, Debug)]
struct Case {
    gru: Gru,
    weights: Vec<u8>,
    input: Vec<u8>,
}

fn place(offset: usize, height: u16, channels: usize) -> Place {
    Place {
        offset: offset as u32,
        height,
        width: 1,
        channels: channels as u16,
    }
}

fn layer(steps: u16, channels: usize, units: usize, bidirectional: bool) -> Gru {
    let outputs = units * (1 + usize::from(bidirectional));
    Gru {
        input: place(0, steps, channels),
        output: place(0, steps, outputs),
        state: place(0, 1, 3 * units),
        bidirectional,
        weights: 0,
    }
}

/// The four constants of a row.
type Row = (i32, i32, i32, i32);

/// Weights whose gates take all values: a few units of a sum make one of a gate.
fn weights(gru: &Gru) -> impl Strategy<Value = Vec<u8>> + use<> {
    let [inputs, states, constants] = gru.weights_len();
    let row = (
        -1_000_000i32..1_000_000,
        1i32..40_000_000,
        -100_000i32..100_000,
        0i32..40_000_000,
    );
    let direction = (
        prop::collection::vec(any::<u8>(), inputs + states),
        prop::collection::vec(row, constants / 16),
    );
    prop::collection::vec(direction, gru.directions()).prop_map(|directions| {
        let bytes = |(weights, rows): (Vec<u8>, Vec<Row>)| {
            let rows = rows.into_iter().flat_map(|(a, b, c, d)| [a, b, c, d]);
            let rows = rows.flat_map(i32::to_le_bytes);
            weights.into_iter().chain(rows).collect::<Vec<u8>>()
        };
        directions.into_iter().flat_map(bytes).collect()
    })
}

fn case() -> impl Strategy<Value = Case> {
    (1u16..9, 1usize..14, 1usize..11, any::<bool>()).prop_flat_map(
        |(steps, channels, units, bidirectional)| {
            let gru = layer(steps, channels, units, bidirectional);
            let input = prop::collection::vec(any::<u8>(), gru.input.len());
            // Now and then a row that is no step.
            let end = 0..=2 * usize::from(steps);
            (weights(&gru), input, end).prop_map(move |(weights, mut input, end)| {
                if let Some(first) = input.get_mut(end * channels) {
                    *first = 0;
                }
                Case {
                    gru,
                    weights,
                    input,
                }
            })
        },
    )
}

/// `S` of `shared/docs/int8-arithmetic.md`.
fn table(index: i64) -> i64 {
    (32768.0 / (1.0 + (-(index as f64) / 16.0).exp())).round() as i64
}

fn sigmoid(input: i64) -> i64 {
    let a = input.abs().min(32767);
    let (i, f) = (a >> 8, a & 255);
    let s = (table(i) * (256 - f) + table(i + 1) * f + 128) >> 8;
    if input >= 0 { s } else { 32768 - s }
}

fn sat(value: i64) -> i64 {
    value.clamp(-32768, 32767)
}

fn tanh(input: i64) -> i64 {
    2 * sigmoid(sat(2 * input)) - 32768
}

/// The layer by its definition.
fn naive(case: &Case) -> Vec<u8> {
    let gru = &case.gru;
    let (channels, units) = (usize::from(gru.input.channels), gru.units());
    let outputs = usize::from(gru.output.channels);
    let rows: Vec<&[u8]> = case.input.chunks(channels).collect();
    let count = rows
        .iter()
        .position(|row| row[0] == 0)
        .unwrap_or(rows.len());
    let mut output = vec![0; gru.output.len()];
    let [of_inputs, of_states, constants] = gru.weights_len();
    for direction in 0..gru.directions() {
        let start = direction * (of_inputs + of_states + constants);
        let weight = |at: usize| i64::from(case.weights[start + at] as i8);
        let constant = |row: usize, which: usize| {
            let at = start + of_inputs + of_states + 16 * row + 4 * which;
            i64::from(i32::from_le_bytes(
                case.weights[at..at + 4].try_into().expect("four bytes"),
            ))
        };
        let mut states = vec![0i64; units];
        for step in 0..count {
            let row = if direction == 0 {
                step
            } else {
                count - 1 - step
            };
            let bytes: Vec<i64> = states.iter().map(|h| byte(*h)).collect();
            let cut = |value: i64| value.clamp(-(1 << 20), 1 << 20);
            let gate = |gate: usize, unit: usize| {
                let r = gate * units + unit;
                let x: i64 = (0..channels)
                    .map(|c| i64::from(rows[row][c]) * weight(r * channels + c))
                    .sum();
                let b: i64 = (0..units)
                    .map(|u| bytes[u] * weight(of_inputs + r * units + u))
                    .sum();
                [
                    cut(((constant(r, 0) + x) * constant(r, 1) + (1 << 23)) >> 24),
                    cut(((constant(r, 2) + b) * constant(r, 3) + (1 << 23)) >> 24),
                ]
            };
            let after = (0..units).map(|unit| {
                let r = sigmoid(sat(gate(0, unit).iter().sum()));
                let z = sigmoid(sat(gate(1, unit).iter().sum()));
                let [x, h] = gate(2, unit);
                let n = tanh(sat(x + ((r * h + (1 << 14)) >> 15)));
                n + ((z * (states[unit] - n) + (1 << 14)) >> 15)
            });
            states = after.collect();
            for (unit, state) in states.iter().enumerate() {
                output[row * outputs + direction * units + unit] = byte(*state) as u8;
            }
        }
    }
    output
}

fn byte(state: i64) -> i64 {
    (128 + ((state + 128) >> 8)).clamp(1, 255)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn units_compute_what_is_written(case in case()) {
        let mut output = vec![7; case.gru.output.len()];
        let mut state = vec![9; case.gru.state.len()];
        gru::scalar::gru(&case.gru, &case.weights, &case.input, &mut state, &mut output);
        prop_assert_eq!(output, naive(&case));
    }

    #[test]
    fn means_are_rounded_as_is_written(
        channels in 1usize..9,
        rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 9), 1..30),
        zero_points: [u8; 2],
        multiplier in 0i32..=i32::MAX,
    ) {
        let step = SequenceMean {
            input: place(0, rows.len() as u16, channels),
            output: place(0, 1, channels),
            input_zero_point: zero_points[0],
            output_zero_point: zero_points[1],
            multiplier: multiplier >> (rows.len() % 9),
        };
        let input: Vec<u8> = rows.iter().flat_map(|row| &row[..channels]).copied().collect();
        let count = rows.iter().position(|row| row[0] == 0).unwrap_or(rows.len());
        let mut output = vec![0; channels];
        sequence_mean::scalar::sequence_mean(&step, &input, &mut output);
        for (channel, found) in output.into_iter().enumerate() {
            let values = rows[..count].iter().map(|row| i128::from(row[channel]));
            let sum: i128 = values.map(|x| x - i128::from(zero_points[0])).sum();
            // The nearest integer, halves up: the largest one not above the mean and a half.
            let (steps, m) = (count as i128, i128::from(step.multiplier));
            let (top, bottom) = (2 * sum * m + (steps << 24), steps << 25);
            let nearest = if steps == 0 { 0 } else { top.div_euclid(bottom) };
            let expected = (i128::from(zero_points[1]) + nearest).clamp(0, 255);
            prop_assert_eq!(i128::from(found), expected);
        }
    }

    /// Two layers, the mean and a dense layer: both engines over the whole sequence, and one
    /// step at a time.
    #[test]
    fn one_step_at_a_time_gives_the_same_bytes(
        (first, second) in stack(),
        input in prop::collection::vec(any::<u8>(), usize::from(STEPS) * FEATURES),
        dense in prop::collection::vec(any::<i8>(), UNITS * DIM),
        end in 0..=2 * usize::from(STEPS),
    ) {
        let mut input = input;
        if let Some(first) = input.get_mut(end * FEATURES) {
            *first = 0;
        }
        let bytes = artifact(&first, &second, &dense);
        let artifact = Artifact::parse(&bytes).expect("a model of this format");
        let (mut whole, mut packed, mut stepwise) = ([1; DIM], [2; DIM], [3; DIM]);
        let mut engine = Int8Engine::new(artifact.clone(), vec![0; artifact.plan().arena_len()]).expect("room");
        engine.run(&input, &mut whole).expect("a checked plan");
        let mut engine = PackedInt8Engine::new(artifact.clone(), InstructionSet::fastest()).expect("a checked plan");
        engine.run(&input, &mut packed).expect("a checked plan");
        let room = StreamEngine::<Vec<u8>>::memory_len(&artifact).expect("layers that look back only");
        prop_assert!(room < artifact.plan().arena_len() / 2);
        let mut engine = StreamEngine::new(artifact, vec![0; room]).expect("room");
        for _ in 0..2 {
            engine.begin();
            for row in input.chunks(FEATURES).take_while(|row| row[0] != 0) {
                engine.step(row).expect("a row");
            }
            engine.finish(&mut stepwise).expect("a checked plan");
        }
        prop_assert_eq!(whole, packed);
        prop_assert_eq!(whole, stepwise);
    }
}

const STEPS: u16 = 40;
const UNITS: usize = 9;
const DIM: usize = 5;

fn stack() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let first = weights(&layer(STEPS, FEATURES, UNITS, false));
    (first, weights(&layer(STEPS, UNITS, UNITS, false)))
}

/// A model of two recurrent layers with these weights.
fn artifact(first: &[u8], second: &[u8], dense: &[i8]) -> Vec<u8> {
    let mut weights = first.to_vec();
    let mut append = |bytes: &[u8]| {
        weights.resize(weights.len().next_multiple_of(4), 0);
        weights.extend_from_slice(bytes);
        (weights.len() - bytes.len()) as u32
    };
    let second = append(second);
    let filters = append(&dense.iter().map(|w| *w as u8).collect::<Vec<u8>>());
    let bias = append(&[0; 4 * DIM]);
    let multipliers = append(&[0.01f32; DIM].map(f32::to_le_bytes).concat());
    let rows = usize::from(STEPS);
    let input = place(0, STEPS, FEATURES);
    let a = place(input.len(), STEPS, UNITS);
    let b = place(input.len() + rows * UNITS, STEPS, UNITS);
    let state = place(input.len() + 2 * rows * UNITS, 1, 3 * UNITS);
    let mean = place(0, 1, UNITS);
    let output = place(UNITS, 1, DIM);
    let gru = |input, output, weights| {
        Step::Gru(Gru {
            input,
            output,
            state,
            bidirectional: false,
            weights,
        })
    };
    let steps = [
        gru(input, a, 0),
        gru(a, b, second),
        Step::SequenceMean(SequenceMean {
            input: b,
            output: mean,
            input_zero_point: 128,
            output_zero_point: 120,
            multiplier: 40 << 20,
        }),
        Step::Conv2d(Conv2d {
            input: mean,
            output,
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
            input_zero_point: 120,
            output_zero_point: 128,
            weights: filters,
            bias,
            multipliers,
        }),
    ];
    let point = OperatingPoint {
        far_target: 0.1,
        shots: 1,
        threshold: 1.0,
        margin: 0.0,
        far: 0.0,
        far_upper: 1.0,
        frr: 0.0,
        frr_upper: 1.0,
        impostors: 1,
        genuine: 1,
    };
    let contents = Contents {
        contract: &Contract {
            preprocess: PenPreprocess {
                steps: STEPS,
                sampling: Sampling::Time(20),
                scale: Scale::Device {
                    unit: 100,
                    pressure: 1023,
                },
            }
            .into(),
            comparison: Comparison {
                embedding: EmbeddingFormat {
                    dim: DIM as u16,
                    normalized: true,
                    zero_point: 128,
                    scale: EmbeddingFormat::UNIT_SCALE,
                },
                distance: Distance::Euclidean,
                fusion: Fusion::Prototype,
            },
        },
        plan: &PlanHeader {
            arena_len: state.offset + state.len() as u32,
            input,
            output,
            steps: 4,
        },
        steps: &steps,
        weights: &weights,
        measured_on: "nobody",
        operating_points: &[point],
        golden: &[(3, &[0; DIM])],
        quality: None,
        cohort: None,
        card: &Card {
            name: "recurrent",
            data: "none",
            terms: "none",
            onnx_sha256: [0; 32],
        },
    };
    let mut bytes = vec![0; 1 << 16];
    let (length, _) = write(&contents, &mut bytes).expect("room");
    bytes.truncate(length);
    bytes
}
