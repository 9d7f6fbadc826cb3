//! Handshakes, with another implementation of Noise at the other end.

use edge_runtime::link::{Initiator, KeyPair, NotGenuine, Responder, Session};
use proptest::prelude::*;
use snow::{Builder, HandshakeState, TransportState};

fn others(secret: &[u8; 32], ephemeral: &[u8; 32], begins: bool) -> HandshakeState {
    let name = "Noise_XX_25519_ChaChaPoly_SHA256".parse().unwrap();
    let builder = Builder::new(name)
        .prologue(b"Semblance wire 3")
        .unwrap()
        .local_private_key(secret)
        .unwrap()
        .fixed_ephemeral_key_for_testing_only(ephemeral);
    match begins {
        true => builder.build_initiator().unwrap(),
        false => builder.build_responder().unwrap(),
    }
}

fn says(other: &mut HandshakeState) -> Vec<u8> {
    let mut message = [0; 200];
    let length = other.write_message(&[], &mut message).unwrap();
    message[..length].to_vec()
}

/// Messages go both ways, and are those of the other implementation.
fn talk(mut ours: Session, mut other: TransportState, messages: &[Vec<u8>]) {
    for message in messages {
        let mut sealed = message.clone();
        let tag = ours.seal(&mut sealed).unwrap();
        sealed.extend(tag);
        let mut heard = vec![0; sealed.len()];
        let length = other.read_message(&sealed, &mut heard).unwrap();
        assert_eq!(&heard[..length], message);
        let mut said = vec![0; message.len() + 16];
        other.write_message(message, &mut said).unwrap();
        assert_eq!(ours.open(&mut said).unwrap(), message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_device_shakes_hands_with_another_implementation(
        secrets: [[u8; 32]; 4],
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..6),
    ) {
        let [host, host_ephemeral, device, device_ephemeral] = secrets;
        let device = KeyPair::new(device).unwrap();
        let mut other = others(&host, &host_ephemeral, true);
        let first = says(&mut other);
        let first = first[..].try_into().unwrap();
        let (responder, second) = Responder::answer(&device, device_ephemeral, first).unwrap();
        other.read_message(&second, &mut []).unwrap();
        prop_assert_eq!(other.get_remote_static(), Some(&device.public()[..]));
        let third = says(&mut other);
        let session = responder.finish(third[..].try_into().unwrap()).unwrap();
        let host = KeyPair::new(host).unwrap();
        prop_assert_eq!(session.peer(), host.public());
        talk(session, other.into_transport_mode().unwrap(), &messages);
    }

    #[test]
    fn a_host_shakes_hands_with_another_implementation(
        secrets: [[u8; 32]; 4],
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..6),
    ) {
        let [host, host_ephemeral, device, device_ephemeral] = secrets;
        let host = KeyPair::new(host).unwrap();
        let mut other = others(&device, &device_ephemeral, false);
        let (initiator, first) = Initiator::begin(host_ephemeral).unwrap();
        other.read_message(&first, &mut []).unwrap();
        let second = says(&mut other);
        let introduced = initiator.meet(second[..].try_into().unwrap()).unwrap();
        let device = KeyPair::new(device).unwrap();
        prop_assert_eq!(introduced.device(), device.public());
        let (session, third) = introduced.finish(&host).unwrap();
        other.read_message(&third, &mut []).unwrap();
        prop_assert_eq!(other.get_remote_static(), Some(&host.public()[..]));
        talk(session, other.into_transport_mode().unwrap(), &messages);
    }

    /// A message that was changed is refused, and the right one is taken afterwards.
    #[test]
    fn changed_handshakes_are_refused(
        secrets: [[u8; 32]; 4],
        bit in 0usize..8 * 96,
        late in 0usize..8 * 64,
    ) {
        let [host, host_ephemeral, device, device_ephemeral] = secrets;
        let [host, device] = [host, device].map(|secret| KeyPair::new(secret).unwrap());
        let (initiator, first) = Initiator::begin(host_ephemeral).unwrap();
        let (responder, second) = Responder::answer(&device, device_ephemeral, &first).unwrap();
        let mut changed = second;
        changed[bit / 8] ^= 1 << (bit % 8);
        // X25519 ignores the highest bit of a key, and the hash does not.
        prop_assert_eq!(initiator.meet(&changed).err(), Some(NotGenuine));
        let introduced = initiator.meet(&second).unwrap();
        let (_, third) = introduced.finish(&host).unwrap();
        let mut changed = third;
        changed[late / 8] ^= 1 << (late % 8);
        prop_assert_eq!(responder.finish(&changed).err(), Some(NotGenuine));
        let session = responder.finish(&third).unwrap();
        prop_assert_eq!(session.peer(), host.public());
    }
}

/// Keys that agree with every other key on the same secret.
#[test]
fn keys_that_keep_nothing_secret_are_refused() {
    let device = KeyPair::new([7; 32]).unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    for first in [[0; 32], one] {
        let answered = Responder::answer(&device, [5; 32], &first);
        assert_eq!(answered.err(), Some(NotGenuine));
    }
}

/// The test vector of `shared/docs/wire-format.md`.
#[test]
fn the_documented_session_comes_out() {
    let document = include_str!("../../../shared/docs/wire-format.md");
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let [host, device] = [[1; 32], [2; 32]].map(|secret| KeyPair::new(secret).unwrap());
    let (initiator, first) = Initiator::begin([3; 32]).unwrap();
    let (responder, second) = Responder::answer(&device, [4; 32], &first).unwrap();
    let (mut session, third) = initiator.meet(&second).unwrap().finish(&host).unwrap();
    let mut there = responder.finish(&third).unwrap();
    let mut request = [5];
    let tag = session.seal(&mut request).unwrap();
    let mut sealed = [&request[..], &tag].concat();
    let squeezed: String = document.split_whitespace().collect();
    let said = [&first[..], &second, &third, &sealed].map(hex);
    let missing: Vec<&String> = said.iter().filter(|hex| !squeezed.contains(*hex)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(there.open(&mut sealed).unwrap(), [5]);
}
