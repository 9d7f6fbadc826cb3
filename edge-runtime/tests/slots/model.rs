//! A model small enough to try everything with.

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use shared::artifact::golden::fill_input;
use shared::artifact::plan::{Conv2d, Place, PlanHeader};
use shared::artifact::{Artifact, Card, Contents, Contract, OperatingPoint, Step, write};
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};

const SIDE: u16 = 19;
const DIM: u16 = 4;
const INPUTS: usize = SIDE as usize * SIDE as usize;
pub(crate) const ARENA: usize = INPUTS + DIM as usize;

/// One fully connected layer of random weights.
pub(crate) fn model(seed: u32) -> Vec<u8> {
    let right = answers(&with_golden(seed, &[0; DIM as usize]));
    with_golden(seed, &right)
}

/// The same, with golden vectors that it does not answer.
pub(crate) fn wrong_model(seed: u32) -> Vec<u8> {
    let mut wrong = answers(&with_golden(seed, &[0; DIM as usize]));
    wrong[3] ^= 1;
    with_golden(seed, &wrong)
}

/// What it says to the made-up input.
fn answers(artifact: &[u8]) -> Vec<u8> {
    let artifact = Artifact::parse(artifact).unwrap();
    let mut engine = Int8Engine::new(artifact, vec![0; ARENA]).unwrap();
    let (mut input, mut output) = ([0; INPUTS], vec![0; DIM.into()]);
    fill_input(5, SIDE.into(), &mut input);
    engine.run(&input, &mut output).unwrap();
    output
}

fn with_golden(seed: u32, golden: &[u8]) -> Vec<u8> {
    let place = |offset: usize, height, width, channels| Place {
        offset: offset as u32,
        height,
        width,
        channels,
    };
    let (input, output) = (place(0, SIDE, SIDE, 1), place(INPUTS, 1, 1, DIM));
    let mut weights = vec![0; INPUTS * usize::from(DIM)];
    fill_input(seed, INPUTS, &mut weights);
    let [bias, multipliers] = [0, 4 * u32::from(DIM)].map(|after| weights.len() as u32 + after);
    weights.extend([0; 4 * DIM as usize]);
    weights.extend(
        [1.0f32 / 256.0; DIM as usize]
            .map(f32::to_le_bytes)
            .as_flattened(),
    );
    let step = Step::Conv2d(Conv2d {
        input,
        output,
        kernel: [SIDE, SIDE],
        stride: [1, 1],
        padding: [0, 0],
        input_zero_point: 0,
        output_zero_point: 128,
        weights: 0,
        bias,
        multipliers,
    });
    let contents = Contents {
        contract: &Contract {
            preprocess: PicturePreprocess {
                width: SIDE,
                height: SIDE,
                colour: Colour::Grey,
                tone: Tone::Keep,
                crop: Crop::Whole,
                fit: Fit::Stretch,
                quantization: Quantization {
                    scale: 1.0,
                    zero_point: 0,
                },
            }
            .into(),
            comparison: Comparison {
                embedding: EmbeddingFormat {
                    dim: DIM,
                    normalized: true,
                    zero_point: 128,
                    scale: EmbeddingFormat::UNIT_SCALE,
                },
                distance: Distance::Cosine,
                fusion: Fusion::Prototype,
            },
        },
        plan: &PlanHeader {
            arena_len: ARENA as u32,
            input,
            output,
            steps: 1,
        },
        steps: &[step],
        weights: &weights,
        measured_on: "nothing",
        operating_points: &[OperatingPoint {
            far_target: 0.1,
            shots: 1,
            threshold: 0.5,
            margin: 0.0,
            far: 0.0,
            far_upper: 0.1,
            frr: 0.0,
            frr_upper: 0.1,
            impostors: 100,
            genuine: 10,
        }],
        golden: &[(5, golden)],
        card: &Card {
            name: "small",
            data: "none",
            terms: "none",
            onnx_sha256: [0; 32],
        },
        quality: None,
        cohort: None,
    };
    let mut bytes = vec![0; 4096];
    let (length, _) = write(&contents, &mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}
