//! Whoever holds the key vouches for an artifact, and nobody else does.
//!
//! Signatures are made here by another implementation than the one that checks them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier};
use proptest::prelude::*;
use samples::{SIGNED_VERSION, artifact, key, public_key, signature_block};
use shared::artifact::signature::{
    BLOCK_LEN, MANIFEST_LEN, Manifest, PublicKey, SignatureError, split, verify,
};

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let digits = hex.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
    bytes.collect::<Vec<u8>>().try_into().unwrap()
}

/// RFC 8032, 7.1: public key, message, signature of the first three.
const RFC_8032: [(&str, &[u8], &str); 3] = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        &[],
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        &[0x72],
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        &[0xaf, 0x82],
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
];

#[test]
fn signatures_of_the_standard_are_accepted_and_no_others() {
    for (key, message, signature) in RFC_8032 {
        let (key, signature) = (PublicKey(bytes(key)), bytes(signature));
        assert!(key.has_signed(message, &signature));
        assert!(!key.has_signed(b"another", &signature));
        for bit in 0..8 * signature.len() {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.has_signed(message, &flipped), "{bit}");
        }
    }
}

/// The neutral element and the other point of order 2: with such a key, signatures that
/// nobody made would hold for every message.
#[test]
fn keys_of_small_order_vouch_for_nothing() {
    let (mut one, mut minus_one) = ([0; 32], [0xff; 32]);
    one[0] = 1;
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    for point in [one, minus_one] {
        let mut forged = [0; 64];
        forged[..32].copy_from_slice(&one);
        assert!(!PublicKey(point).has_signed(b"anything", &forged));
    }
}

#[test]
fn what_was_signed_is_what_is_read() {
    let artifact = artifact();
    let manifest = verify(&artifact, &signature_block(), &[public_key()]).unwrap();
    assert_eq!(manifest.version, SIGNED_VERSION);
    assert_eq!(manifest.length, artifact.len() as u64);
    assert_eq!(manifest.key, public_key().id());
    // Whichever of those that are trusted it was.
    let other = PublicKey(SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes());
    let trusted = [other, public_key()];
    verify(&artifact, &signature_block(), &trusted).unwrap();
}

#[test]
fn every_flipped_bit_of_artifact_and_block_is_noticed() {
    let (artifact, block) = (artifact(), signature_block());
    for bit in 0..8 * artifact.len() {
        let mut flipped = artifact.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = verify(&flipped, &block, &[public_key()]);
        assert_eq!(refused, Err(SignatureError::OtherArtifact), "{bit}");
    }
    for bit in 0..8 * BLOCK_LEN {
        let mut flipped = block.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = verify(&artifact, &flipped, &[public_key()]).unwrap_err();
        let is_named = match bit / 8 {
            0..8 => matches!(refused, SignatureError::Magic),
            8..12 => matches!(refused, SignatureError::Version { .. }),
            56..MANIFEST_LEN => matches!(refused, SignatureError::UnknownKey { .. }),
            _ => matches!(refused, SignatureError::Signature { .. }),
        };
        assert!(is_named, "{bit}: {refused}");
    }
}

#[test]
fn every_cut_of_artifact_and_block_is_noticed() {
    let (artifact, block) = (artifact(), signature_block());
    for end in 0..artifact.len() {
        let refused = verify(&artifact[..end], &block, &[public_key()]);
        assert_eq!(refused, Err(SignatureError::OtherArtifact), "{end}");
    }
    for end in 0..BLOCK_LEN {
        let refused = verify(&artifact, &block[..end], &[public_key()]);
        assert_eq!(refused, Err(SignatureError::Length { found: end }));
    }
    let long = [&block[..], &[0]].concat();
    let found = BLOCK_LEN + 1;
    let refused = verify(&artifact, &long, &[public_key()]);
    assert_eq!(refused, Err(SignatureError::Length { found }));
}

#[test]
fn nobody_vouches_for_another() {
    let (artifact, block) = (artifact(), signature_block());
    let key = public_key().id();
    let refused = verify(&artifact, &block, &[]);
    assert_eq!(refused, Err(SignatureError::UnknownKey { key }));
    // Somebody else's signature under the trusted key's name.
    let manifest = Manifest::of(&artifact, SIGNED_VERSION, &public_key());
    let other = SigningKey::from_bytes(&[9; 32]).sign(&manifest.encode());
    let forged = manifest.with_signature(&other.to_bytes());
    let refused = verify(&artifact, &forged, &[public_key()]);
    assert_eq!(refused, Err(SignatureError::Signature { key }));
}

#[test]
fn the_block_behind_an_artifact_is_found() {
    let (artifact, block) = (artifact(), signature_block());
    let both = [&artifact[..], &block[..]].concat();
    let (front, behind) = split(&both);
    assert_eq!(front, artifact);
    assert_eq!(behind.map(|block| block.as_slice()), Some(&block[..]));
    assert_eq!(split(&artifact), (&artifact[..], None));
    assert_eq!(
        split(&block),
        (&[][..], Some(block[..].try_into().unwrap()))
    );
    assert_eq!(split(&block[1..]), (&block[1..], None));
    assert_eq!(split(&[]), (&[][..], None));
}

proptest! {
    /// Each implementation accepts the other's signatures, and they are the same.
    #[test]
    fn two_implementations_agree(
        seed in any::<[u8; 32]>().prop_filter("a seed is drawn", |seed| seed != &[0; 32]),
        message in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let theirs = SigningKey::from_bytes(&seed);
        let ours = ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new(seed));
        prop_assert_eq!(*ours.pk, theirs.verifying_key().to_bytes());
        let (made_here, made_there) = (ours.sk.sign(&message, None), theirs.sign(&message));
        prop_assert_eq!(*made_here, made_there.to_bytes());
        prop_assert!(PublicKey(*ours.pk).has_signed(&message, &made_there.to_bytes()));
        let made_here = Signature::from_bytes(&made_here);
        prop_assert!(theirs.verifying_key().verify(&message, &made_here).is_ok());
    }

    #[test]
    fn made_up_bytes_are_no_signature(
        artifact in prop::collection::vec(any::<u8>(), 0..200),
        block in prop::collection::vec(any::<u8>(), 0..2 * BLOCK_LEN),
    ) {
        prop_assert!(verify(&artifact, &block, &[public_key()]).is_err());
        let (front, behind) = split(&block);
        prop_assert_eq!(front.len() + behind.map_or(0, |block| block.len()), block.len());
    }

    /// A manifest may hold anything, and still nothing holds that was not signed.
    #[test]
    fn a_made_up_manifest_that_was_signed_is_of_no_other_artifact(
        manifest in any::<([u8; 32], u64, u32)>(),
        artifact in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (sha256, length, version) = manifest;
        let manifest = Manifest { version, length, sha256, key: public_key().id() };
        let block = manifest.with_signature(&key().sign(&manifest.encode()).to_bytes());
        prop_assert_eq!(Manifest::stated(&block), Ok(manifest));
        let refused = verify(&artifact, &block, &[public_key()]);
        prop_assert_eq!(refused, Err(SignatureError::OtherArtifact));
    }
}
