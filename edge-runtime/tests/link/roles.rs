//! Who may ask what.

use edge_runtime::link::{KeyPair, MAX_HOSTS, Role};
use shared::wire::{Pairing, Refusal, Request, VERSION};

use crate::ends::*;

/// What only a paired host may ask, and what anybody may.
fn requests() -> (Vec<Request<'static>>, Vec<Request<'static>>) {
    let (subject, anew) = ("ada", false);
    let key = &[3; 32];
    let guarded = vec![
        Request::Enroll {
            subject,
            anew,
            anyway: false,
        },
        Request::Remove { subject },
        Request::RemoveStale,
        Request::List { index: 0 },
        Request::Embed,
        Request::Measure,
        Request::ModelBegin { length: 9 },
        Request::ModelChunk {
            offset: 0,
            bytes: &[1],
        },
        Request::ModelCommit,
        Request::PairHost { key },
        Request::UnpairHost { key },
        Request::ListHosts { index: 0 },
        Request::Trust { key },
    ];
    let open = vec![
        Request::ImageBegin {
            width: 1,
            height: 1,
            channels: 1,
        },
        Request::SampleChunk {
            offset: 0,
            bytes: &[1],
        },
        Request::Capture,
        Request::Verify { subject },
        Request::Identify,
        Request::SelfTest,
        Request::Hello { version: VERSION },
    ];
    (guarded, open)
}

#[test]
fn hosts_that_are_not_paired_are_refused_what_changes_or_tells_too_much() {
    let (guarded, open) = requests();
    let mut device = Device::new(1);
    let owner = KeyPair::new([9; 32]).unwrap();
    device.identity.hosts.add(owner.public()).unwrap();
    // At the line alone.
    for (id, request) in (10..).zip(&guarded) {
        assert_eq!(
            device.refusal(id, request),
            Some(Refusal::Unpaired),
            "{request:?}"
        );
    }
    assert!(device.notes.carried_out.is_empty());
    for (id, request) in (50..).zip(&open) {
        assert_eq!(device.refusal(id, request), None, "{request:?}");
    }
    // In a session of a host that nobody paired.
    let mut stranger = Host::meet(&mut device, [8; 32], [21; 32]);
    assert_eq!(stranger.pairing, Pairing::Unknown);
    for request in &guarded {
        assert_eq!(stranger.ask(&mut device, request), "Refused(Unpaired)");
    }
    for request in &open {
        assert_eq!(stranger.ask(&mut device, request), "Done");
    }
    assert_eq!(device.notes.carried_out.len(), 2 * open.len());
    assert!(
        device
            .notes
            .carried_out
            .iter()
            .all(|(_, role)| *role == Role::Anyone)
    );
    // The owner may.
    let mut host = Host::meet(&mut device, [9; 32], [22; 32]);
    assert_eq!(host.pairing, Pairing::Known);
    device.notes.carried_out.clear();
    let asked = guarded
        .iter()
        .take_while(|request| !matches!(request, Request::PairHost { .. }));
    for request in asked.clone() {
        assert_eq!(host.ask(&mut device, request), "Done");
    }
    assert_eq!(device.notes.carried_out.len(), asked.count());
    assert!(
        device
            .notes
            .carried_out
            .iter()
            .all(|(_, role)| *role == Role::Paired)
    );
}

#[test]
fn the_first_host_owns_a_device_and_says_who_else_does() {
    let mut device = Device::new(2);
    let public = |secret: u8| *KeyPair::new([secret; 32]).unwrap().public();
    let mut owner = Host::meet(&mut device, [9; 32], [31; 32]);
    assert_eq!(owner.pairing, Pairing::Claimed);
    for (index, secret) in (1..MAX_HOSTS as u8).enumerate() {
        let key = public(secret);
        assert_eq!(
            owner.ask(&mut device, &Request::PairHost { key: &key }),
            "Done"
        );
        // Once more changes nothing.
        assert_eq!(
            owner.ask(&mut device, &Request::PairHost { key: &key }),
            "Done"
        );
        assert_eq!(device.identity.hosts.keys().len(), index + 2);
    }
    let key = public(77);
    assert_eq!(
        owner.ask(&mut device, &Request::PairHost { key: &key }),
        "Refused(HostsFull)"
    );
    assert_eq!(
        owner.ask(&mut device, &Request::UnpairHost { key: &key }),
        "Refused(UnknownHost)"
    );
    let short = &key[..31];
    assert_eq!(
        owner.ask(&mut device, &Request::PairHost { key: short }),
        "Refused(Malformed)"
    );
    let last = format!("{:?}", Some(public(MAX_HOSTS as u8 - 1)));
    let index = MAX_HOSTS as u16 - 1;
    let listed = owner.ask(&mut device, &Request::ListHosts { index });
    assert_eq!(listed, format!("Host {{ key: {last} }}"));
    let index = MAX_HOSTS as u16;
    let listed = owner.ask(&mut device, &Request::ListHosts { index });
    assert_eq!(listed, "Host { key: None }");

    // Another host takes the owner's place, even in the session that it has.
    let mut second = Host::meet(&mut device, [1; 32], [32; 32]);
    assert_eq!(second.pairing, Pairing::Known);
    for key in [public(9), public(2), public(3), public(1)] {
        assert_eq!(
            second.ask(&mut device, &Request::UnpairHost { key: &key }),
            "Done"
        );
    }
    let list = Request::List { index: 0 };
    assert_eq!(second.ask(&mut device, &list), "Refused(Unpaired)");
    // It is anybody's now.
    assert_eq!(
        Host::meet(&mut device, [8; 32], [33; 32]).pairing,
        Pairing::Claimed
    );
    assert_eq!(
        Host::meet(&mut device, [9; 32], [34; 32]).pairing,
        Pairing::Unknown
    );
}

#[test]
fn without_random_numbers_there_is_no_session() {
    let mut device = Device::new(3);
    device.notes.random = None;
    let first = Request::Handshake { bytes: &[9; 32] };
    assert_eq!(device.refusal(1, &first), Some(Refusal::NoRandomness));
    assert_eq!(device.refusal(2, &Request::Identify), None);
}

/// A session keeps everybody else out, until somebody begins anew.
#[test]
fn nobody_is_answered_beside_a_session() {
    let mut device = Device::new(4);
    let mut host = Host::meet(&mut device, [9; 32], [41; 32]);
    assert_eq!(device.notes.forgotten, 1);
    let (_, open) = requests();
    let begins = |request: &&Request<'_>| matches!(request, Request::Hello { .. });
    for (id, request) in (100..).zip(open.iter().filter(|request| !begins(request))) {
        assert_eq!(
            device.refusal(id, request),
            Some(Refusal::Session),
            "{request:?}"
        );
    }
    // A handshake that is not finished takes nothing away.
    let began = Request::Handshake { bytes: &[9; 32] };
    assert_eq!(device.refusal(200, &began), None);
    let third = Request::Handshake { bytes: &[9; 64] };
    assert_eq!(device.refusal(201, &third), Some(Refusal::Handshake));
    assert_eq!(host.ask(&mut device, &Request::Identify), "Done");
    let hello = Request::Hello { version: VERSION };
    assert_eq!(device.refusal(202, &hello), None);
    let late = host.seal(&Request::Identify);
    assert_eq!(refusal(&device.answer(&late)), Some(Refusal::Session));
}

/// The same frame right after itself gets the same answer, sealed once.
#[test]
fn a_sealed_request_that_comes_again_is_answered_again_and_not_carried_out_again() {
    let mut device = Device::new(5);
    let mut host = Host::meet(&mut device, [9; 32], [51; 32]);
    let frame = host.seal(&Request::RemoveStale);
    let answer = device.answer(&frame);
    // Noise, and what others ask, in between changes nothing.
    assert_eq!(
        refusal(&device.answer(b"\x03abc\x00")),
        Some(Refusal::Malformed)
    );
    assert_eq!(
        device.refusal(99, &Request::Identify),
        Some(Refusal::Session)
    );
    assert_eq!(device.answer(&frame), answer);
    assert_eq!(device.notes.carried_out.len(), 1);
    assert!(host.open(&answer).is_some());
    assert!(host.open(&answer).is_none());
    assert_eq!(host.ask(&mut device, &Request::RemoveStale), "Done");
    // Not after another one.
    assert_eq!(refusal(&device.answer(&frame)), Some(Refusal::Session));
    assert_eq!(device.notes.carried_out.len(), 2);
}
