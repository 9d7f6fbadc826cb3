//! Who trusts a key runs what this key has signed, and nothing else.

use ed25519_dalek::{Signer, SigningKey};
use edge_runtime::slots::{SlotError, Trust};
use shared::artifact::signature::{BLOCK_LEN, Manifest, PublicKey, SignatureError};
use shared::wire::Refusal;

use super::model::{ARENA, model};
use super::{Board, LIMITS, id};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

/// The artifact and, behind it, its signature by `key`.
fn signed(artifact: &[u8], version: u32, key: &SigningKey) -> Vec<u8> {
    let manifest = Manifest::of(artifact, version, &public(key));
    let signature = key.sign(&manifest.encode()).to_bytes();
    [artifact, &manifest.with_signature(&signature)].concat()
}

fn trust(least_version: u32) -> Trust {
    Trust {
        key: Some(public(&key(1))),
        least_version,
    }
}

#[test]
fn a_signed_model_is_run_by_those_who_trust_the_key_and_those_who_trust_everybody() {
    for trust in [Trust::default(), trust(7)] {
        let mut board = Board::trusting(trust);
        let artifact = model(1);
        let version = board.send(&signed(&artifact, 7, &key(1))).unwrap();
        assert_eq!(board.in_use(), Some(id(&artifact)));
        assert_eq!(version, trust.key.map(|_| 7));
    }
}

#[test]
fn what_nobody_trusted_has_signed_is_refused_and_the_model_in_use_stays() {
    let mut board = Board::trusting(trust(0));
    let first = model(1);
    board.send(&signed(&first, 1, &key(1))).unwrap();
    let mut refused = |bytes: &[u8]| {
        let error = board.send(bytes).unwrap_err();
        assert_eq!(board.in_use(), Some(id(&first)), "{error}");
        assert_eq!(Refusal::from(error), Refusal::ModelUnsigned, "{error}");
        error
    };
    let artifact = model(2);
    let unsigned = SlotError::Signature(SignatureError::Unsigned);
    assert_eq!(refused(&artifact), unsigned);
    let other = public(&key(2)).id();
    let unknown = SlotError::Signature(SignatureError::UnknownKey { key: other });
    assert_eq!(refused(&signed(&artifact, 1, &key(2))), unknown);
    // Another's signature.
    let block = signed(&first, 1, &key(1)).split_off(first.len());
    let others = SlotError::Signature(SignatureError::OtherArtifact);
    assert_eq!(refused(&[&artifact[..], &block].concat()), others);
}

/// Nothing of it is parsed: no error is one of the artifact's own.
#[test]
fn every_flipped_bit_and_every_cut_of_a_signed_model_is_a_matter_of_its_signature() {
    let mut board = Board::trusting(trust(0));
    let whole = signed(&model(1), 1, &key(1));
    assert!(whole.len() > model(1).len() + BLOCK_LEN / 2);
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = board.send(&flipped).unwrap_err();
        assert!(
            matches!(refused, SlotError::Signature(_)),
            "{bit}: {refused}"
        );
    }
    for end in 0..whole.len() {
        let refused = board.send(&whole[..end]).unwrap_err();
        assert!(
            matches!(refused, SlotError::Signature(_)),
            "{end}: {refused}"
        );
    }
    assert_eq!(board.in_use(), None);
    board.send(&whole).unwrap();
}

#[test]
fn an_earlier_version_does_not_come_back() {
    let rollback = |least, found| {
        Err(SlotError::Signature(SignatureError::Rollback {
            least,
            found,
        }))
    };
    let mut board = Board::trusting(trust(5));
    let send =
        |board: &mut Board, seed, version| board.send(&signed(&model(seed), version, &key(1)));
    assert_eq!(send(&mut board, 1, 4), rollback(5, 4));
    send(&mut board, 1, 5).unwrap();
    // The one in use counts too, whatever the device was told.
    send(&mut board, 2, 8).unwrap();
    assert_eq!(send(&mut board, 3, 7), rollback(8, 7));
    assert_eq!(
        Refusal::from(send(&mut board, 3, 7).unwrap_err()),
        Refusal::ModelRollback
    );
    assert_eq!(board.in_use(), Some(id(&model(2))));
    send(&mut board, 3, 8).unwrap();
    assert_eq!(board.in_use(), Some(id(&model(3))));
    // One that lies there and is too old now is not run.
    board.trust = trust(9);
    assert_eq!(board.in_use(), None);
}

#[test]
fn a_model_that_lay_there_before_a_key_was_trusted_is_not_run() {
    let mut board = Board::trusting(Trust::default());
    board.send(&model(1)).unwrap();
    board.send(&model(2)).unwrap();
    board.trust = trust(0);
    assert_eq!(board.in_use(), None);
    let artifact = model(3);
    board.send(&signed(&artifact, 1, &key(1))).unwrap();
    assert_eq!(board.in_use(), Some(id(&artifact)));
    board.trust = Trust {
        key: Some(public(&key(2))),
        least_version: 0,
    };
    assert_eq!(board.in_use(), None);
}

/// The signature takes room too.
#[test]
fn a_model_has_to_fit_with_its_signature() {
    let artifact = model(1);
    let mut board = Board::trusting(trust(0));
    let mut slots = board.slots();
    let limits = edge_runtime::limits::Limits {
        slot: LIMITS.slot - LIMITS.model() + artifact.len() + BLOCK_LEN - 1,
        ..LIMITS
    };
    let (_, mut incoming) = slots.split(&LIMITS);
    let whole = signed(&artifact, 1, &key(1));
    incoming.begin(whole.len() as u32).unwrap();
    incoming.put(0, &whole).unwrap();
    let received = incoming.received().unwrap();
    let refused = slots.commit(received, &limits, &mut [0; ARENA]);
    assert!(
        matches!(refused, Err(SlotError::TooLarge(_))),
        "{refused:?}"
    );
}

#[test]
fn a_key_is_trusted_where_it_signed_the_model_in_use() {
    let mut board = Board::blank();
    let go_over = |board: &mut Board| board.slots().go_over_to(trust(0), &LIMITS);
    // Without a model, there is nothing to be said against it.
    assert_eq!(go_over(&mut board), Ok(()));
    let artifact = model(1);
    board.send(&artifact).unwrap();
    let unsigned = SlotError::Signature(SignatureError::Unsigned);
    assert_eq!(go_over(&mut board), Err(unsigned));
    assert_eq!(board.in_use(), Some(id(&artifact)));
    board.send(&signed(&artifact, 1, &key(1))).unwrap();
    assert_eq!(go_over(&mut board), Ok(()));
}
