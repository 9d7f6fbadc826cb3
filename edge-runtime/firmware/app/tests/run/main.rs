//! A board from its first start on: a model comes over the line, people draw on its panel.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod flash;
mod host;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::iter;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use app::sensor::Drawing;
use app::{Indicator, Memory, Parts, Sign, run};
use ed25519_dalek::{Signer, SigningKey};
use edge_runtime::boards::EMULATED;
use edge_runtime::keys::flash::FlashKeys;
use edge_runtime::limits::Limits;
use edge_runtime::sensor::{Pen, Sensor, SensorError, Touch};
use edge_runtime::server::{Board, NoRandomness};
use edge_runtime::store::flash::record_len;
use embedded_hal::delay::DelayNs;
use embedded_io::ErrorKind;
use shared::artifact::Artifact;
use shared::artifact::signature::{Manifest, PublicKey};
use shared::wire::{Pairing, Refusal, Request, Response, Verdict, answer_len};

use flash::Flash;
use host::{Host, Link};

const MODEL: &[u8] = include_bytes!("../../../../../models/omniglot-vinyals/model.bin");
const LIMITS: Limits = EMULATED;
const PAGE: usize = 4096;

struct Desk {
    has_randomness: bool,
}

impl Board for Desk {
    fn name(&self) -> &str {
        "desk"
    }

    fn ticks(&mut self) -> Option<u64> {
        None
    }

    fn ticks_per_second(&self) -> u32 {
        0
    }

    fn stack(&self) -> (u32, u32) {
        (0, 0)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(0x5e);
        self.has_randomness.then_some(()).ok_or(NoRandomness)
    }
}

/// Remembers what was shown.
struct Signs(Sender<Sign>);

impl Indicator for Signs {
    fn show(&mut self, sign: Sign) {
        let _ = self.0.send(sign);
    }
}

/// No time passes.
struct Now;

impl DelayNs for Now {
    fn delay_ns(&mut self, _: u32) {}
}

/// People who draw signs in turn, each as told, and lift the pen for a second in between.
struct People(VecDeque<Option<(u16, u16)>>);

impl People {
    fn new(drawings: impl IntoIterator<Item = Vec<(u16, u16)>>) -> Self {
        let drawings = drawings.into_iter();
        let looks = drawings.flat_map(|drawing| {
            let touches = drawing.into_iter().map(Some);
            touches.chain(iter::repeat_n(None, 100))
        });
        Self(looks.collect())
    }
}

impl Pen for People {
    fn size(&self) -> (u16, u16) {
        (200, 200)
    }

    fn poll(&mut self) -> Result<Option<Touch>, SensorError> {
        let touch = self.0.pop_front().flatten();
        Ok(touch.map(|(x, y)| Touch {
            x,
            y,
            pressure: None,
        }))
    }
}

/// A board whose flash outlives it.
struct Kept {
    slots: [Flash; 2],
    store: Flash,
    keys: Flash,
    has_randomness: bool,
}

impl Kept {
    fn blank() -> Self {
        Self {
            slots: [(); 2].map(|()| Flash::blank(LIMITS.slot)),
            store: Flash::blank(8 * PAGE),
            keys: Flash::blank(2 * PAGE),
            has_randomness: true,
        }
    }

    /// Turns it on, and off when the host that it is paired with is done; what people saw.
    fn start(
        &mut self,
        sensor: impl Sensor + Send,
        host: impl FnOnce(&mut Host),
    ) -> (Vec<Sign>, Result<Infallible, ErrorKind>) {
        self.start_unpaired(sensor, |end| {
            assert_ne!(end.pair(), Pairing::Unknown);
            host(end);
        })
    }

    /// The same, with a host that has no session.
    fn start_unpaired(
        &mut self,
        sensor: impl Sensor + Send,
        host: impl FnOnce(&mut Host),
    ) -> (Vec<Sign>, Result<Infallible, ErrorKind>) {
        const SUBJECTS: usize = LIMITS.subjects;
        const SHOTS: usize = LIMITS.shots;
        const DIM: usize = LIMITS.dim;
        let (to_board, receive) = channel();
        let (send, from_board) = channel();
        let (signs, shown) = channel();
        let ended = thread::scope(|scope| {
            let board = scope.spawn(|| {
                let [first, second] = &mut self.slots;
                let mut memory: Memory<SUBJECTS, SHOTS, DIM> = Memory::new();
                run(Parts {
                    link: Link { receive, send },
                    store: 0..self.store.0.len() as u32,
                    flash: &mut self.store,
                    keys: FlashKeys::new(&mut self.keys, 0..2 * PAGE as u32),
                    slots: [first, second],
                    sensor,
                    indicator: Signs(signs),
                    board: Desk {
                        has_randomness: self.has_randomness,
                    },
                    limits: LIMITS,
                    memory: &mut memory,
                    arena: &mut vec![0; LIMITS.arena],
                    answer: &mut [0; answer_len(DIM)],
                    record: &mut [0; record_len::<SHOTS, DIM>()],
                })
            });
            let mut end = Host::new(from_board, to_board);
            host(&mut end);
            drop(end);
            board.join().unwrap()
        });
        (shown.try_iter().collect(), ended)
    }
}

/// A sign of a few lines, a little different every time.
fn sign(of: u8, time: u16) -> Vec<(u16, u16)> {
    let corners: &[(u16, u16)] = match of {
        0 => &[(20, 20), (180, 20), (20, 180), (180, 180)],
        _ => &[(100, 10), (100, 190), (60, 150), (140, 150)],
    };
    let corners: Vec<(u16, u16)> = corners
        .iter()
        .zip(0..)
        .map(|(&(x, y), corner)| (x + 3 * ((time + corner) % 3), y + 2 * (time * corner % 4)))
        .collect();
    let lines = corners.windows(2);
    let steps = |from: u16, to: u16, step: u16| (from * (20 - step) + to * step) / 20;
    lines
        .flat_map(|ends| {
            let [(x, y), (to_x, to_y)] = [ends[0], ends[1]];
            (0..=20).map(move |step| (steps(x, to_x, step), steps(y, to_y, step)))
        })
        .collect()
}

#[test]
fn people_who_draw_are_enrolled_and_recognised() {
    let mut board = Kept::blank();
    let id = Artifact::parse(MODEL).unwrap().model_id();
    let names = ["ada", "bob"];
    let enrolled = (0..2).flat_map(|of| (0..3).map(move |time| sign(of, time)));
    let probes = [(0, 3), (1, 4)].map(|(of, time)| sign(of, time));
    let people = People::new(enrolled.chain(probes.clone()).chain(probes));
    let (signs, ended) = board.start(Drawing::new(people, Now), |host| {
        assert_eq!(host.model(), None);
        assert_eq!(
            host.ask(&Request::Capture),
            Response::Refused(Refusal::NoModel)
        );
        let mut damaged = MODEL.to_vec();
        damaged[5000] ^= 1;
        assert_eq!(host.send_model(&damaged), Some(Refusal::ModelDamaged));
        assert_eq!(host.model(), None);
        assert_eq!(host.send_model(MODEL), None);
        assert_eq!(host.model(), Some(id));
        for subject in names {
            for shots in 1..=3 {
                host.look();
                let enroll = Request::Enroll {
                    subject,
                    anew: false,
                    anyway: false,
                };
                let answer = host.ask(&enroll);
                assert!(
                    matches!(answer, Response::Enrolled { shots: found, .. } if found == shots),
                    "{answer:?}"
                );
            }
        }
        for subject in names {
            host.look();
            let answer = host.ask(&Request::Verify { subject });
            assert!(
                matches!(
                    answer,
                    Response::Verified {
                        verdict: Verdict::Accept,
                        scores: Some(_)
                    }
                ),
                "{answer:?}"
            );
        }
        // Each as the other.
        for subject in ["bob", "ada"] {
            host.look();
            let answer = host.ask(&Request::Verify { subject });
            assert!(
                matches!(
                    answer,
                    Response::Verified {
                        verdict: Verdict::Reject,
                        scores: Some(_)
                    }
                ),
                "{answer:?}"
            );
        }
        // Nobody draws any more.
        assert_eq!(
            host.ask(&Request::Capture),
            Response::Refused(Refusal::Sensor)
        );
        assert_eq!(
            host.ask(&Request::Identify),
            Response::Refused(Refusal::NoSample)
        );
    });
    assert_eq!(ended, Err(ErrorKind::BrokenPipe));
    let shown = |sign| signs.iter().filter(|shown| **shown == sign).count();
    assert_eq!([Sign::Accepted, Sign::Rejected].map(shown), [2, 2]);

    let (_, ended) = board.start((), |host| {
        assert_eq!(host.model(), Some(id));
        for (index, subject) in names.into_iter().enumerate() {
            let index = index as u16;
            let answer = host.ask(&Request::List { index });
            let Response::Subject {
                entry: Some((name, shots, _)),
            } = answer
            else {
                panic!("{answer:?}");
            };
            assert_eq!((name, shots), (subject, 3));
        }
        let unsupported = Response::Refused(Refusal::Unsupported);
        assert_eq!(host.ask(&Request::Capture), unsupported);
    });
    assert_eq!(ended, Err(ErrorKind::BrokenPipe));
}

/// A request to go over to another model that comes again is answered again.
#[test]
fn a_commit_is_answered_again_and_not_done_again() {
    let mut board = Kept::blank();
    let (_, ended) = board.start((), |host| {
        assert_eq!(host.send_model(MODEL), None);
        // The same frame.
        let again = host.exchange();
        assert_eq!(host.exchange(), again);
        // Another: nothing was sent since.
        assert_eq!(
            host.ask(&Request::ModelCommit),
            Response::Refused(Refusal::Chunk)
        );
    });
    assert_eq!(ended, Err(ErrorKind::BrokenPipe));
}

/// A store that was destroyed stays as it is; whoever asks is told, and another model does not
/// mend it.
#[test]
fn a_store_that_cannot_be_read_is_told_and_left() {
    let mut board = Kept::blank();
    board
        .start((), |host| assert_eq!(host.send_model(MODEL), None))
        .1
        .unwrap_err();
    board.store.0.fill(0x42);
    let before = board.store.0.clone();
    let refused = Response::Refused(Refusal::Store);
    board
        .start_unpaired((), |host| {
            // Nobody knows whom it obeys.
            let first = Request::Handshake { bytes: &[9; 32] };
            assert_eq!(host.ask(&first), refused);
            assert_eq!(host.ask(&Request::SelfTest), refused);
            assert_eq!(host.ask(&Request::Identify), refused);
            let unpaired = Response::Refused(Refusal::Unpaired);
            assert_eq!(host.ask(&Request::List { index: 0 }), unpaired);
            assert_eq!(host.ask(&Request::ModelBegin { length: 9 }), unpaired);
        })
        .1
        .unwrap_err();
    assert!(board.store.0 == before);
}

/// A device makes its secret once. Where it was lost, what it sealed stays as it is, and
/// whoever asks is told; an erased board begins anew.
#[test]
fn a_secret_is_made_once() {
    let mut board = Kept::blank();
    let refused = Response::Refused(Refusal::Secret);
    let is_refused = |board: &mut Kept| {
        let (_, ended) = board.start_unpaired((), |host| {
            let first = Request::Handshake { bytes: &[9; 32] };
            assert_eq!(host.ask(&first), refused);
            assert_eq!(host.ask(&Request::SelfTest), refused);
        });
        ended.unwrap_err();
    };
    let empty = Response::Subject { entry: None };
    let is_empty = |board: &mut Kept| {
        let (_, ended) = board.start((), |host| {
            assert_eq!(host.send_model(MODEL), None);
            assert_eq!(host.ask(&Request::List { index: 0 }), empty);
        });
        ended.unwrap_err();
    };
    is_empty(&mut board);
    let secret = board.keys.0.clone();
    is_empty(&mut board);
    assert!(board.keys.0 == secret);
    let store = board.store.0.clone();
    board.keys.0.fill(0xff);
    is_refused(&mut board);
    assert!(board.store.0 == store && board.keys.0 == [0xff; 2 * PAGE]);
    board.store.0.fill(0xff);
    board.has_randomness = false;
    is_refused(&mut board);
    board.has_randomness = true;
    is_empty(&mut board);
}

/// The first host owns a device, through resets and without a model; others do not.
#[test]
fn who_a_device_is_paired_with_outlives_a_reset() {
    let mut board = Kept::blank();
    let unpaired = Response::Refused(Refusal::Unpaired);
    for round in 0..3 {
        let (_, ended) = board.start_unpaired((), |host| {
            let expected = match round {
                0 => Pairing::Claimed,
                _ => Pairing::Known,
            };
            assert_eq!(host.pair(), expected);
            let nobody = Response::Refused(Refusal::NoModel);
            assert_eq!(host.ask(&Request::List { index: 0 }), nobody);
            host.leave();
            assert_eq!(host.pair_as([2; 32]), Pairing::Unknown);
            assert_eq!(host.ask(&Request::List { index: 0 }), unpaired);
        });
        assert_eq!(ended, Err(ErrorKind::BrokenPipe));
    }
}

/// Whose models a board runs is said by a paired host, for good, and where the model in use is
/// one of those.
#[test]
fn only_models_of_a_trusted_key_are_run() {
    let mut board = Kept::blank();
    let signer = SigningKey::from_bytes(&[4; 32]);
    let key = signer.verifying_key().to_bytes();
    let signed = |version: u32| {
        let manifest = Manifest::of(MODEL, version, &PublicKey(key));
        let signature = signer.sign(&manifest.encode()).to_bytes();
        [MODEL, &manifest.with_signature(&signature)].concat()
    };
    let id = Artifact::parse(MODEL).unwrap().model_id();
    let trust = Request::Trust { key: &key };
    let refused = |refusal| Response::Refused(refusal);
    let (_, ended) = board.start((), |host| {
        assert_eq!(host.send_model(MODEL), None);
        assert_eq!(host.ask(&trust), refused(Refusal::ModelUnsigned));
        assert_eq!(host.send_model(&signed(7)), None);
        assert_eq!(host.ask(&trust), Response::Done);
        assert_eq!(host.ask(&trust), Response::Done);
        let other = Request::Trust { key: &[5; 32] };
        assert_eq!(host.ask(&other), refused(Refusal::Trust));
        assert_eq!(host.send_model(MODEL), Some(Refusal::ModelUnsigned));
        assert_eq!(host.send_model(&signed(6)), Some(Refusal::ModelRollback));
        assert_eq!(host.send_model(&signed(8)), None);
        assert_eq!(host.model(), Some(id));
    });
    ended.unwrap_err();
    // It knows that after a reset, and where the later model was erased.
    for slot in &mut board.slots {
        slot.0.fill(0xff);
    }
    let (_, ended) = board.start((), |host| {
        assert_eq!(host.model(), None);
        assert_eq!(host.send_model(&signed(7)), Some(Refusal::ModelRollback));
        assert_eq!(host.send_model(&signed(8)), None);
        assert_eq!(host.model(), Some(id));
    });
    ended.unwrap_err();
}
