//! A host and a device that talk over a line, quiet and noisy.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod attempts;
mod drift;
mod line;

use std::collections::BTreeMap;

use edge_runtime::client::{Client, ClientError};
use edge_runtime::server::Server;
use shared::drift::WINDOW;
use shared::preprocess::Image;
use shared::quality::Flaw;
use shared::template::SubjectId;
use shared::wire::{self, Frames, MAX_FRAME, Refusal, Request, Response, Scores, Verdict};

use line::*;

fn image(pixels: &[u8]) -> Image<'_> {
    Image::new(SIDE as u32, SIDE as u32, 1, pixels).unwrap()
}

fn enroll(subject: &str, anew: bool) -> Request<'_> {
    Request::Enroll {
        subject,
        anew,
        anyway: false,
    }
}

fn enrolled(shots: u8, close_to: Option<&str>) -> Response<'_> {
    Response::Enrolled { shots, close_to }
}

fn upload(client: &mut Client<Wire>, pixels: &[u8]) {
    let refused = client.upload(&image(pixels), |_| ()).unwrap();
    assert_eq!(refused, None);
}

#[test]
fn a_host_enrols_verifies_identifies_lists_and_removes() {
    let mut client = client(0, 1);
    let (artifact, mut local) = recognizer();
    let hello = Response::Hello {
        version: wire::VERSION,
        model: Some(artifact.model_id()),
        capacity: SUBJECTS as u16,
        enrolled: 0,
        stale: 0,
        picture: (SIDE * SIDE) as u32,
        slot: 0,
        board: "desk",
    };
    assert_eq!(client.hello().unwrap(), hello);
    assert_eq!(
        client.ask(&Request::SelfTest).unwrap(),
        Response::SelfTested {
            passed: artifact.golden().iter().count() as u16,
            total: artifact.golden().iter().count() as u16,
        }
    );
    for (subject, name) in [(0, "ada"), (3, "bob")] {
        let mut template = local.begin(SubjectId::new(name).unwrap(), 0).unwrap();
        for which in 0..3 {
            let pixels = drawing(subject, which);
            upload(&mut client, &pixels);
            let answer = client.ask(&enroll(name, false)).unwrap();
            assert_eq!(answer, enrolled(which + 1, None));
            local.add(&mut template, &image(&pixels)).unwrap();
        }
        local.enroll(template).unwrap();
    }
    let pixels = drawing(0, 3);
    upload(&mut client, &pixels);
    let embedding = local.embed(&image(&pixels)).unwrap();
    let components = embedding[..local.dim()].iter().map(|&value| value as u8);
    assert_eq!(
        client.ask(&Request::Embed).unwrap(),
        Response::Embedding {
            components: &components.collect::<Vec<u8>>(),
        }
    );
    let image = image(&pixels);
    for name in ["ada", "bob"] {
        let (expected, _) = local.verify(name, &image).unwrap();
        assert_eq!(
            client.ask(&Request::Verify { subject: name }).unwrap(),
            Response::Verified {
                verdict: match expected.accepted() {
                    true => Verdict::Accept,
                    false => Verdict::Reject,
                },
                scores: Some(Scores {
                    distance: expected.distance,
                    threshold: expected.threshold,
                }),
            }
        );
    }
    let Response::Identified { subject, distance } = client.ask(&Request::Identify).unwrap() else {
        panic!("no answer to who it is");
    };
    assert_eq!(subject, Some("ada"));
    let expected = local.verify("ada", &image).unwrap().0.distance;
    assert_eq!(distance, Some(expected));

    let list = |client: &mut Client<Wire>, index| match client.ask(&Request::List { index }) {
        Ok(Response::Subject { entry }) => entry.map(|(name, shots, _)| (name.to_owned(), shots)),
        other => panic!("{other:?}"),
    };
    assert_eq!(list(&mut client, 0), Some(("ada".into(), 3)));
    assert_eq!(list(&mut client, 1), Some(("bob".into(), 3)));
    assert_eq!(list(&mut client, 2), None);
    let remove = Request::Remove { subject: "ada" };
    assert_eq!(client.ask(&remove).unwrap(), Response::Done);
    let refused = Response::Refused(Refusal::NotEnrolled);
    assert_eq!(client.ask(&remove).unwrap(), refused);
    assert_eq!(list(&mut client, 0), Some(("bob".into(), 3)));
}

#[test]
fn pictures_in_the_engines_memory_are_looked_at_once() {
    let mut client = client_of(device_with(vec![], Desk::new()), 0, 1);
    client.pair(&host(), None).unwrap();
    let (artifact, mut local) = recognizer();
    let Response::Hello { picture, .. } = client.hello().unwrap() else {
        panic!("no hello");
    };
    // All memory but the place of the input.
    let idle = artifact.plan().arena_len() - artifact.plan().input().len();
    assert!((SIDE * SIDE..=idle).contains(&(picture as usize)));
    let pixels = drawing(1, 2);
    upload(&mut client, &pixels);
    let embedding = local.embed(&image(&pixels)).unwrap();
    let components: Vec<u8> = embedding[..local.dim()]
        .iter()
        .map(|value| value.cast_unsigned())
        .collect();
    let components = &components;
    let expected = Response::Embedding { components };
    assert_eq!(client.ask(&Request::Embed).unwrap(), expected);
    let gone = Response::Refused(Refusal::NoSample);
    assert_eq!(client.ask(&Request::Embed).unwrap(), gone);
    upload(&mut client, &pixels);
    client.ask(&Request::SelfTest).unwrap();
    assert_eq!(client.ask(&Request::Identify).unwrap(), gone);
    upload(&mut client, &pixels);
    let cost = Response::Measured {
        ticks: 7,
        per_second: 1000,
        stack: (300, 4000),
    };
    assert_eq!(client.ask(&Request::Measure).unwrap(), cost);
    assert_eq!(client.ask(&Request::Identify).unwrap(), gone);
}

#[test]
fn what_cannot_be_carried_out_is_refused_by_name() {
    let mut client = client(0, 1);
    let mut refusal = |request: &Request<'_>| match client.ask(request).unwrap() {
        Response::Refused(refusal) => refusal,
        other => panic!("{request:?}: {other:?}"),
    };
    let begin = |width, height, channels| Request::ImageBegin {
        width,
        height,
        channels,
    };
    let other = Request::Hello {
        version: wire::VERSION + 1,
    };
    assert_eq!(refusal(&other), Refusal::Version);
    assert_eq!(refusal(&Request::Identify), Refusal::NoSample);
    let chunk = Request::SampleChunk {
        offset: 0,
        bytes: &[1],
    };
    assert_eq!(refusal(&chunk), Refusal::NoSample);
    assert_eq!(refusal(&begin(0, 3, 1)), Refusal::Image);
    assert_eq!(refusal(&begin(3, 3, 2)), Refusal::Image);
    assert_eq!(
        refusal(&begin(u16::MAX, u16::MAX, 3)),
        Refusal::SampleTooLarge
    );
    assert_eq!(client.ask(&begin(4, 4, 1)).unwrap(), Response::Done);
    let mut refusal = |request: &Request<'_>| match client.ask(request).unwrap() {
        Response::Refused(refusal) => refusal,
        other => panic!("{request:?}: {other:?}"),
    };
    for offset in [1, 17, u32::MAX] {
        let bytes = &[1];
        let gap = Request::SampleChunk { offset, bytes };
        assert_eq!(refusal(&gap), Refusal::Chunk);
    }
    // Announced, but not here.
    assert_eq!(refusal(&enroll("a", false)), Refusal::NoSample);
    upload(&mut client, &drawing(0, 0));
    let mut refusal = |request: &Request<'_>| match client.ask(request).unwrap() {
        Response::Refused(refusal) => refusal,
        other => panic!("{request:?}: {other:?}"),
    };
    assert_eq!(refusal(&enroll("", false)), Refusal::Subject);
    let unknown = Response::Verified {
        verdict: Verdict::Unknown,
        scores: None,
    };
    let nobody = Request::Verify { subject: "nobody" };
    assert_eq!(client.ask(&nobody).unwrap(), unknown);
    for subject in ["a", "b", "c", "d"] {
        let answer = client.ask(&enroll(subject, false)).unwrap();
        // The same picture under another name.
        let first = (subject != "a").then_some("a");
        assert_eq!(answer, enrolled(1, first));
    }
    let fifth = client.ask(&enroll("e", false)).unwrap();
    assert_eq!(fifth, Response::Refused(Refusal::Full));
    for shots in 2..=SHOTS as u8 {
        let answer = client.ask(&enroll("a", false)).unwrap();
        assert_eq!(answer, enrolled(shots, Some("b")));
    }
    let anew = enroll("b", true);
    for _ in 0..2 {
        let answer = client.ask(&anew).unwrap();
        assert_eq!(answer, enrolled(1, Some("a")));
    }
    let sixth = client.ask(&enroll("a", false)).unwrap();
    assert_eq!(sixth, Response::Refused(Refusal::Full));
}

/// In plain; what a session does is tried elsewhere.
#[test]
fn a_request_that_comes_again_is_answered_again_and_not_carried_out_again() {
    // Pictures are looked at once.
    let (mut server, mut device) = (Server::new(), device_with(vec![], Desk::new()));
    let mut identity = identity();
    let mut send = |id, request: &Request<'_>| {
        let mut frame = [0; MAX_FRAME];
        let length = wire::encode(id, request, &mut frame).unwrap();
        let frame = &mut frame[..length];
        answer(&mut server, &mut device, &mut identity, frame).to_vec()
    };
    let side = SIDE as u16;
    let begin = Request::ImageBegin {
        width: side,
        height: side,
        channels: 1,
    };
    send(1, &begin);
    let pixels = drawing(1, 1);
    for (index, bytes) in pixels.chunks(700).enumerate() {
        let offset = 700 * index as u32;
        send(2 + index as u16, &Request::SampleChunk { offset, bytes });
    }
    let verify = Request::Verify { subject: "ada" };
    let first = send(9, &verify);
    assert_eq!(send(9, &verify), first);
    // Noise in between changes nothing.
    let mut noise = *b"\x03abc\x00";
    let mut refused = answer(&mut server, &mut device, &mut identity, &mut noise).to_vec();
    let malformed: (u16, Response<'_>) = wire::decode(&mut refused).unwrap();
    assert_eq!(malformed, (0, Response::Refused(Refusal::Malformed)));
    let mut send = |id, request: &Request<'_>| {
        let mut frame = [0; MAX_FRAME];
        let length = wire::encode(id, request, &mut frame).unwrap();
        let frame = &mut frame[..length];
        answer(&mut server, &mut device, &mut identity, frame).to_vec()
    };
    assert_eq!(send(9, &verify), first);
    let unknown = Response::Verified {
        verdict: Verdict::Unknown,
        scores: None,
    };
    assert_eq!(wire::decode(&mut first.clone()), Ok((9, unknown)));
    let gone = Response::Refused(Refusal::NoSample);
    assert_eq!(wire::decode(&mut send(10, &verify)), Ok((10, gone)));
}

/// One that restarts forgets its session; a host is told, and finds the same device again.
#[test]
fn a_session_that_a_device_forgot_is_begun_again() {
    let mut client = client(0, 1);
    upload(&mut client, &drawing(1, 1));
    client.line_mut().restart();
    let lost = client.ask(&Request::Identify);
    assert!(matches!(lost, Err(ClientError::Session)), "{lost:?}");
    let gone = Response::Refused(Refusal::NoSample);
    assert_eq!(client.ask(&Request::Identify).unwrap(), gone);
    upload(&mut client, &drawing(1, 1));
    assert!(matches!(
        client.ask(&Request::Identify).unwrap(),
        Response::Identified {
            distance: Some(_),
            ..
        }
    ));
}

#[test]
fn a_device_that_goes_by_another_key_is_told_nothing() {
    let mut client = client_of(device(), 0, 1);
    let found = client.pair(&host(), Some(&[1; 32]));
    let key = *identity().keys.unwrap().public();
    assert!(matches!(found, Err(ClientError::Stranger(other)) if other == key));
    assert!(!client.line_mut().is_claimed());
    let mut mute = Desk::new();
    mute.stop_random();
    let mut client = client_of(device_with(vec![], mute), 0, 1);
    let refused = client.pair(&host(), None);
    assert!(
        matches!(refused, Err(ClientError::Handshake(Refusal::NoRandomness))),
        "{refused:?}"
    );
}

/// Somebody else at the line answers before the device does, with whatever was sealed before,
/// bent or not, and in plain; the host takes the device's own answers.
#[test]
fn forged_answers_are_no_answers() {
    let mut client = client(0, 1);
    client.line_mut().forge();
    for _ in 0..200 {
        let listed = client.ask(&Request::List { index: 0 }).unwrap();
        assert_eq!(listed, Response::Subject { entry: None });
    }
    assert!(client.line_mut().forged() >= 800);
}

#[test]
fn a_noisy_line_loses_no_request_and_repeats_none() {
    let requests = 10_000;
    // One byte of a hundred.
    let mut client = client(655, 0x5EED);
    let names = ["ada", "bob", "cyd", "dot"];
    let mut known: BTreeMap<&str, u8> = BTreeMap::new();
    let mut order: Vec<&str> = vec![];
    let mut choice = Noise(77);
    let mut silent = 0;
    while let Err(error) = client.upload(&image(&drawing(2, 0)), |_| ()) {
        assert!(matches!(error, ClientError::Silent), "{error}");
    }
    for _ in 0..requests {
        let subject = names[choice.next() as usize % names.len()];
        let shots = known.get(subject).copied();
        let request = match choice.next() % 5 {
            0 => enroll(subject, false),
            1 => Request::Remove { subject },
            2 => Request::List {
                index: (choice.next() % 5) as u16,
            },
            3 if choice.next().is_multiple_of(20) => Request::Verify { subject },
            _ => Request::SampleChunk {
                offset: 0,
                bytes: &[255; 4],
            },
        };
        let expected = match request {
            Request::Enroll { .. } => match shots {
                Some(shots) if usize::from(shots) == SHOTS => Response::Refused(Refusal::Full),
                _ => {
                    let shots = shots.unwrap_or(0) + 1;
                    if shots == 1 {
                        order.push(subject);
                    }
                    known.insert(subject, shots);
                    // All show the same.
                    let other = order.iter().find(|name| **name != subject);
                    enrolled(shots, other.copied())
                }
            },
            Request::Remove { .. } => match known.remove(subject) {
                Some(_) => {
                    order.retain(|name| *name != subject);
                    Response::Done
                }
                None => Response::Refused(Refusal::NotEnrolled),
            },
            Request::List { index } => match client.ask(&request) {
                Ok(Response::Subject { entry }) => {
                    let name = order.get(usize::from(index)).copied();
                    let expected = name.map(|name| (name, known[name]));
                    assert_eq!(entry.map(|(name, shots, _)| (name, shots)), expected);
                    continue;
                }
                other => panic!("{other:?}"),
            },
            Request::Verify { .. } if shots.is_none() => Response::Verified {
                verdict: Verdict::Unknown,
                scores: None,
            },
            Request::Verify { .. } => match client.ask(&request) {
                Ok(Response::Verified { scores, .. }) => {
                    assert!(scores.unwrap().distance.is_finite());
                    continue;
                }
                other => panic!("{other:?}"),
            },
            _ => Response::Done,
        };
        match client.ask(&request) {
            Ok(answer) => assert_eq!(answer, expected, "{request:?}"),
            Err(ClientError::Silent) => silent += 1,
            Err(error) => panic!("{error}"),
        }
    }
    // Half of all attempts fail; 64 in a row do not.
    assert_eq!(silent, 0);
}

#[test]
fn whatever_comes_over_the_line_the_device_answers_and_goes_on() {
    let (mut server, mut device, mut identity) = (Server::new(), device(), identity());
    let mut frames = Frames::new();
    let mut noise = Noise(5);
    let mut answers = 0;
    for _ in 0..200_000 {
        // Zeros often, so that frames end.
        let byte = match noise.next() % 9 {
            0 => 0,
            _ => noise.next() as u8,
        };
        if let Some(frame) = frames.push(byte) {
            assert!(!answer(&mut server, &mut device, &mut identity, frame).is_empty());
            answers += 1;
        }
    }
    assert!(answers > 10_000, "{answers}");
    let mut frame = [0; MAX_FRAME];
    let hello = Request::Hello {
        version: wire::VERSION,
    };
    let length = wire::encode(1, &hello, &mut frame).unwrap();
    frames.push(0);
    let answer = frame[..length].iter().find_map(|&byte| {
        let frame = frames.push(byte)?;
        Some(answer(&mut server, &mut device, &mut identity, frame).to_vec())
    });
    let mut answer = answer.unwrap();
    assert!(matches!(
        wire::decode(&mut answer).unwrap(),
        (1, Response::Hello { .. })
    ));
}

#[test]
fn bad_pictures_and_pictures_of_others_are_refused_unless_somebody_insists() {
    let mut client = client(0, 1);
    let mut ask = |pixels: &[u8], anyway| {
        upload(&mut client, pixels);
        let request = Request::Enroll {
            subject: "ada",
            anew: false,
            anyway,
        };
        match client.ask(&request).unwrap() {
            Response::Enrolled { shots, .. } => Ok(shots),
            Response::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    };
    let mut paper = drawing(0, 0);
    paper
        .iter_mut()
        .for_each(|pixel| *pixel = 255 - *pixel / 255);
    paper[7] = 255;
    let blank = Refusal::Quality(Flaw::Blank);
    assert_eq!(ask(&paper, false), Err(blank));
    assert_eq!(ask(&drawing(0, 0), false), Ok(1));
    assert_eq!(ask(&drawing(0, 1), false), Ok(2));
    let stranger = drawing(3, 0);
    assert_eq!(ask(&stranger, false), Err(Refusal::Unlike));
    // Nothing of what was refused is there.
    assert_eq!(ask(&drawing(0, 2), false), Ok(3));
    assert_eq!(ask(&stranger, true), Ok(4));
    // It does not stand in the way of good ones.
    assert_eq!(ask(&drawing(0, 3), false), Ok(5));
}
