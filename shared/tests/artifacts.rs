//! Artifacts: what is written is read; what is cut, flipped or made up is answered by a typed
//! error.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use samples::{QUALITY, artifact, artifact_with_cohort, artifact_with_quality};
use shared::artifact::{Artifact, ArtifactError};
use shared::cohort::Normalization;

#[test]
fn an_artifact_is_read_as_it_was_written() {
    let bytes = artifact();
    let artifact = Artifact::parse(&bytes).unwrap();
    assert_eq!(artifact.card().name, "sample");
    assert_eq!(artifact.plan().steps().count(), 2);
    assert_eq!(artifact.plan().macs(), 4 * 4 * 2 * 9);
    assert_eq!(artifact.operating_points().iter().count(), 2);
    assert_eq!(artifact.golden().iter().next().unwrap(), (7, &[1, 2][..]));
    assert_eq!(artifact.weights().len(), 40);
    assert_eq!(artifact.quality(), None);
}

#[test]
fn what_pictures_measure_is_no_part_of_the_identity() {
    let (without, with) = (artifact(), artifact_with_quality());
    assert_eq!((without[8], with[8]), (3, 4));
    let (without, with) = (
        Artifact::parse(&without).unwrap(),
        Artifact::parse(&with).unwrap(),
    );
    assert_eq!(with.quality().unwrap().most_sharpness, 3000);
    assert_eq!(with.model_id(), without.model_id());
    with.check_model_id().unwrap();
}

#[test]
fn a_cohort_is_no_part_of_the_identity() {
    let without = artifact();
    let identity = Artifact::parse(&without).unwrap().model_id();
    for quality in [None, Some(QUALITY)] {
        let with = artifact_with_cohort(quality);
        assert_eq!(with[8], 5);
        let with = Artifact::parse(&with).unwrap();
        assert_eq!((with.model_id(), with.quality()), (identity, quality));
        with.check_model_id().unwrap();
        let cohort = with.cohort().unwrap();
        assert_eq!(cohort.normalization(), Normalization::S);
        let members: Vec<Vec<i8>> = cohort.members().map(Iterator::collect).collect();
        assert_eq!(members, [[127, 0], [-90, 90], [0, -127]]);
        assert_eq!(with.measure().cohort, Some(cohort));
    }
    assert_eq!(Artifact::parse(&without).unwrap().cohort(), None);
}

#[test]
fn a_cohort_that_is_none_is_refused() {
    let bytes = artifact_with_cohort(None);
    // The eighth entry of the table, its second word.
    let cohort = 56 + 7 * 12 + 4;
    let cohort = u32::from_le_bytes(bytes[cohort..][..4].try_into().unwrap()) as usize;
    // Another normalization than there is, what is to be zero, members that are not there.
    for (at, value) in [(0, 3), (1, 1), (2, 2), (2, 4), (3, 1)] {
        let mut bytes = bytes.clone();
        bytes[cohort + at] = value;
        let crc = crc32(&bytes[20..]);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        let refused = Artifact::parse(&bytes).unwrap_err();
        assert_eq!(refused, ArtifactError::Encoding("cohort"), "{at}");
    }
}

#[test]
fn a_version_says_which_sections_there_are() {
    for (mut bytes, other, expected) in [
        (artifact(), 4, 7),
        (artifact(), 5, 8),
        (artifact_with_quality(), 3, 6),
        (artifact_with_quality(), 5, 8),
        (artifact_with_cohort(None), 4, 7),
    ] {
        let found = u16::from(bytes[10]);
        // The other version, and a checksum that fits.
        bytes[8] = other;
        let crc = crc32(&bytes[20..]);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        let refused = ArtifactError::Sections { expected, found };
        assert_eq!(Artifact::parse(&bytes).unwrap_err(), refused);
    }
}

#[test]
fn bounds_that_no_picture_is_within_are_refused() {
    let mut bytes = artifact_with_quality();
    // The seventh entry of the table, its second word.
    let quality = 56 + 6 * 12 + 4;
    let quality = u32::from_le_bytes(bytes[quality..][..4].try_into().unwrap()) as usize;
    // Contrast takes two bytes, the least sharpness one: more of it than the most.
    bytes[quality + 3..quality + 5].copy_from_slice(&[0x80 | 1, 0]);
    let crc = crc32(&bytes[20..]);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    let refused = Artifact::parse(&bytes).unwrap_err();
    assert_eq!(refused, ArtifactError::Encoding("quality"));
}

#[test]
fn a_cut_artifact_is_refused_at_every_length() {
    for bytes in [
        artifact(),
        artifact_with_quality(),
        artifact_with_cohort(None),
    ] {
        for end in 0..bytes.len() {
            assert!(Artifact::parse(&bytes[..end]).is_err(), "{end}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        let refused = Artifact::parse(&longer).unwrap_err();
        assert!(matches!(refused, ArtifactError::CutOff { .. }), "{refused}");
    }
}

#[test]
fn every_flipped_bit_of_an_artifact_is_noticed() {
    for bytes in [
        artifact(),
        artifact_with_quality(),
        artifact_with_cohort(None),
    ] {
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Artifact::parse(&flipped).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn an_identity_that_is_not_the_contents_is_noticed_where_models_come_in() {
    let bytes = artifact();
    let original = Artifact::parse(&bytes).unwrap();
    original.check_model_id().unwrap();
    // The third entry of the table, its second word.
    let weights = 56 + 2 * 12 + 4;
    let weights = u32::from_le_bytes(bytes[weights..][..4].try_into().unwrap()) as usize;
    // A weight, and a byte of the identity.
    for at in [weights, 20] {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let crc = crc32(&altered[20..]);
        altered[16..20].copy_from_slice(&crc.to_le_bytes());
        let altered = Artifact::parse(&altered).unwrap();
        let refused = altered.check_model_id().unwrap_err();
        let ArtifactError::ModelId { stored, computed } = refused else {
            panic!("{refused}");
        };
        assert_eq!(stored, altered.model_id());
        assert_ne!(stored, computed);
    }
}

/// As zlib has it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

#[test]
fn other_versions_and_other_files_are_named() {
    let mut bytes = artifact();
    bytes[8] = 9;
    assert_eq!(
        Artifact::parse(&bytes).unwrap_err(),
        ArtifactError::Version { found: 9 }
    );
    assert_eq!(
        Artifact::parse(b"\x7fELF and so on").unwrap_err(),
        ArtifactError::Magic
    );
}
