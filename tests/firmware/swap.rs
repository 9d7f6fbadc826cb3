//! Another model for a board that runs.

use std::fs;

use edge_runtime::client::emulator::MACHINES;
use edge_runtime::client::{Client, ClientError, Line};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use shared::ModelId;
use shared::artifact::Artifact;
use shared::wire::{Refusal, Request, Response};
use tests::{artifact, root};

use crate::board::*;

/// An untrained model of a few kilobytes.
fn small_model(side: usize, seed: u64) -> Vec<u8> {
    let tower = TowerSpec::Conv4(Conv4 {
        input: [side, side],
        width: 8,
        embedding: 8,
        normalized: true,
    });
    artifact(tower, seed).unwrap()
}

fn id(artifact: &[u8]) -> ModelId {
    Artifact::parse(artifact).unwrap().model_id()
}

/// What runs there, how many are enrolled, and how many templates are of other models.
fn state(client: &mut Client<impl Line>) -> (Option<ModelId>, u16, u16) {
    match client.hello().unwrap() {
        Response::Hello {
            model,
            enrolled,
            stale,
            ..
        } => (model, enrolled, stale),
        other => panic!("{other:?}"),
    }
}

fn send(client: &mut Client<impl Line>, artifact: &[u8]) -> Option<Refusal> {
    client.send_model(artifact, |_| ()).unwrap()
}

/// On every board whose flash the emulator lets a program write: a model comes, runs, is there
/// after a restart, and the templates of the one before are stale until it comes back.
#[test]
fn another_model_takes_the_place_of_the_one_in_use() {
    let Some(firmware) = firmware("another model on a board") else {
        return;
    };
    let (first, second) = (small_model(16, 1), small_model(28, 2));
    let picture = pictures(1, 1).concat().remove(0);
    for machine in MACHINES {
        let board = Board::with_model(&firmware, machine, &first);
        let mut client = board.start();
        enroll(&mut client, "ada", &picture);
        assert_eq!(state(&mut client), (Some(id(&first)), 1, 0));
        if machine.board == "qemu-netduinoplus2" {
            // Its flash is read-only in the emulator.
            assert_eq!(send(&mut client, &second), Some(Refusal::Flash));
            assert_eq!(state(&mut client), (Some(id(&first)), 1, 0));
            continue;
        }
        assert_eq!(send(&mut client, &second), None, "{}", machine.board);
        assert_eq!(state(&mut client), (Some(id(&second)), 0, 1));
        assert_eq!(list(&mut client), []);
        assert_eq!(identify(&mut client, &picture), None);
        enroll(&mut client, "berta", &picture);
        drop(client);

        let mut client = board.start();
        assert_eq!(state(&mut client), (Some(id(&second)), 1, 1));
        let tested = client.ask(&Request::SelfTest).unwrap();
        assert!(matches!(tested, Response::SelfTested { passed, total } if passed == total));
        assert_eq!(send(&mut client, &first), None, "{}", machine.board);
        assert_eq!(list(&mut client), [("ada".to_owned(), 1)]);
        assert!(verify(&mut client, "ada", &picture));
        assert_eq!(client.ask(&Request::RemoveStale).unwrap(), Response::Done);
        assert_eq!(state(&mut client), (Some(id(&first)), 1, 0));
    }
}

/// Firmware alone waits for a model.
#[test]
fn a_board_without_a_model_takes_one() {
    let Some(firmware) = firmware("a board without a model") else {
        return;
    };
    let board = Board::new(&firmware, &MACHINES[0]);
    fs::write(&board.options.flash, []).unwrap();
    let mut client = board.start();
    assert_eq!(state(&mut client), (None, 0, 0));
    let nothing = Response::Refused(Refusal::NoModel);
    for request in [Request::SelfTest, Request::Identify, Request::Measure] {
        assert_eq!(client.ask(&request).unwrap(), nothing);
    }
    let model = small_model(16, 1);
    assert_eq!(send(&mut client, &model), None);
    assert_eq!(state(&mut client), (Some(id(&model)), 0, 0));
}

/// What is no model for this board is refused by name, and the one in use goes on.
#[test]
fn a_board_refuses_what_is_no_model_for_it() {
    let Some(firmware) = firmware("models that are refused") else {
        return;
    };
    let board = Board::new(&firmware, &MACHINES[0]);
    let mut client = board.start();
    let picture = pictures(1, 1).concat().remove(0);
    enroll(&mut client, "ada", &picture);
    let before = state(&mut client);
    let good = small_model(16, 1);
    let changed = |at: usize| {
        let mut model = good.clone();
        model[at] ^= 1;
        model
    };
    // Activations of 96 x 96 pixels need more memory than there is.
    let refused = [
        ("an older format", changed(8), Refusal::ModelVersion),
        ("no artifact", changed(0), Refusal::ModelDamaged),
        (
            "a flipped bit",
            changed(good.len() / 2),
            Refusal::ModelDamaged,
        ),
        (
            "a cut",
            good[..good.len() - 40].to_vec(),
            Refusal::ModelDamaged,
        ),
        (
            "a larger board's",
            small_model(128, 1),
            Refusal::ModelTooLarge,
        ),
    ];
    for (what, model, refusal) in refused {
        assert_eq!(send(&mut client, &model), Some(refusal), "{what}");
        assert_eq!(state(&mut client), before, "{what}");
    }
    let length = 10 << 20;
    let announced = client.ask(&Request::ModelBegin { length }).unwrap();
    assert_eq!(announced, Response::Refused(Refusal::ModelTooLarge));
    let committed = client.ask(&Request::ModelCommit).unwrap();
    assert_eq!(committed, Response::Refused(Refusal::Chunk));
    assert!(verify(&mut client, "ada", &picture));
    drop(client);
    let mut client = board.start();
    assert_eq!(state(&mut client), before, "after a restart");
}

/// Power fails at each write and each erasure of a swap.
#[test]
fn a_board_without_power_has_a_whole_model() {
    let Some(firmware) = firmware("power that fails while a model comes") else {
        return;
    };
    let (first, second) = (small_model(16, 1), small_model(16, 2));
    let board = Board::with_model(&firmware, &MACHINES[0], &first);
    let picture = pictures(1, 1).concat().remove(0);
    enroll(&mut board.start(), "ada", &picture);
    let before = fs::read(&board.options.flash).unwrap();
    let [old, new] = [&first, &second].map(|model| Some(id(model)));
    for power in 0.. {
        fs::write(&board.options.flash, &before).unwrap();
        let sent = board.with_power(power).start().send_model(&second, |_| ());
        let mut client = board.start();
        let (found, ..) = state(&mut client);
        match sent {
            Ok(None) => {
                assert_eq!(found, new, "it was acknowledged");
                println!("power failed {power} times");
                assert!(power >= 8, "{power}");
                return;
            }
            Err(ClientError::Line(_)) => assert!(found == old || found == new, "{power}"),
            other => panic!("{other:?}"),
        }
        if found == old {
            assert!(verify(&mut client, "ada", &picture));
        }
    }
}

/// Committed models fit the boards, and take each other's place.
#[test]
fn committed_models_take_each_others_place() {
    let Some(firmware) = firmware("committed models on a board") else {
        return;
    };
    let other = fs::read(root().join("models/omniglot-vinyals/model.bin")).unwrap();
    let board = Board::new(&firmware, &MACHINES[0]);
    let mut client = board.start();
    assert_eq!(send(&mut client, &other), None);
    assert_eq!(state(&mut client), (Some(id(&other)), 0, 0));
}
