//! Whoever makes an artifact makes its checksum fit: what is read then runs within its
//! bounds, and every kernel gives the same bytes.
#![no_main]

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::engine::segment_golden;
use edge_runtime::kernels::InstructionSet;
use libfuzzer_sys::fuzz_target;
use shared::artifact::signature::{Manifest, split};
use shared::artifact::{Artifact, COHORT_VERSION, MAGIC, VERSION};

/// More work, or memory, is a matter of time, and finds nothing new.
const MOST_MACS: u64 = 20_000;
const LARGEST_ARENA: usize = 1 << 14;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut sealed = bytes.to_vec();
    if seal(&mut sealed).is_some() {
        read(&sealed);
    }
});

/// Makes magic, version, length and checksum fit, where there is room for them. A version that
/// there is stays.
fn seal(bytes: &mut [u8]) -> Option<()> {
    let length = u32::try_from(bytes.len()).ok()?;
    bytes.get_mut(..8)?.copy_from_slice(&MAGIC);
    let version = bytes.get_mut(8..10)?;
    if !(VERSION..=COHORT_VERSION).contains(&u16::from_le_bytes([version[0], version[1]])) {
        version.copy_from_slice(&VERSION.to_le_bytes());
    }
    bytes
        .get_mut(12..16)?
        .copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(bytes.get(20..)?);
    bytes
        .get_mut(16..20)?
        .copy_from_slice(&checksum.to_le_bytes());
    Some(())
}

fn read(bytes: &[u8]) {
    let (front, block) = split(bytes);
    if let Some(Ok(manifest)) = block.map(|block| Manifest::stated(block)) {
        let _ = manifest.check(front);
    }
    let Ok(artifact) = Artifact::parse(front) else {
        return;
    };
    let _ = artifact.check_model_id();
    artifact.operating_points().usual_target();
    if let Some(cohort) = artifact.cohort() {
        let probe: Vec<i8> = cohort.members().next().into_iter().flatten().collect();
        let shots = [probe.as_slice(); 2].into_iter();
        let distance = artifact.measure().probe(&probe).distance_to(shots);
        assert!(distance.is_finite() || distance == f32::INFINITY);
    }
    let plan = artifact.plan();
    if plan.macs() > MOST_MACS || plan.arena_len() > LARGEST_ARENA {
        return;
    }
    let input = vec![7; plan.input().len()];
    let mut expected = vec![0; plan.output().len()];
    let arena = vec![0; plan.arena_len()];
    let mut engine = Int8Engine::new(artifact.clone(), arena).expect("a checked plan runs");
    engine
        .run(&input, &mut expected)
        .expect("a checked plan runs");
    let mut output = vec![0; expected.len()];
    let fastest = InstructionSet::fastest();
    let (pixels, record_len) = (plan.input().len(), plan.reference_len());
    let mut packed = PackedInt8Engine::new(artifact, fastest).expect("a checked plan runs");
    packed
        .run(&input, &mut output)
        .expect("a checked plan runs");
    assert_eq!(output, expected);
    if record_len > 0 && pixels == expected.len() {
        let segment = |engine: &mut dyn FnMut(&mut [u8], &mut [i8], &mut [u8])| {
            let (mut mask, mut record, mut output) =
                (vec![0; pixels], vec![0; record_len], vec![0; pixels]);
            engine(&mut mask, &mut record, &mut output);
            (record, output)
        };
        let of_scalar = segment(&mut |mask, record, output| {
            segment_golden(&mut engine, 3, mask, record, output).expect("a checked plan runs");
        });
        let of_packed = segment(&mut |mask, record, output| {
            segment_golden(&mut packed, 3, mask, record, output).expect("a checked plan runs");
        });
        assert_eq!(of_packed, of_scalar);
    }
}
