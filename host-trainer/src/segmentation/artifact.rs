//! The device artifact of a network that segments.

use anyhow::{Context, Result};
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::segment_golden;
use shared::artifact::{Artifact, Card, Contents, Contract, write};
use shared::preprocess::Quantization;
use shared::segmentation::RecordShape;
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat, Preprocess};

use crate::export::plan::DevicePlan;

/// Seeds of the golden vectors: one of bars, one of noise. A vector is as large as a picture.
const GOLDEN_SEEDS: [u32; 2] = [2, 3];

/// An artifact that runs, to measure with; it never leaves the trainer.
///
/// # Errors
/// As [`finish`].
pub fn draft(plan: DevicePlan, preprocess: Preprocess, output: Quantization) -> Result<Vec<u8>> {
    let card = Card {
        name: "unmeasured",
        data: "",
        terms: "",
        onnx_sha256: [0; 32],
    };
    let blank = vec![0; plan.header.output.len()];
    let golden = [(GOLDEN_SEEDS[0], blank.as_slice())];
    encode(&plan, &contract(&plan, preprocess, output), &golden, &card)
}

/// The artifact, its golden vectors computed by the int8 engine.
///
/// # Errors
/// When contract and plan contradict each other.
pub fn finish(
    plan: DevicePlan,
    preprocess: Preprocess,
    output: Quantization,
    card: &Card<'_>,
) -> Result<Vec<u8>> {
    let bytes = draft(plan.clone(), preprocess, output)?;
    let artifact = Artifact::parse(&bytes).context("the plan made here is refused")?;
    let (record_len, pixels) = (artifact.plan().reference_len(), plan.header.output.len());
    let mut engine = Int8Engine::new(artifact.clone(), vec![0; artifact.plan().arena_len()])?;
    let (mut mask, mut record) = (vec![0; pixels], vec![0; record_len]);
    let mut golden = vec![];
    for seed in GOLDEN_SEEDS {
        let mut expected = vec![0; pixels];
        segment_golden(&mut engine, seed, &mut mask, &mut record, &mut expected)?;
        golden.push((seed, expected));
    }
    let golden: Vec<(u32, &[u8])> = golden.iter().map(|(s, e)| (*s, e.as_slice())).collect();
    encode(&plan, &contract(&plan, preprocess, output), &golden, card)
}

fn contract(plan: &DevicePlan, preprocess: Preprocess, output: Quantization) -> Contract {
    let shape = RecordShape::new(plan.reference_len());
    Contract {
        preprocess,
        comparison: Comparison {
            embedding: EmbeddingFormat {
                dim: shape.dim as u16,
                normalized: false,
                zero_point: output.zero_point,
                scale: EmbeddingFormat::UNIT_SCALE,
            },
            distance: Distance::Cosine,
            fusion: Fusion::Prototype,
        },
    }
}

fn encode(
    plan: &DevicePlan,
    contract: &Contract,
    golden: &[(u32, &[u8])],
    card: &Card<'_>,
) -> Result<Vec<u8>> {
    let contents = Contents {
        contract,
        plan: &plan.header,
        steps: &plan.steps,
        weights: &plan.weights,
        measured_on: "",
        // It makes no decisions.
        operating_points: &[],
        golden,
        card,
        quality: None,
        cohort: None,
    };
    let vectors: usize = golden.iter().map(|(_, expected)| expected.len() + 4).sum();
    let room = plan.weights.len() + vectors + (64 << 10) + 128 * plan.steps.len();
    let mut bytes = vec![0; room];
    let (length, _) = write(&contents, &mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}
