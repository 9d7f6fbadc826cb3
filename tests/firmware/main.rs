//! Firmware on emulated boards, driven as a user's board is.
//!
//! `cargo xtask test --firmware` builds the firmware and runs this; SEMBLANCE_FIRMWARE is
//! the folder that it builds into.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod board;
mod figures;
mod noise;
mod panics;
mod signatures;
mod swap;

use std::fs;

use edge_runtime::client::ClientError;
use edge_runtime::client::emulator::MACHINES;
use shared::artifact::Artifact;
use shared::wire::{Refusal, Request, Response};

use board::*;

/// On every board, from turning it on: enrol five, verify, identify, list, remove; turned
/// off and on, all is there.
#[test]
fn boards_enrol_verify_identify_list_remove_and_remember() {
    let Some(firmware) = firmware("boards that enrol and verify") else {
        return;
    };
    let subjects = pictures(6, 6);
    let names = ["ada", "berta", "clara", "dora", "emma"];
    let bytes = model();
    let artifact = Artifact::parse(&bytes).unwrap();
    for machine in MACHINES {
        let board = Board::new(&firmware, machine);
        let mut client = board.start();
        let hello = client.hello().unwrap();
        let Response::Hello {
            model,
            enrolled: 0,
            stale: 0,
            board: name,
            ..
        } = hello
        else {
            panic!("{}: {hello:?}", machine.board);
        };
        assert_eq!((model, name), (Some(artifact.model_id()), machine.board));
        let all = artifact.golden().iter().count() as u16;
        let tested = client.ask(&Request::SelfTest).unwrap();
        assert_eq!(
            tested,
            Response::SelfTested {
                passed: all,
                total: all
            }
        );

        // What it decides is what this machine decides of the same pictures.
        let mut here = local(&artifact);
        for (name, pictures) in names.iter().zip(&subjects) {
            let subject = shared::template::SubjectId::new(name).unwrap();
            let mut template = here.begin(subject, 0).unwrap();
            for (index, picture) in pictures[..3].iter().enumerate() {
                assert_eq!(usize::from(enroll(&mut client, name, picture)), index + 1);
                here.add_anyway(&mut template, &picture.image()).unwrap();
            }
            here.enroll_anyway(template).unwrap();
        }
        let mut accepted = [0, 0];
        for (name, pictures) in names.iter().zip(&subjects) {
            let genuine = pictures[3..].iter().map(|picture| (0, picture));
            let impostors = subjects[5].iter().map(|picture| (1, picture));
            for (kind, picture) in genuine.chain(impostors) {
                let image = picture.image();
                let (expected, _) = here.verify(name, &image).unwrap();
                let answer = verify(&mut client, name, picture);
                assert_eq!(answer, expected.accepted(), "{}: {name}", machine.board);
                accepted[kind] += u32::from(answer);
            }
        }
        // 15 genuine pictures and 30 of somebody else.
        assert!(accepted[0] >= 12 && accepted[1] <= 3, "{accepted:?}");
        for picture in subjects.iter().map(|pictures| &pictures[5]) {
            let (expected, _) = here.identify(&picture.image()).unwrap();
            let expected = match expected {
                shared::decision::Identification::Match { subject, .. } => {
                    Some(subject.as_str().to_owned())
                }
                shared::decision::Identification::Unknown(_) => None,
            };
            assert_eq!(
                identify(&mut client, picture),
                expected,
                "{}",
                machine.board
            );
        }
        let removed = client.ask(&Request::Remove { subject: "clara" }).unwrap();
        assert_eq!(removed, Response::Done);
        let expected: Vec<(String, u8)> = ["ada", "berta", "dora", "emma"]
            .map(|name| (name.to_owned(), 3))
            .to_vec();
        assert_eq!(list(&mut client), expected);
        drop(client);

        let mut client = board.start();
        assert_eq!(
            list(&mut client),
            expected,
            "{} after a restart",
            machine.board
        );
        assert!(verify(&mut client, "ada", &subjects[0][0]));
        let gone = client.ask(&Request::Remove { subject: "clara" }).unwrap();
        assert_eq!(gone, Response::Refused(Refusal::NotEnrolled));
    }
}

/// Every board gives the bytes that this machine gives.
#[test]
fn embeddings_of_boards_are_those_of_this_machine() {
    let Some(firmware) = firmware("embeddings of boards") else {
        return;
    };
    let pictures: Vec<Picture> = pictures(50, 2).concat();
    let bytes = model();
    let artifact = Artifact::parse(&bytes).unwrap();
    let mut here = local(&artifact);
    for machine in MACHINES {
        let board = Board::new(&firmware, machine);
        let mut client = board.start();
        for (index, picture) in pictures.iter().enumerate() {
            let expected = here.embed(&picture.image()).unwrap();
            let expected = expected[..here.dim()]
                .iter()
                .map(|value| value.cast_unsigned());
            show(&mut client, picture);
            let answer = client.ask(&Request::Embed).unwrap();
            let Response::Embedding { components } = answer else {
                panic!("{}: {answer:?}", machine.board);
            };
            assert!(
                expected.eq(components.iter().copied()),
                "{}: {index}",
                machine.board
            );
        }
        println!("{}: {} pictures", machine.board, pictures.len());
    }
}

/// Power fails at each write and each erasure of enrolling and of removing.
#[test]
fn a_board_without_power_keeps_what_it_acknowledged() {
    let Some(firmware) = firmware("power that fails") else {
        return;
    };
    let subjects = pictures(3, 2);
    let board = Board::new(&firmware, &MACHINES[0]);
    let mut client = board.start();
    for (name, pictures) in ["ada", "berta"].iter().zip(&subjects) {
        enroll(&mut client, name, &pictures[0]);
    }
    drop(client);
    let before = fs::read(&board.options.flash).unwrap();
    let named = |names: &[(&str, u8)]| -> Vec<(String, u8)> {
        names
            .iter()
            .map(|(name, shots)| ((*name).to_owned(), *shots))
            .collect()
    };
    let old = named(&[("ada", 1), ("berta", 1)]);
    let changes = [
        (
            Request::Enroll {
                subject: "clara",
                anew: false,
                anyway: true,
            },
            named(&[("ada", 1), ("berta", 1), ("clara", 1)]),
        ),
        (
            Request::Enroll {
                subject: "ada",
                anew: false,
                anyway: true,
            },
            named(&[("ada", 2), ("berta", 1)]),
        ),
        (Request::Remove { subject: "ada" }, named(&[("berta", 1)])),
    ];
    let mut cuts = 0;
    for (change, new) in changes {
        for power in 0.. {
            fs::write(&board.options.flash, &before).unwrap();
            let weak = board.with_power(power);
            let mut client = weak.start();
            show(&mut client, &subjects[2][0]);
            let answer = client.ask(&change).map(|_| ());
            drop(client);
            let mut client = board.start();
            let found = list(&mut client);
            match answer {
                Ok(()) => {
                    assert_eq!(found, new, "{change:?} was acknowledged");
                    break;
                }
                Err(ClientError::Line(_)) => {
                    assert!(
                        found == old || found == new,
                        "{change:?}, {power}: {found:?}"
                    );
                    assert!(verify(&mut client, "berta", &subjects[1][0]));
                    cuts += 1;
                }
                Err(error) => panic!("{change:?}: {error}"),
            }
        }
    }
    println!("power failed {cuts} times");
    assert!(cuts >= 10, "{cuts}");
}
