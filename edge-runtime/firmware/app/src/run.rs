//! The one loop.

use core::convert::Infallible;
use core::ops::Range;

use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::keys::{DeviceSecrets, KeyProvider, Keys};
use edge_runtime::limits::Limits;
use edge_runtime::link::{self, HostSet, Identity, KeyPair};
use edge_runtime::recognizer::Recognizer;
use edge_runtime::sensor::{Captured, Sensor, SensorError};
use edge_runtime::server::{
    Answer, Board, Change, Device, NoRandomness, Received, Respond, Running, Server,
};
use edge_runtime::slots::{MappedFlash, Slots, Trust};
use edge_runtime::store::flash::{self, FlashStore};
use edge_runtime::store::{Held, State, StateStore, TemplateStore};
use embedded_io::{Error, ErrorKind, Read, Write};
use embedded_storage::nor_flash::NorFlash;
use shared::Secret;
use shared::artifact::Artifact;
use shared::artifact::signature::PublicKey;
use shared::secret::SECRET_LEN;
use shared::wire::{Frames, Refusal};

use crate::{Indicator, Sign};

/// What a board gives.
#[derive(Debug)]
pub struct Parts<
    'a,
    L,
    F,
    K,
    M,
    N,
    I,
    C,
    const SUBJECTS: usize,
    const SHOTS: usize,
    const DIM: usize,
> {
    /// The line to the host.
    pub link: L,
    /// The flash that templates are kept in.
    pub flash: F,
    /// Where in it they are kept.
    pub store: Range<u32>,
    /// Where the device's secret lies.
    pub keys: K,
    /// Where models lie.
    pub slots: [M; 2],
    /// What takes pictures; `()` where hosts send them.
    pub sensor: N,
    /// What people see.
    pub indicator: I,
    /// Name, clock and stack.
    pub board: C,
    /// What a model may need.
    pub limits: Limits,
    /// Everything that is too large for a stack.
    pub memory: &'a mut Memory<SUBJECTS, SHOTS, DIM>,
    /// Memory for activations, and for pictures between two runs, of as many bytes as the
    /// limits state.
    pub arena: &'a mut [u8],
    /// Memory of [`answer_len`](shared::wire::answer_len) bytes for an answer.
    pub answer: &'a mut [u8],
    /// Memory of [`record_len`](edge_runtime::store::flash::record_len) bytes for one record
    /// of the store.
    pub record: &'a mut [u8],
}

/// Templates, and frames from the host.
#[derive(Debug)]
pub struct Memory<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> {
    held: Held<SUBJECTS, SHOTS, DIM>,
    frames: Frames,
}

impl<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> Memory<SUBJECTS, SHOTS, DIM> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            held: Held::new(),
            frames: Frames::new(),
        }
    }
}

impl<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> Default
    for Memory<SUBJECTS, SHOTS, DIM>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Answers the host until the line breaks. Without a model, and with a store that cannot be
/// read, requests that need them are refused.
///
/// # Errors
/// What kind of error ended the line.
pub fn run<L, F, K, M, N, I, C, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize>(
    parts: Parts<'_, L, F, K, M, N, I, C, SUBJECTS, SHOTS, DIM>,
) -> Result<Infallible, ErrorKind>
where
    L: Read + Write,
    F: NorFlash,
    K: KeyProvider,
    M: MappedFlash,
    N: Sensor,
    I: Indicator,
    C: Board,
{
    let Parts {
        mut link,
        mut flash,
        store,
        mut keys,
        slots: [first, second],
        sensor,
        mut indicator,
        board,
        limits,
        memory,
        arena,
        answer,
        record,
    } = parts;
    let Memory { held, frames } = memory;
    let mut slots = Slots::new(first, second);
    let mut board = Equipped { board, sensor };
    let begins = is_blank(&mut flash, store.clone());
    let secrets = secrets(&mut keys, &mut board, begins);
    let keys = secrets.as_ref().map_err(|refusal| *refusal);
    let keys =
        keys.and_then(|secrets| link::key_pair(&secrets.current).map_err(|_| Refusal::Secret));
    // A host is told, and nothing is written to a store that cannot be read.
    let mut store = secrets.and_then(|secrets| {
        let keys = Keys::new(&secrets);
        let opened = FlashStore::open(flash, store, keys, record, held);
        opened.map_err(|_| Refusal::Store)
    });
    // Who cannot say whom it trusts has a store that cannot be read, and runs nothing.
    match store.as_ref().map(trusted) {
        Ok(Ok(trust)) => slots.trust(trust),
        Ok(Err(refusal)) => store = Err(refusal),
        Err(_) => {}
    }
    let mut identity = identity(keys, &store);
    let mut host = Host {
        link: &mut link,
        indicator: &mut indicator,
        frames,
        server: Server::with_reply(answer),
        identity: &mut identity,
    };
    let capacity = u16::try_from(SUBJECTS).unwrap_or(u16::MAX);
    // Once for each model that runs.
    loop {
        let (artifact, incoming) = slots.split(&limits);
        let running = match (&mut store, artifact) {
            (Err(refusal), _) => Running::Nothing(*refusal),
            (Ok(store), None) => Running::Store {
                store,
                why: Refusal::NoModel,
            },
            (Ok(store), Some(artifact)) => {
                let comparison = artifact.contract().comparison;
                match store.begin(artifact.model_id(), comparison) {
                    Err(_) => Running::Nothing(Refusal::Store),
                    Ok(()) => start(artifact, store, arena),
                }
            }
        };
        let mut device = Device::new(running, capacity, [], &mut board, incoming);
        let change = host.serve(&mut device)?;
        drop(device);
        let changed = store
            .as_mut()
            .map_err(|refusal| *refusal)
            .and_then(|store| match change {
                Change::Model(received) => commit(&mut slots, store, received, &limits, arena),
                Change::Trust(key) => believe(&mut slots, store, key, &limits),
            });
        host.settle(changed)?;
    }
}

/// Whose models the device runs.
fn trusted(store: &impl StateStore) -> Result<Trust, Refusal> {
    Trust::decode(store.state(State::Trust)).ok_or(Refusal::Store)
}

/// Goes over to another model.
fn commit<M: MappedFlash>(
    slots: &mut Slots<M>,
    store: &mut impl StateStore,
    received: Received,
    limits: &Limits,
    arena: &mut [u8],
) -> Result<(), Refusal> {
    let trust = trusted(store)?;
    let version = slots.commit(received, limits, arena)?;
    // No earlier model is gone back to, even where this one is erased.
    let least_version = trust.least_version.max(version.unwrap_or(0));
    let trust = Trust {
        least_version,
        ..trust
    };
    if let Some(kept) = trust.encode() {
        // It runs all the same: the slot in use says its version, too.
        let _ = store.set_state(State::Trust, &kept);
    }
    slots.trust(trust);
    Ok(())
}

/// Trusts a key, for good: whoever is paired later cannot undo it.
fn believe<M: MappedFlash>(
    slots: &mut Slots<M>,
    store: &mut impl StateStore,
    key: PublicKey,
    limits: &Limits,
) -> Result<(), Refusal> {
    let before = trusted(store)?;
    match before.key {
        Some(other) if other != key => return Err(Refusal::Trust),
        Some(_) => return Ok(()),
        None => {}
    }
    let trust = Trust {
        key: Some(key),
        ..before
    };
    slots.go_over_to(trust, limits)?;
    let kept = trust.encode();
    let kept = store.set_state(State::Trust, kept.as_ref().map_or(&[], |kept| kept));
    kept.map_err(|_| {
        slots.trust(before);
        Refusal::Store
    })
}

/// Whether nothing was ever kept here.
fn is_blank<F: NorFlash>(flash: &mut F, store: Range<u32>) -> bool {
    flash::is_blank(flash, store).unwrap_or(false)
}

/// The secrets of the device; where it `begins`, one that is made now.
fn secrets(
    keys: &mut impl KeyProvider,
    board: &mut impl Board,
    begins: bool,
) -> Result<DeviceSecrets, Refusal> {
    match keys.secrets() {
        Ok(Some(secrets)) => return Ok(secrets),
        // Power may have failed while the first one was written.
        Ok(None) | Err(_) if begins => {}
        _ => return Err(Refusal::Secret),
    }
    let mut fresh = Secret::new([0; SECRET_LEN]);
    let filled = board.fill_random(fresh.expose_mut());
    filled.map_err(|_| Refusal::Secret)?;
    keys.add(&fresh).map_err(|_| Refusal::Secret)?;
    Ok(DeviceSecrets {
        current: fresh,
        previous: None,
    })
}

/// Who the device is, and whom it obeys: nobody where that cannot be read.
fn identity<S: StateStore>(keys: Result<KeyPair, Refusal>, store: &Result<S, Refusal>) -> Identity {
    let hosts = match store {
        Ok(store) => HostSet::decode(store.state(State::Hosts)).ok_or(Refusal::Store),
        Err(refusal) => Err(*refusal),
    };
    match hosts {
        Ok(hosts) => Identity { keys, hosts },
        // One that obeys nobody would take the first host that comes.
        Err(refusal) => Identity {
            keys: Err(refusal),
            hosts: HostSet::new(),
        },
    }
}

/// A board and its sensor.
struct Equipped<C, N> {
    board: C,
    sensor: N,
}

impl<C: Board, N: Sensor> Board for Equipped<C, N> {
    fn name(&self) -> &str {
        self.board.name()
    }

    fn ticks(&mut self) -> Option<u64> {
        self.board.ticks()
    }

    fn ticks_per_second(&self) -> u32 {
        self.board.ticks_per_second()
    }

    fn seconds(&mut self) -> Option<u64> {
        self.board.seconds()
    }

    fn stack(&self) -> (u32, u32) {
        self.board.stack()
    }

    fn capture(&mut self, pixels: &mut [u8]) -> Result<Captured, SensorError> {
        self.sensor.capture(pixels)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.board.fill_random(bytes)
    }
}

/// The engine of boards: weights in flash, activations in the arena.
type BoardEngine<'a> = Int8Engine<'a, &'a mut [u8]>;

/// A recognizer with this model.
#[inline(never)]
fn start<'a, S, const SHOTS: usize, const DIM: usize>(
    artifact: Artifact<'a>,
    store: S,
    arena: &'a mut [u8],
) -> Running<'a, BoardEngine<'a>, S, SHOTS, DIM>
where
    S: TemplateStore<SHOTS, DIM>,
{
    let far_target = artifact.operating_points().usual_target();
    let golden = *artifact.golden();
    let Ok(engine) = Int8Engine::new(artifact.clone(), arena) else {
        return Running::Store {
            store,
            why: Refusal::Engine,
        };
    };
    match Recognizer::new(engine, &artifact, far_target, store) {
        Ok(recognizer) => Running::Model { recognizer, golden },
        Err(_) => Running::Nothing(Refusal::Engine),
    }
}

/// The host at the end of the line, and the people before the device.
struct Host<'a, L, I> {
    link: &'a mut L,
    indicator: &'a mut I,
    frames: &'a mut Frames,
    server: Server<&'a mut [u8]>,
    identity: &'a mut Identity,
}

impl<L, I> Host<'_, L, I>
where
    L: Read + Write,
    I: Indicator,
{
    /// Answers frames, one after the other, until something is to be changed.
    fn serve(&mut self, device: &mut impl Respond) -> Result<Change, ErrorKind> {
        // One at a time: what follows a frame is the next one's.
        let mut byte = [0];
        self.indicator.show(Sign::Idle);
        loop {
            match self.link.read(&mut byte) {
                Ok(0) => return Err(ErrorKind::BrokenPipe),
                Ok(_) => {}
                Err(error) => return Err(error.kind()),
            }
            let [byte] = byte;
            let Some(frame) = self.frames.push(byte) else {
                continue;
            };
            self.indicator.show(Sign::Busy);
            match self.server.answer(frame, device, self.identity) {
                Answer::Frame(frame) => send(self.link, frame)?,
                Answer::Change(change) => return Ok(change),
            }
            self.indicator.show(match device.verdict() {
                Some(true) => Sign::Accepted,
                Some(false) => Sign::Rejected,
                None => Sign::Idle,
            });
        }
    }

    /// Says whether the device went over to another model.
    fn settle(&mut self, committed: Result<(), Refusal>) -> Result<(), ErrorKind> {
        send(self.link, self.server.settle(committed))
    }
}

fn send<L: Write>(link: &mut L, frame: &[u8]) -> Result<(), ErrorKind> {
    let sent = link.write_all(frame).and_then(|()| link.flush());
    sent.map_err(|error| error.kind())
}
