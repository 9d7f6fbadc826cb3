//! A device and a line to it, quiet or noisy.

use std::collections::VecDeque;
use std::io;

use edge_runtime::client::{Client, Line};
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::link::{HostSet, Identity, KeyPair};
use edge_runtime::recognizer::Recognizer;
use edge_runtime::server::{self, Answer, Board, NoRandomness, Running, Server};
use edge_runtime::store::Held;
use shared::artifact::Artifact;
use shared::drift::Drift;
use shared::wire::{self, Frames, MAX_FRAME, Pairing, Refusal, Response};

pub(crate) const MODEL: &[u8] = include_bytes!("../../../models/omniglot-vinyals/model.bin");
pub(crate) const SUBJECTS: usize = 4;
pub(crate) const SHOTS: usize = 5;
pub(crate) const DIM: usize = 64;

pub(crate) type Set = Held<SUBJECTS, SHOTS, DIM>;
pub(crate) type Device =
    server::Device<'static, Int8Engine<'static, Vec<u8>>, Set, Vec<u8>, Desk, (), SHOTS, DIM>;
pub(crate) type Local = Recognizer<'static, Int8Engine<'static, Vec<u8>>, Set, SHOTS, DIM>;

pub(crate) fn recognizer() -> (Artifact<'static>, Local) {
    let artifact = Artifact::parse(MODEL).unwrap();
    let arena = vec![0; artifact.plan().arena_len()];
    let engine = Int8Engine::new(artifact.clone(), arena).unwrap();
    let contract = artifact.contract();
    let mut store = Set::new();
    store.begin(artifact.model_id(), contract.comparison);
    let far = artifact.operating_points().usual_target();
    let recognizer = Recognizer::new(engine, &artifact, far, store).unwrap();
    (artifact, recognizer)
}

/// A board whose clock ticks when it is looked at, and whose random numbers repeat in every
/// test.
pub(crate) struct Desk {
    clock: u64,
    random: Option<Noise>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            clock: 0,
            random: Some(Noise(0xD1CE)),
        }
    }

    pub(crate) fn stop_random(&mut self) {
        self.random = None;
    }
}

impl Board for Desk {
    fn name(&self) -> &str {
        "desk"
    }

    fn ticks(&mut self) -> Option<u64> {
        self.clock += 7;
        Some(self.clock)
    }

    fn ticks_per_second(&self) -> u32 {
        1000
    }

    fn stack(&self) -> (u32, u32) {
        (300, 4000)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        let noise = self.random.as_mut().ok_or(NoRandomness)?;
        bytes.fill_with(|| noise.next() as u8);
        Ok(())
    }
}

/// What a device goes by, that nobody is paired with.
pub(crate) fn identity() -> Identity {
    Identity {
        keys: Ok(KeyPair::new([7; 32]).unwrap()),
        hosts: HostSet::new(),
    }
}

/// What the host of these tests goes by.
pub(crate) fn host() -> KeyPair {
    KeyPair::new([9; 32]).unwrap()
}

pub(crate) fn device() -> Device {
    device_with(vec![0; SIDE * SIDE], Desk::new())
}

/// A device whose pictures go to a buffer; to the engine's memory, where that is empty.
pub(crate) fn device_with(picture: Vec<u8>, board: Desk) -> Device {
    let (artifact, recognizer) = recognizer();
    let running = Running::Model {
        recognizer,
        golden: *artifact.golden(),
    };
    Device::new(running, SUBJECTS as u16, picture, board, ())
}

/// What a server says to a frame; no model is ever sent here.
pub(crate) fn answer<'a>(
    server: &'a mut Server,
    device: &mut Device,
    identity: &mut Identity,
    frame: &mut [u8],
) -> &'a [u8] {
    match server.answer(frame, device, identity) {
        Answer::Frame(frame) => frame,
        Answer::Change(change) => panic!("{change:?}"),
    }
}

pub(crate) const SIDE: usize = 28;

/// A drawing: a stroke or two whose places depend on who draws, and a little on which.
pub(crate) fn drawing(subject: u8, which: u8) -> Vec<u8> {
    let mut pixels = vec![255; SIDE * SIDE];
    let at = 3 + usize::from(subject) * 5;
    for i in 3..25 {
        pixels[i * SIDE + at + usize::from(which % 2)] = 0;
        pixels[(at + usize::from(which / 2 % 2)) * SIDE + i] =
            if subject.is_multiple_of(2) { 0 } else { 255 };
    }
    pixels
}

/// A line in memory, with the device at its other end. Every byte may be flipped, lost or
/// doubled.
pub(crate) struct Wire {
    server: Server,
    device: Device,
    identity: Identity,
    frames: Frames,
    to_host: VecDeque<u8>,
    noise: Noise,
    /// Of 65536 bytes, how many suffer.
    rate: u32,
    /// Answers that were sent before, where somebody forges others.
    recorded: Option<Vec<Vec<u8>>>,
    forged: usize,
}

impl Wire {
    /// The device starts anew, and keeps what it goes by.
    pub(crate) fn restart(&mut self) {
        self.server = Server::new();
    }

    pub(crate) fn is_claimed(&self) -> bool {
        self.identity.hosts.is_claimed()
    }

    /// Answers are forged from now on.
    pub(crate) fn forge(&mut self) {
        self.recorded = Some(vec![]);
    }

    pub(crate) fn forged(&self) -> usize {
        self.forged
    }

    /// What somebody says in place of an answer.
    fn forgeries(&mut self, answer: &[u8]) -> Vec<Vec<u8>> {
        let Some(recorded) = &mut self.recorded else {
            return vec![];
        };
        let mut answer = answer.to_vec();
        let Ok((id, Response::Sealed { bytes })) = wire::decode(&mut answer) else {
            return vec![];
        };
        let frame = |response: &Response<'_>| {
            let mut frame = [0; MAX_FRAME];
            let length = wire::encode(id, response, &mut frame).unwrap();
            frame[..length].to_vec()
        };
        let mut bent = bytes.to_vec();
        let bit = self.noise.next() as usize % (8 * bent.len());
        bent[bit / 8] ^= 1 << (bit % 8);
        let entry = Some(("mallory", 1, Drift::default()));
        let mut all: Vec<Vec<u8>> = recorded
            .iter()
            .rev()
            .take(3)
            .map(|bytes| frame(&Response::Sealed { bytes }))
            .collect();
        all.push(frame(&Response::Sealed { bytes: &bent }));
        all.push(frame(&Response::Subject { entry }));
        all.push(frame(&Response::Refused(Refusal::Unpaired)));
        recorded.push(bytes.to_vec());
        self.forged += all.len();
        all
    }
}

pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    /// What becomes of a byte.
    fn disturb(&mut self, byte: u8, rate: u32) -> Vec<u8> {
        if self.next() & 0xffff >= rate {
            return vec![byte];
        }
        match self.next() % 3 {
            0 => vec![byte ^ (1 << (self.next() % 8))],
            1 => vec![],
            _ => vec![byte, byte],
        }
    }
}

impl Line for Wire {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            for byte in self.noise.disturb(byte, self.rate) {
                let Some(frame) = self.frames.push(byte) else {
                    continue;
                };
                let (server, device) = (&mut self.server, &mut self.device);
                let answer = answer(server, device, &mut self.identity, frame).to_vec();
                let forgeries = self.forgeries(&answer);
                for byte in forgeries.into_iter().flatten().chain(answer) {
                    self.to_host.extend(self.noise.disturb(byte, self.rate));
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        Ok(self.to_host.pop_front())
    }
}

/// A host that is paired with the device at the other end.
pub(crate) fn client(rate: u32, seed: u64) -> Client<Wire> {
    let mut client = client_of(device(), rate, seed);
    let device = *identity().keys.unwrap().public();
    let paired = client.pair(&host(), Some(&device)).unwrap();
    assert_eq!((paired.device, paired.pairing), (device, Pairing::Claimed));
    client
}

/// A host that is not paired.
pub(crate) fn client_of(device: Device, rate: u32, seed: u64) -> Client<Wire> {
    Client::new(Wire {
        server: Server::new(),
        device,
        identity: identity(),
        frames: Frames::new(),
        to_host: VecDeque::new(),
        noise: Noise(seed | 1),
        rate,
        recorded: None,
        forged: 0,
    })
}
