//! Answers other programs, as a board answers a host.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use anyhow::{Context, Result};
use edge_runtime::keys::file::FileKeys;
use edge_runtime::link::{self, HostSet, Identity};
use edge_runtime::server::{Answer, Board, Device, NoRandomness, Respond, Running, Server};
use edge_runtime::store::{State, StateStore};
use shared::wire::{Frames, Refusal};

use crate::Outcome;
use crate::arguments::Serve;
use crate::model::recognizer;

/// The most subjects that are told to be welcome.
const CAPACITY: u16 = 10_000;

/// The largest picture, bytes.
const PICTURE: usize = 16 << 20;

/// This machine, as hosts are told of it.
struct Linux(Instant);

impl Board for Linux {
    fn name(&self) -> &str {
        "linux"
    }

    fn ticks(&mut self) -> Option<u64> {
        u64::try_from(self.0.elapsed().as_nanos()).ok()
    }

    fn ticks_per_second(&self) -> u32 {
        1_000_000_000
    }

    /// The system grows stacks as they are needed.
    fn stack(&self) -> (u32, u32) {
        (0, 0)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_| NoRandomness)
    }
}

pub(crate) fn run(arguments: &Serve) -> Result<Outcome> {
    let model = arguments.recognizer.model.open()?;
    let artifact = model.identified_artifact()?;
    let recognizer = recognizer(&model, &arguments.recognizer)?;
    let secret = FileKeys::open_or_begin(&arguments.recognizer.keys.device_key()?)?.current;
    let keys = link::key_pair(&secret).map_err(|_| Refusal::Secret);
    let hosts = HostSet::decode(recognizer.store().state(State::Hosts));
    let hosts = hosts.context("expected the hosts of this device in its store, found other bytes: restore the store from a copy")?;
    let mut identity = Identity { keys, hosts };
    let listen = &arguments.listen;
    let listener = TcpListener::bind(listen)
        .with_context(|| format!("{listen}: expected an address to listen at that is free"))?;
    // Whoever started this may wait for it.
    let mut output = io::stdout().lock();
    writeln!(output, "listening at {}", listener.local_addr()?)?;
    output.flush()?;
    drop(output);
    let running = Running::Model {
        recognizer,
        golden: *artifact.golden(),
    };
    let board = Linux(Instant::now());
    // Its model is a folder's, whose owner changes it.
    let mut device = Device::new(running, CAPACITY, vec![0; PICTURE], board, ());
    let mut server = Server::new();
    // One host at a time: enrolments have an order.
    for stream in listener.incoming() {
        // A host that leaves in the middle of a frame leaves the others alone.
        let served =
            stream.and_then(|stream| serve(&mut server, &mut device, &mut identity, stream));
        if let Err(error) = served {
            let _ = writeln!(io::stderr(), "warning: a host's line broke: {error}");
        }
    }
    Ok(Outcome::Yes)
}

/// Answers one host until it leaves.
fn serve(
    server: &mut Server,
    device: &mut impl Respond,
    identity: &mut Identity,
    mut stream: TcpStream,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut frames = Frames::new();
    let mut bytes = [0; 1024];
    loop {
        let count = match stream.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for &byte in bytes.iter().take(count) {
            let Some(frame) = frames.push(byte) else {
                continue;
            };
            let answer = match server.answer(frame, device, identity) {
                Answer::Frame(frame) => frame,
                Answer::Change(_) => server.settle(Err(Refusal::Unsupported)),
            };
            stream.write_all(answer)?;
        }
    }
}
