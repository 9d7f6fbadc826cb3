//! Networks that compare a picture with references of a structure: engines, kernels and the
//! segmenter, on a model made on the spot.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;
mod naive;
mod segmenter;

use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::engine::{
    Engine, SegmentationEngine, segment_golden, segmentation_self_test, self_test_artifact,
};
use edge_runtime::kernels::InstructionSet;
use edge_runtime::recognizer::{Recognizer, RecognizerError};
use model::{SIDE, SMALL, USUAL, artifact};
use shared::artifact::golden::fill_input;
use shared::artifact::{Artifact, golden};
use shared::segmentation::{RecordShape, References};
use shared::support_set::SupportSet;

const PIXELS: usize = SIDE as usize * SIDE as usize;

fn engine(bytes: &[u8]) -> Int8Engine<'_, Vec<u8>> {
    let artifact = Artifact::parse(bytes).unwrap();
    let arena = vec![0xa5; artifact.plan().arena_len()];
    Int8Engine::new(artifact, arena).unwrap()
}

/// What references say of the bright part of pictures of these seeds, record after record.
fn records(engine: &mut impl SegmentationEngine, len: usize, seeds: &[u32]) -> Vec<i8> {
    let mut records = vec![0; seeds.len() * len];
    for (&seed, record) in seeds.iter().zip(records.chunks_mut(len)) {
        let mut mask = vec![0; PIXELS];
        fill_input(seed, SIDE.into(), engine.memory().input);
        golden::fill_mask(engine.memory().input, 1, &mut mask);
        engine.reference_in_place(&mask, record).unwrap();
    }
    records
}

fn segment(engine: &mut impl SegmentationEngine, records: &[i8], len: usize) -> Vec<u8> {
    let mut output = vec![0; PIXELS];
    fill_input(9, SIDE.into(), engine.memory().input);
    let references = References::new(records, len);
    engine.segment_in_place(references, &mut output).unwrap();
    output
}

#[test]
fn engines_agree_on_references_and_masks() {
    let bytes = artifact(USUAL);
    let parsed = Artifact::parse(&bytes).unwrap();
    let len = parsed.plan().reference_len();
    assert_eq!((len, RecordShape::new(len).shots), (1214, 3));
    let sets = [InstructionSet::fastest(), InstructionSet::Scalar];
    for seeds in [&[4][..], &[4, 5, 6], &[2; 16]] {
        let mut plain = engine(&bytes);
        let expected = records(&mut plain, len, seeds);
        let mask = segment(&mut plain, &expected, len);
        for set in sets {
            let mut packed = PackedInt8Engine::new(parsed.clone(), set).unwrap();
            assert_eq!(records(&mut packed, len, seeds), expected);
            assert_eq!(segment(&mut packed, &expected, len), mask);
        }
    }
    // Without references, nothing is known; nothing breaks.
    let mut output = vec![0; PIXELS];
    engine(&bytes).run_in_place(&mut output).unwrap();
    // References differ, and with them what is marked.
    let mut plain = engine(&bytes);
    let [one, other] = [4, 7].map(|seed| records(&mut plain, len, &[seed]));
    assert_ne!(
        segment(&mut plain, &one, len),
        segment(&mut plain, &other, len)
    );
}

#[test]
fn golden_vectors_are_answered_and_others_are_noticed() {
    let bytes = artifact(USUAL);
    let parsed = Artifact::parse(&bytes).unwrap();
    let mut packed = PackedInt8Engine::new(parsed.clone(), InstructionSet::fastest()).unwrap();
    assert_eq!(self_test_artifact(&mut packed, &parsed), Ok((2, 2)));
    let mut plain = engine(&bytes);
    let (mut mask, mut output) = (vec![0; PIXELS], vec![0; PIXELS]);
    let mut record = vec![0; parsed.plan().reference_len()];
    let golden = parsed.golden();
    let tested = segmentation_self_test(&mut plain, golden, &mut mask, &mut record, &mut output);
    assert_eq!(tested, Ok((2, 2)));
    // Bars are above 127 and the rest is zero; the mask is the bars.
    segment_golden(&mut plain, 2, &mut mask, &mut record, &mut output).unwrap();
    let mut bars = vec![0; PIXELS];
    fill_input(2, SIDE.into(), &mut bars);
    let bright = bars.iter().map(|&byte| u8::from(byte > 0));
    assert!(bright.eq(mask.iter().copied()));
    // A reference of all that is bright marks what is bright.
    let agree = |a: bool, b: u8| a == (b > model::ZERO_POINT);
    let right = mask
        .iter()
        .zip(&output)
        .filter(|(m, o)| agree(**m > 0, **o));
    assert!(right.count() > PIXELS * 3 / 4);
    // One byte of an expected output differs.
    let mut other = bytes.clone();
    let at = other.windows(PIXELS).position(|w| w == output).unwrap();
    other[at] ^= 1;
    mend(&mut other);
    let other = Artifact::parse(&other).unwrap();
    assert_eq!(self_test_artifact(&mut packed, &other), Ok((1, 2)));
}

#[test]
fn buffers_of_other_lengths_are_refused() {
    let bytes = artifact(SMALL);
    let mut engine = engine(&bytes);
    let len = engine.artifact().plan().reference_len();
    let mask = vec![1; PIXELS];
    let mut record = vec![0; len];
    for (mask, record) in [(PIXELS - 1, len), (PIXELS, len - 1), (0, len), (PIXELS, 0)] {
        let (mask, mut record) = (vec![1; mask], vec![0; record]);
        assert!(engine.reference_in_place(&mask, &mut record).is_err());
    }
    engine.reference_in_place(&mask, &mut record).unwrap();
    let references = References::new(&record, len);
    for length in [0, PIXELS - 1, PIXELS + 1] {
        let mut output = vec![0; length];
        assert!(engine.segment_in_place(references, &mut output).is_err());
    }
}

#[test]
fn no_recognizer_takes_such_a_model() {
    let bytes = artifact(SMALL);
    let artifact = Artifact::parse(&bytes).unwrap();
    let store = SupportSet::<1, 1, 512>::blank();
    let refused = Recognizer::new(engine(&bytes), &artifact, 1.0, store);
    assert!(matches!(refused, Err(RecognizerError::Segments)));
}

/// Gives the bytes of an artifact the checksum that fits.
fn mend(bytes: &mut [u8]) {
    let mut crc = u32::MAX;
    for byte in &bytes[20..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    bytes[16..20].copy_from_slice(&(!crc).to_le_bytes());
}

#[test]
fn every_flipped_bit_is_answered() {
    let bytes = artifact(SMALL);
    let whole = Artifact::parse(&bytes).unwrap();
    let mut parsed = 0;
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // By accident.
        assert!(Artifact::parse(&flipped).is_err(), "bit {bit}");
        // On purpose.
        mend(&mut flipped);
        let Ok(artifact) = Artifact::parse(&flipped) else {
            continue;
        };
        parsed += 1;
        let plan = artifact.plan();
        if plan.reference_len() > 0 && plan.arena_len() < 1 << 20 {
            let arena = vec![0; plan.arena_len()];
            let mut engine = Int8Engine::new(artifact.clone(), arena).unwrap();
            self_test_artifact(&mut engine, &artifact).unwrap();
        }
        if artifact.check_model_id().is_ok() {
            assert_eq!(artifact.model_id(), whole.model_id(), "bit {bit}");
            assert_eq!(artifact.contract(), whole.contract(), "bit {bit}");
            assert_eq!(artifact.weights(), whole.weights(), "bit {bit}");
        }
    }
    assert!(parsed > 1000, "{parsed}");
}
