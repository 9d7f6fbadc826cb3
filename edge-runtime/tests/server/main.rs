//! A host and a device that talk over a line, quiet and noisy.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod line;

use std::collections::BTreeMap;

use edge_runtime::client::{Client, ClientError};
use edge_runtime::server::Server;
use shared::preprocess::Image;
use shared::template::SubjectId;
use shared::wire::{self, Frames, MAX_FRAME, Refusal, Request, Response};

use line::*;

fn image(pixels: &[u8]) -> Image<'_> {
    Image::new(SIDE as u32, SIDE as u32, 1, pixels).unwrap()
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
            let answer = client
                .ask(&Request::Enroll {
                    subject: name,
                    anew: false,
                })
                .unwrap();
            assert_eq!(answer, Response::Enrolled { shots: which + 1 });
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
                accepted: expected.accepted(),
                distance: expected.distance,
                threshold: expected.threshold,
            }
        );
    }
    let Response::Identified { subject, distance } = client.ask(&Request::Identify).unwrap() else {
        panic!("no answer to who it is");
    };
    assert_eq!(subject, Some("ada"));
    assert_eq!(distance, local.verify("ada", &image).unwrap().0.distance);

    let list = |client: &mut Client<Wire>, index| match client.ask(&Request::List { index }) {
        Ok(Response::Subject { entry }) => entry.map(|(name, shots)| (name.to_owned(), shots)),
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
    let mut client = client_of(device_with(vec![]), 0, 1);
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
    let gone = Response::Refused(Refusal::NoImage);
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
    assert_eq!(refusal(&Request::Identify), Refusal::NoImage);
    let chunk = Request::ImageChunk {
        offset: 0,
        bytes: &[1],
    };
    assert_eq!(refusal(&chunk), Refusal::NoImage);
    assert_eq!(refusal(&begin(0, 3, 1)), Refusal::Image);
    assert_eq!(refusal(&begin(3, 3, 2)), Refusal::Image);
    assert_eq!(
        refusal(&begin(u16::MAX, u16::MAX, 3)),
        Refusal::ImageTooLarge
    );
    assert_eq!(client.ask(&begin(4, 4, 1)).unwrap(), Response::Done);
    let mut refusal = |request: &Request<'_>| match client.ask(request).unwrap() {
        Response::Refused(refusal) => refusal,
        other => panic!("{request:?}: {other:?}"),
    };
    for offset in [1, 17, u32::MAX] {
        let bytes = &[1];
        let gap = Request::ImageChunk { offset, bytes };
        assert_eq!(refusal(&gap), Refusal::Chunk);
    }
    // Announced, but not here.
    assert_eq!(
        refusal(&Request::Enroll {
            subject: "a",
            anew: false
        }),
        Refusal::NoImage
    );
    upload(&mut client, &drawing(0, 0));
    let mut refusal = |request: &Request<'_>| match client.ask(request).unwrap() {
        Response::Refused(refusal) => refusal,
        other => panic!("{request:?}: {other:?}"),
    };
    assert_eq!(
        refusal(&Request::Enroll {
            subject: "",
            anew: false
        }),
        Refusal::Subject
    );
    let nobody = Request::Verify { subject: "nobody" };
    assert_eq!(refusal(&nobody), Refusal::NotEnrolled);
    for subject in ["a", "b", "c", "d"] {
        let answer = client
            .ask(&Request::Enroll {
                subject,
                anew: false,
            })
            .unwrap();
        assert_eq!(answer, Response::Enrolled { shots: 1 });
    }
    let fifth = client
        .ask(&Request::Enroll {
            subject: "e",
            anew: false,
        })
        .unwrap();
    assert_eq!(fifth, Response::Refused(Refusal::Full));
    for shots in 2..=SHOTS as u8 {
        let answer = client
            .ask(&Request::Enroll {
                subject: "a",
                anew: false,
            })
            .unwrap();
        assert_eq!(answer, Response::Enrolled { shots });
    }
    let anew = Request::Enroll {
        subject: "b",
        anew: true,
    };
    for _ in 0..2 {
        let answer = client.ask(&anew).unwrap();
        assert_eq!(answer, Response::Enrolled { shots: 1 });
    }
    let sixth = client
        .ask(&Request::Enroll {
            subject: "a",
            anew: false,
        })
        .unwrap();
    assert_eq!(sixth, Response::Refused(Refusal::Full));
}

#[test]
fn a_request_that_comes_again_is_answered_again_and_not_carried_out_again() {
    let (mut server, mut device) = (Server::new(), device());
    let mut send = |id, request: &Request<'_>| {
        let mut frame = [0; MAX_FRAME];
        let length = wire::encode(id, request, &mut frame).unwrap();
        answer(&mut server, &mut device, &mut frame[..length]).to_vec()
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
        send(2 + index as u16, &Request::ImageChunk { offset, bytes });
    }
    let enroll = Request::Enroll {
        subject: "ada",
        anew: false,
    };
    let first = send(9, &enroll);
    let mut damaged = first.clone();
    damaged[2] ^= 4;
    assert_eq!(send(9, &enroll), first);
    let second = send(10, &enroll);
    let shots = |mut frame: Vec<u8>| match wire::decode(&mut frame).unwrap() {
        (id, Response::Enrolled { shots }) => (id, shots),
        other => panic!("{other:?}"),
    };
    assert_eq!(shots(first.clone()), (9, 1));
    assert_eq!(shots(second.clone()), (10, 2));
    // Noise in between changes nothing.
    let mut noise = *b"\x03abc\x00";
    let mut refused = answer(&mut server, &mut device, &mut noise).to_vec();
    let malformed: (u16, Response<'_>) = wire::decode(&mut refused).unwrap();
    assert_eq!(malformed, (0, Response::Refused(Refusal::Malformed)));
    let mut frame = [0; MAX_FRAME];
    let length = wire::encode(10, &enroll, &mut frame).unwrap();
    let again = answer(&mut server, &mut device, &mut frame[..length]);
    assert_eq!(again, second);
}

#[test]
fn a_noisy_line_loses_no_request_and_repeats_none() {
    let requests = 10_000;
    // One byte of a hundred.
    let mut client = client(655, 0x5EED);
    let names = ["ada", "bob", "cyd", "dot"];
    let mut enrolled: BTreeMap<&str, u8> = BTreeMap::new();
    let mut order: Vec<&str> = vec![];
    let mut choice = Noise(77);
    let mut silent = 0;
    while let Err(error) = client.upload(&image(&drawing(2, 0)), |_| ()) {
        assert!(matches!(error, ClientError::Silent), "{error}");
    }
    for _ in 0..requests {
        let subject = names[choice.next() as usize % names.len()];
        let shots = enrolled.get(subject).copied();
        let request = match choice.next() % 5 {
            0 => Request::Enroll {
                subject,
                anew: false,
            },
            1 => Request::Remove { subject },
            2 => Request::List {
                index: (choice.next() % 5) as u16,
            },
            3 if choice.next().is_multiple_of(20) => Request::Verify { subject },
            _ => Request::ImageChunk {
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
                    enrolled.insert(subject, shots);
                    Response::Enrolled { shots }
                }
            },
            Request::Remove { .. } => match enrolled.remove(subject) {
                Some(_) => {
                    order.retain(|name| *name != subject);
                    Response::Done
                }
                None => Response::Refused(Refusal::NotEnrolled),
            },
            Request::List { index } => Response::Subject {
                entry: order
                    .get(usize::from(index))
                    .map(|name| (*name, enrolled[name])),
            },
            Request::Verify { .. } if shots.is_none() => Response::Refused(Refusal::NotEnrolled),
            Request::Verify { .. } => match client.ask(&request) {
                Ok(Response::Verified { distance, .. }) => {
                    assert!(distance.is_finite());
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
    // Sixteen attempts in a row do not all fail with frames as short as these.
    assert_eq!(silent, 0);
}

#[test]
fn whatever_comes_over_the_line_the_device_answers_and_goes_on() {
    let (mut server, mut device) = (Server::new(), device());
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
            assert!(!answer(&mut server, &mut device, frame).is_empty());
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
        Some(answer(&mut server, &mut device, frame).to_vec())
    });
    let mut answer = answer.unwrap();
    assert!(matches!(
        wire::decode(&mut answer).unwrap(),
        (1, Response::Hello { .. })
    ));
}
