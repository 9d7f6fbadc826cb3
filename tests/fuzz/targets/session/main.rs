//! A host that says anything, in any order, to a device: every frame is answered by one, and
//! there is always a model that runs.
//!
//! What is asked in a session comes out of its seal here: no fuzzer makes one.
#![no_main]

mod board;

use std::cell::RefCell;

use edge_runtime::client::slot::with_model;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::limits::Limits;
use edge_runtime::link::{HostSet, Identity, KeyPair, Role};
use edge_runtime::recognizer::Recognizer;
use edge_runtime::server::{Answer, Change, Device, Outcome, Respond, Running, Server};
use edge_runtime::slots::{Slots, Trust};
use edge_runtime::store::Held;
use libfuzzer_sys::fuzz_target;
use shared::artifact::Artifact;
use shared::wire::{self, Frames, MAX_ANSWER, MAX_FRAME, Refusal, Request, Response};

use board::{Desk, Ram, SLOT};

/// Made by the example `seeds`.
const MODEL: &[u8] = include_bytes!("../../seeds/artifact/model");

const SUBJECTS: usize = 3;
const SHOTS: usize = 2;
const DIM: usize = 4;
const ARENA: usize = 256;

/// The mark of what a paired host asks.
const PAIRED: u8 = 2;

const LIMITS: Limits = Limits {
    slot: SLOT,
    arena: ARENA,
    dim: DIM,
    shots: SHOTS,
    subjects: SUBJECTS,
};

thread_local! {
    /// What the device goes by: made once, since that takes longer than a conversation.
    static IDENTITY: RefCell<Identity> = RefCell::new(Identity {
        keys: Ok(KeyPair::new([7; 32]).expect("a key that is one")),
        hosts: HostSet::new(),
    });
}

fuzz_target!(|bytes: &[u8]| IDENTITY.with_borrow_mut(|identity| {
    identity.hosts = HostSet::new();
    converse(bytes, identity);
}));

fn converse(bytes: &[u8], identity: &mut Identity) {
    let full = with_model(&LIMITS, MODEL).expect("a model that fits");
    let mut slots = Slots::new(Ram::of(&full), Ram::of(&[0xff; SLOT]));
    let mut arena = [0; ARENA];
    let mut host = Host {
        bytes,
        frames: Frames::new(),
        server: Server::new(),
        identity,
        sent: 0,
    };
    loop {
        let (artifact, incoming) = slots.split(&LIMITS);
        let artifact = artifact.expect("there is always a whole model");
        let running = start(&artifact, &mut arena);
        let mut device = Device::new(running, SUBJECTS as u16, [], Desk(0), incoming);
        let Some(change) = host.talk(&mut device) else {
            return;
        };
        drop(device);
        let changed = match change {
            Change::Model(received) => slots.commit(received, &LIMITS, &mut arena).map(|_| ()),
            Change::Trust(key) => {
                let trust = Trust {
                    key: Some(key),
                    least_version: 0,
                };
                slots.go_over_to(trust, &LIMITS)
            }
        };
        check(host.server.settle(changed.map_err(Refusal::from)));
    }
}

type Store = Held<SUBJECTS, SHOTS, DIM>;

/// As firmware starts a model.
fn start<'a>(
    artifact: &Artifact<'a>,
    arena: &'a mut [u8],
) -> Running<'a, Int8Engine<'a, &'a mut [u8]>, Store, SHOTS, DIM> {
    let mut store = Store::new();
    store.begin(artifact.model_id(), artifact.contract().comparison);
    let far = artifact.operating_points().usual_target();
    let engine = Int8Engine::new(artifact.clone(), arena).expect("a model that fits");
    let recognizer = Recognizer::new(engine, artifact, far, store);
    Running::Model {
        recognizer: recognizer.expect("a model with operating points"),
        golden: *artifact.golden(),
    }
}

struct Host<'a> {
    /// What it is going to say.
    bytes: &'a [u8],
    frames: Frames,
    server: Server,
    identity: &'a mut Identity,
    /// The number of its last request.
    sent: u16,
}

impl Host<'_> {
    /// Talks until something is to be changed; none when all was said.
    fn talk(&mut self, device: &mut impl Respond) -> Option<Change> {
        let mut frame = [0; MAX_FRAME];
        loop {
            let (&head, rest) = self.bytes.split_first()?;
            let (said, rest) = rest.split_at_checked(usize::from(head & 0x7f))?;
            self.bytes = rest;
            // Noise on the line.
            if head & 0x80 != 0 {
                if let Some(change) = self.say(said, device) {
                    return Some(change);
                }
                continue;
            }
            let (&how, message) = said.split_first()?;
            let change = match how & PAIRED {
                0 => {
                    // What comes again has the number that it had.
                    self.sent = self.sent.wrapping_add(u16::from(how & 1));
                    let line = enclose(self.sent, message, &mut frame);
                    self.say(line, device)
                }
                _ => ask(message, device),
            };
            if change.is_some() {
                return change;
            }
        }
    }

    fn say(&mut self, line: &[u8], device: &mut impl Respond) -> Option<Change> {
        for &byte in line {
            let Some(whole) = self.frames.push(byte) else {
                continue;
            };
            match self.server.answer(whole, device, self.identity) {
                Answer::Frame(answer) => check(answer),
                Answer::Change(change) => return Some(change),
            }
        }
        None
    }
}

/// What a paired host asks, out of the seal that it came in: nobody guesses one.
fn ask(message: &[u8], device: &mut impl Respond) -> Option<Change> {
    let request: Request<'_> = wire::message(message).ok()?;
    match device.carry_out(&request, Role::Paired) {
        Outcome::Change(change) => Some(change),
        Outcome::Answer(response) => {
            let mut frame = [0; MAX_ANSWER];
            let length = wire::encode(0, &response, &mut frame).expect("room for every answer");
            check(&frame[..length]);
            None
        }
    }
}

/// The frame of a message.
fn enclose<'f>(number: u16, message: &[u8], frame: &'f mut [u8]) -> &'f [u8] {
    let mut plain = [0; 160];
    let length = message.len() + 2;
    plain[..2].copy_from_slice(&number.to_le_bytes());
    plain[2..length].copy_from_slice(message);
    let checksum = crc32fast::hash(&plain[..length]).to_le_bytes();
    plain[length..length + 4].copy_from_slice(&checksum);
    let encoded = cobs::encode(&plain[..length + 4], frame);
    // A zero ends it.
    frame[encoded] = 0;
    &frame[..=encoded]
}

/// An answer is a frame that a host can read; to a request that came again while its answer
/// was awaited, there is none.
fn check(answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let mut frame = answer.to_vec();
    // Without the zero that ends it, as `Frames` gives it.
    frame.pop();
    wire::decode::<Response<'_>>(&mut frame).expect("an answer that a host can read");
}
