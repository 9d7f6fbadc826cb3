//! A board at a line that flips, loses and repeats bytes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use edge_runtime::client::emulator::{Emulator, MACHINES};
use edge_runtime::client::{Client, Line};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use shared::drift::Drift;
use shared::wire::{Refusal, Request, Response, Verdict};

use crate::board::*;

/// Bytes that suffer, in both directions.
const RATE: f64 = 0.01;

const REQUESTS: usize = 10_000;

/// After how long an answer counts as lost: one that only the line delays, and one for which
/// the model runs.
const PATIENCE: [Duration; 2] = [Duration::from_millis(60), Duration::from_millis(500)];

/// A line whose bytes are flipped, lost or doubled.
struct Noisy {
    line: Emulator,
    patience: Rc<Cell<Duration>>,
    noise: ChaCha8Rng,
    /// A byte that comes once more.
    again: Option<u8>,
    damaged: Rc<Cell<usize>>,
}

impl Noisy {
    /// What becomes of a byte.
    fn disturb(&mut self, byte: u8) -> Vec<u8> {
        if !self.noise.random_bool(RATE) {
            return vec![byte];
        }
        self.damaged.set(self.damaged.get() + 1);
        match self.noise.random_range(0..3) {
            0 => vec![byte ^ (1 << self.noise.random_range(0..8))],
            1 => vec![],
            _ => vec![byte, byte],
        }
    }
}

impl Line for Noisy {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.line.set_patience(self.patience.get())?;
        let sent: Vec<u8> = bytes.iter().flat_map(|&byte| self.disturb(byte)).collect();
        self.line.send(&sent)
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        if let Some(byte) = self.again.take() {
            return Ok(Some(byte));
        }
        while let Some(byte) = self.line.receive()? {
            match *self.disturb(byte) {
                [] => {}
                [byte] => return Ok(Some(byte)),
                [byte, again, ..] => {
                    self.again = Some(again);
                    return Ok(Some(byte));
                }
            }
        }
        Ok(None)
    }
}

/// What a board with these subjects must answer, and what becomes of them.
#[derive(Default)]
struct Expected {
    shots: BTreeMap<&'static str, u8>,
    order: Vec<&'static str>,
}

impl Expected {
    fn enrol(&mut self, subject: &'static str) -> Response<'static> {
        let shots = self.shots.entry(subject).or_insert(0);
        match *shots {
            5 => return Response::Refused(Refusal::Full),
            0 => self.order.push(subject),
            _ => {}
        }
        *shots += 1;
        let shots = *shots;
        // All show the same.
        let close_to = self.order.iter().find(|name| **name != subject).copied();
        Response::Enrolled { shots, close_to }
    }

    fn remove(&mut self, subject: &'static str) -> Response<'static> {
        match self.shots.remove(subject) {
            None => Response::Refused(Refusal::NotEnrolled),
            Some(_) => {
                self.order.retain(|name| *name != subject);
                Response::Done
            }
        }
    }

    fn list(&self, index: u16) -> Response<'static> {
        let entry = self.order.get(usize::from(index));
        Response::Subject {
            entry: entry.map(|name| (*name, self.shots[name], Drift::default())),
        }
    }
}

/// Ten thousand requests, each answered right, and none carried out twice: the board knows at
/// the end, and after a restart, what it must.
#[test]
fn a_noisy_line_to_a_board_loses_no_request_and_repeats_none() {
    let Some(firmware) = firmware("a noisy line to a board") else {
        return;
    };
    let board = Board::new(&firmware, &MACHINES[0]);
    let patience = Rc::new(Cell::new(PATIENCE[0]));
    let damaged = Rc::new(Cell::new(0));
    let mut client = Client::new(Noisy {
        line: board.start_emulator(),
        patience: Rc::clone(&patience),
        noise: ChaCha8Rng::seed_from_u64(5),
        again: None,
        damaged: Rc::clone(&damaged),
    });
    // A handshake takes a board longer than an answer to a list.
    patience.set(PATIENCE[1]);
    pair(&mut client);
    patience.set(PATIENCE[0]);
    let names = ["ada", "berta", "clara", "dora"];
    let picture = Picture::small();
    let (mut expected, mut choice) = (Expected::default(), ChaCha8Rng::seed_from_u64(77));
    let start = Instant::now();
    let mut looked_at = 0;
    for number in 0..REQUESTS {
        let subject = names[choice.random_range(0..names.len())];
        let (request, answer) = match choice.random_range(0..80) {
            // A picture takes a dozen frames.
            0 => {
                show(&mut client, &picture);
                looked_at += 1;
                let request = Request::Enroll {
                    subject,
                    anew: false,
                    anyway: true,
                };
                // The picture is gone even where there is no place.
                (request, expected.enrol(subject))
            }
            1 => (Request::Remove { subject }, expected.remove(subject)),
            2 => {
                show(&mut client, &picture);
                looked_at += 1;
                patience.set(PATIENCE[1]);
                let answer = client.ask(&Request::Verify { subject }).unwrap();
                patience.set(PATIENCE[0]);
                match expected.shots.contains_key(subject) {
                    true => assert!(matches!(
                        answer,
                        Response::Verified {
                            verdict: Verdict::Accept,
                            ..
                        }
                    )),
                    false => assert_eq!(
                        answer,
                        Response::Verified {
                            verdict: Verdict::Unknown,
                            scores: None
                        }
                    ),
                }
                continue;
            }
            3 => (
                Request::Verify { subject },
                Response::Refused(Refusal::NoSample),
            ),
            _ => {
                let index = choice.random_range(0..5);
                (Request::List { index }, expected.list(index))
            }
        };
        let runs = matches!(request, Request::Enroll { .. });
        patience.set(PATIENCE[usize::from(runs)]);
        let found = match client.ask(&request).unwrap() {
            // Verifications move it.
            Response::Subject {
                entry: Some((name, shots, _)),
            } => Response::Subject {
                entry: Some((name, shots, Drift::default())),
            },
            found => found,
        };
        assert_eq!(found, answer, "{number}: {request:?}");
        patience.set(PATIENCE[0]);
    }
    let seconds = start.elapsed().as_secs();
    println!(
        "{}: {REQUESTS} requests, {looked_at} of them with pictures, {} bytes damaged, in {seconds} s",
        board.machine.board,
        damaged.get()
    );
    drop(client);
    let mut client = board.start();
    let kept = list(&mut client);
    let all = expected.order.iter();
    let all: Vec<(String, u8)> = all
        .map(|name| ((*name).to_owned(), expected.shots[name]))
        .collect();
    assert_eq!(kept, all, "after a restart");
}
