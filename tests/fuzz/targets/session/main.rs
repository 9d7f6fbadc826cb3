//! A host that says anything, in any order, to a device: every frame is answered by one, and
//! there is always a model that runs.
#![no_main]

mod board;

use edge_runtime::client::slot::with_model;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::limits::Limits;
use edge_runtime::recognizer::Recognizer;
use edge_runtime::server::{Answer, Device, Received, Respond, Running, Server};
use edge_runtime::slots::Slots;
use libfuzzer_sys::fuzz_target;
use shared::artifact::Artifact;
use shared::support_set::SupportSet;
use shared::wire::{self, Frames, MAX_FRAME, Refusal, Response};

use board::{Desk, Ram, SLOT};

/// Made by the example `seeds`.
const MODEL: &[u8] = include_bytes!("../../seeds/artifact/model");

const SUBJECTS: usize = 3;
const SHOTS: usize = 2;
const DIM: usize = 4;
const ARENA: usize = 256;

const LIMITS: Limits = Limits {
    slot: SLOT,
    arena: ARENA,
    dim: DIM,
    shots: SHOTS,
    subjects: SUBJECTS,
};

fuzz_target!(|bytes: &[u8]| {
    let full = with_model(&LIMITS, MODEL).expect("a model that fits");
    let mut slots = Slots::new(Ram::of(&full), Ram::of(&[0xff; SLOT]));
    let mut arena = [0; ARENA];
    let mut host = Host {
        bytes,
        frames: Frames::new(),
        server: Server::new(),
        sent: 0,
    };
    loop {
        let (artifact, incoming) = slots.split(&LIMITS);
        let artifact = artifact.expect("there is always a whole model");
        let running = start(&artifact, &mut arena);
        let mut device = Device::new(Ok(running), SUBJECTS as u16, [], Desk(0), incoming);
        let Some(received) = host.talk(&mut device) else {
            return;
        };
        drop(device);
        let committed = slots.commit(received, &LIMITS, &mut arena);
        check(host.server.settle(committed.map_err(Refusal::from)));
    }
});

type Store = SupportSet<SUBJECTS, SHOTS, DIM>;

/// As firmware starts a model.
fn start<'a>(
    artifact: &Artifact<'a>,
    arena: &'a mut [u8],
) -> Running<'a, Int8Engine<'a, &'a mut [u8]>, Store, SHOTS, DIM> {
    let store = Store::new(artifact.model_id(), artifact.contract().comparison);
    let far = artifact.operating_points().usual_target();
    let engine = Int8Engine::new(artifact.clone(), arena).expect("a model that fits");
    let recognizer = Recognizer::new(engine, artifact, far, store);
    Running {
        recognizer: recognizer.expect("a model with operating points"),
        golden: *artifact.golden(),
    }
}

struct Host<'a> {
    /// What it is going to say.
    bytes: &'a [u8],
    frames: Frames,
    server: Server,
    /// The number of its last request.
    sent: u16,
}

impl Host<'_> {
    /// Talks until a model is to be committed; none when all was said.
    fn talk(&mut self, device: &mut impl Respond) -> Option<Received> {
        let mut frame = [0; MAX_FRAME];
        loop {
            let (&head, rest) = self.bytes.split_first()?;
            let (said, rest) = rest.split_at_checked(usize::from(head & 0x7f))?;
            self.bytes = rest;
            // Noise, or the content of a whole frame.
            let line = match head & 0x80 {
                0 => enclose(&mut self.sent, said, &mut frame)?,
                _ => said,
            };
            for &byte in line {
                let Some(whole) = self.frames.push(byte) else {
                    continue;
                };
                match self.server.answer(whole, device) {
                    Answer::Frame(answer) => check(answer),
                    Answer::Commit(received) => return Some(received),
                }
            }
        }
    }
}

/// The frame of a message, numbered as the next one; as the last one, where that is said first.
fn enclose<'f>(sent: &mut u16, said: &[u8], frame: &'f mut [u8]) -> Option<&'f [u8]> {
    let (&again, message) = said.split_first()?;
    *sent = sent.wrapping_add(u16::from(again & 1));
    let mut plain = [0; 160];
    let length = message.len() + 2;
    plain[..2].copy_from_slice(&sent.to_le_bytes());
    plain[2..length].copy_from_slice(message);
    let checksum = crc32fast::hash(&plain[..length]).to_le_bytes();
    plain[length..length + 4].copy_from_slice(&checksum);
    let encoded = cobs::encode(&plain[..length + 4], frame);
    // A zero ends it.
    frame[encoded] = 0;
    Some(&frame[..=encoded])
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
