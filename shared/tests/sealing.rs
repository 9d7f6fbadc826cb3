#![allow(clippy::unwrap_used, reason = "tests")]
//! Sealed records: opened by whoever sealed them, and by nobody and nothing else.

use proptest::collection::vec;
use proptest::prelude::*;
use shared::Secret;
use shared::seal::{CONTENT, Label, OVERHEAD, SealError, Sealer, key_of};

fn sealer(number: u8) -> Sealer {
    Sealer::new(&Secret::new([number; 32]))
}

fn seal(sealer: &Sealer, label: Label, content: &[u8]) -> Vec<u8> {
    let mut record = vec![0; OVERHEAD + content.len()];
    record[CONTENT..CONTENT + content.len()].copy_from_slice(content);
    let written = sealer.seal(label, &mut record, content.len());
    assert_eq!(written, Ok(record.len()));
    record
}

fn open(sealer: &Sealer, record: &[u8]) -> Result<(Label, Vec<u8>), SealError> {
    let mut record = record.to_vec();
    let opened = sealer.open(&mut record)?;
    Ok((opened.label, opened.content.to_vec()))
}

const LABEL: Label = Label { slot: 3, change: 9 };

proptest! {
    #[test]
    fn what_was_sealed_is_opened(
        content in vec(any::<u8>(), 0..600), slot: u32, change: u32, key: u8,
        after in vec(any::<u8>(), 0..9),
    ) {
        let label = Label { slot, change };
        let mut record = seal(&sealer(key), label, &content);
        let length = record.len();
        // Content of some length is not there by chance.
        let is_hidden = !record.windows(content.len().max(1)).any(|here| here == content);
        prop_assert!(content.len() < 8 || is_hidden);
        record.extend(after);
        prop_assert_eq!(open(&sealer(key), &record), Ok((label, content)));
        prop_assert_eq!(sealer(key).open(&mut record).unwrap().len, length);
    }

    #[test]
    fn other_keys_open_nothing(content in vec(any::<u8>(), 0..99), key: u8, other: u8) {
        prop_assume!(key != other);
        let record = seal(&sealer(key), LABEL, &content);
        let expected = SealError::OtherKey {
            expected: sealer(other).key_id(),
            found: sealer(key).key_id(),
        };
        prop_assert_eq!(open(&sealer(other), &record), Err(expected));
        prop_assert_eq!(key_of(&record), Ok(sealer(key).key_id()));
        // Nor where the record claims to be of that key.
        let mut claims = record;
        claims[6..10].copy_from_slice(&sealer(other).key_id().0.to_le_bytes());
        prop_assert_eq!(open(&sealer(other), &claims), Err(SealError::Forged));
    }

    #[test]
    fn bytes_are_a_record_or_an_error(mut bytes in vec(any::<u8>(), 0..200), begins: bool) {
        if begins {
            bytes.splice(..0, *b"SMBS\x01\x00");
        }
        prop_assert!(open(&sealer(1), &bytes).is_err());
    }

    /// A nonce is used for one content, place and change.
    #[test]
    fn nonces_differ_where_anything_differs(
        a in vec(any::<u8>(), 0..20), b in vec(any::<u8>(), 0..20),
        slots in any::<[u8; 2]>(), changes in any::<[u8; 2]>(),
    ) {
        let label = |at: usize| Label { slot: slots[at].into(), change: changes[at].into() };
        let [first, second] = [(label(0), &a), (label(1), &b)];
        let sealed = [first, second].map(|(label, content)| seal(&sealer(1), label, content));
        let nonces = sealed.each_ref().map(|record| &record[CONTENT - 24..CONTENT]);
        prop_assert_eq!(first == second, nonces[0] == nonces[1]);
        prop_assert_eq!(first == second, sealed[0] == sealed[1]);
    }
}

#[test]
fn every_flipped_bit_and_every_truncation_is_told() {
    let record = seal(&sealer(1), LABEL, b"the embeddings of ada");
    for bit in 0..8 * record.len() {
        let mut flipped = record.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = open(&sealer(1), &flipped).unwrap_err();
        let named = match bit / 8 {
            0..4 => matches!(error, SealError::Magic),
            4..6 => matches!(error, SealError::Version { .. }),
            6..10 => matches!(error, SealError::OtherKey { .. }),
            // A length may lead past the end.
            18..20 => matches!(error, SealError::Forged | SealError::CutOff),
            _ => matches!(error, SealError::Forged),
        };
        assert!(named, "bit {bit}: {error}");
    }
    for length in 0..record.len() {
        let error = open(&sealer(1), &record[..length]).unwrap_err();
        assert_eq!(error, SealError::CutOff, "{length}");
    }
}

#[test]
fn too_small_a_buffer_is_told() {
    let mut buffer = [0; OVERHEAD + 3];
    let sealed = sealer(1).seal(LABEL, &mut buffer, 4);
    let expected = SealError::Buffer {
        expected: OVERHEAD + 4,
        found: OVERHEAD + 3,
    };
    assert_eq!(sealed, Err(expected));
    // Lengths that no record states.
    let mut large = vec![0; OVERHEAD + 70_000];
    assert!(sealer(1).seal(LABEL, &mut large, 70_000).is_err());
    assert!(sealer(1).seal(LABEL, &mut large, usize::MAX).is_err());
}

/// HKDF as RFC 5869 states it, by hand: extract, then one block of expand.
#[test]
fn secrets_are_derived_as_specified() {
    use hmac::{Hmac, KeyInit, Mac};
    let hash = |key: &[u8], parts: &[&[u8]]| -> [u8; 32] {
        let mut hash = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize().into_bytes().into()
    };
    let device = Secret::new([7; 32]);
    let extracted = hash(b"semblance", &[&[7; 32]]);
    for purpose in ["sealed content 1", "sealed nonce 1", "link 1"] {
        let expected = hash(&extracted, &[purpose.as_bytes(), &[1]]);
        assert_eq!(device.derive(purpose).expose(), &expected);
    }
    assert_eq!(format!("{device:?}"), "Secret");
}
