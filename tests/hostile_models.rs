//! An artifact that somebody altered, checksum and identity included, is refused or
//! runs within its bounds; nothing panics.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::kernels::InstructionSet;
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::residual::Residual;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use shared::artifact::Artifact;
use tests::artifact;

/// Offsets of the format.
const CHECKSUM: usize = 16;
const MODEL_ID: usize = 20;
const TABLE: usize = 56;
const HASHED_SECTIONS: usize = 3;

/// Models with every kind of step but PReLU, which only a long one has.
fn artifacts() -> [Vec<u8>; 2] {
    let conv4 = TowerSpec::Conv4(Conv4 {
        input: [16, 16],
        width: 4,
        embedding: 4,
        normalized: true,
    });
    let residual = TowerSpec::Residual(Residual {
        input: [16, 16],
        width: 4,
        blocks: 1,
        pooled: true,
        embedding: 4,
        normalized: true,
    });
    [conv4, residual].map(|tower| artifact(tower, 9).unwrap())
}

/// What an attacker would do: make checksum and identity fit again.
fn seal(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    };
    let mut hash = Sha256::new();
    for section in 0..HASHED_SECTIONS {
        let entry = TABLE + 12 * section;
        let (offset, length) = (word(bytes, entry + 4), word(bytes, entry + 8));
        let Some(content) = bytes.get(offset..offset.saturating_add(length)) else {
            return;
        };
        hash.update((length as u64).to_le_bytes());
        hash.update(content);
    }
    bytes[MODEL_ID..MODEL_ID + 32].copy_from_slice(&hash.finalize());
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[MODEL_ID..]);
    bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Parses and, when that goes well, runs it; whether it ran.
fn survives(bytes: &[u8]) -> bool {
    let Ok(artifact) = Artifact::parse(bytes) else {
        return false;
    };
    let plan = artifact.plan().clone();
    // A plan may ask for much work; that is a matter of time, not of safety.
    if plan.macs() > 100_000_000 || plan.arena_len() > 1 << 20 {
        return false;
    }
    let input = vec![7; plan.input().len()];
    let mut engine = Int8Engine::new(artifact.clone(), vec![0; plan.arena_len()]).unwrap();
    let mut expected = vec![0; plan.output().len()];
    engine.run(&input, &mut expected).unwrap();
    for set in InstructionSet::supported() {
        let mut engine = PackedInt8Engine::new(artifact.clone(), set).unwrap();
        let mut output = vec![0; plan.output().len()];
        engine.run(&input, &mut output).unwrap();
        assert_eq!(output, expected, "{set}");
    }
    true
}

#[test]
fn sealing_again_changes_nothing() {
    for original in artifacts() {
        let mut sealed = original.clone();
        seal(&mut sealed);
        assert_eq!(original, sealed);
        assert!(survives(&sealed));
    }
}

#[test]
fn every_altered_byte_of_contract_and_plan_is_survived() {
    let (mut ran, mut refused) = (0, 0);
    for original in artifacts() {
        let weights = u32::from_le_bytes(original[TABLE + 28..TABLE + 32].try_into().unwrap());
        for at in TABLE..weights as usize {
            for value in [
                0,
                1,
                0x7f,
                0x80,
                0xff,
                original[at] ^ 1,
                original[at].wrapping_add(1),
            ] {
                let mut bytes = original.clone();
                bytes[at] = value;
                seal(&mut bytes);
                match survives(&bytes) {
                    true => ran += 1,
                    false => refused += 1,
                }
            }
        }
    }
    assert!(ran > 100 && refused > 1000, "{ran} ran, {refused} refused");
}

proptest! {
    #[test]
    fn many_altered_bytes_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        which in 0usize..2,
    ) {
        thread_local!(static ORIGINALS: [Vec<u8>; 2] = artifacts());
        ORIGINALS.with(|originals| {
            let mut bytes = originals[which].clone();
            for (at, value) in changes {
                let at = TABLE + at.index(bytes.len() - TABLE);
                bytes[at] = value;
            }
            seal(&mut bytes);
            survives(&bytes);
        });
    }
}
