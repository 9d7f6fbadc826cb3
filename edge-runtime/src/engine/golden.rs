//! Golden vectors of networks that compare a picture with references of a structure.

#[cfg(feature = "std")]
use std::vec;

#[cfg(feature = "std")]
use shared::artifact::Artifact;
use shared::artifact::Golden;
use shared::artifact::golden::{fill_input, fill_mask};
use shared::segmentation::References;

#[cfg(feature = "std")]
use super::self_test;
use super::{EngineError, SegmentationEngine};

/// Runs one golden vector: makes the input of `seed`, a reference of it with the mask that
/// [`fill_mask`] makes of it, and segments the same input with that one reference.
///
/// `mask` and `output` have a byte for each pixel of the input, `record` has
/// [`Plan::reference_len`](shared::artifact::Plan::reference_len) bytes. `output` is what a
/// golden vector of that seed must say.
///
/// # Errors
/// As [`SegmentationEngine::reference_in_place`] and [`SegmentationEngine::segment_in_place`].
pub fn segment_golden(
    engine: &mut impl SegmentationEngine,
    seed: u32,
    mask: &mut [u8],
    record: &mut [i8],
    output: &mut [u8],
) -> Result<(), EngineError> {
    let shape = engine.contract().preprocess.shape();
    let input = engine.memory().input;
    fill_input(seed, shape.row_len(), input);
    fill_mask(input, shape.channels.into(), mask);
    engine.reference_in_place(mask, record)?;
    // The encoder may have overwritten it.
    fill_input(seed, shape.row_len(), engine.memory().input);
    let references = References::new(record, record.len());
    engine.segment_in_place(references, output)
}

/// Runs the golden vectors of a network that compares with references: how many came out
/// right, and how many there are. Buffers are as for [`segment_golden`].
///
/// # Errors
/// As [`segment_golden`].
pub fn segmentation_self_test(
    engine: &mut impl SegmentationEngine,
    golden: &Golden<'_>,
    mask: &mut [u8],
    record: &mut [i8],
    output: &mut [u8],
) -> Result<(u16, u16), EngineError> {
    let (mut passed, mut total) = (0u16, 0u16);
    for (seed, expected) in golden.iter() {
        segment_golden(engine, seed, mask, record, output)?;
        total = total.saturating_add(1);
        passed = passed.saturating_add(u16::from(output == expected));
    }
    Ok((passed, total))
}

/// Runs the golden vectors of an artifact, of whichever kind they are: how many came out
/// right, and how many there are.
///
/// # Errors
/// As [`Engine::run_in_place`](super::Engine::run_in_place) and [`segment_golden`].
#[cfg(feature = "std")]
pub fn self_test_artifact(
    engine: &mut impl SegmentationEngine,
    artifact: &Artifact<'_>,
) -> Result<(u16, u16), EngineError> {
    let (plan, golden) = (artifact.plan(), artifact.golden());
    let mut output = vec![0; plan.output().len()];
    if plan.reference_len() == 0 {
        return self_test(engine, golden, &mut output);
    }
    // The mask of a picture has as many pixels as what is made of it.
    let mut mask = vec![0; output.len()];
    let mut record = vec![0; plan.reference_len()];
    segmentation_self_test(engine, golden, &mut mask, &mut record, &mut output)
}
