//! Who is rejected too often waits, whatever is done to the device in between.

use std::cell::Cell;
use std::rc::Rc;

use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::link::Role;
use edge_runtime::server::{self, Board, Outcome, Respond, Running};
use edge_runtime::store::{State, StateStore, TemplateStore};
use shared::template::Template;
use shared::wire::{Refusal, Request, Response, Verdict};

use super::line::{DIM, SHOTS, SIDE, SUBJECTS, Set, drawing, recognizer};

/// A board whose clock is set by hand.
struct Timed(Rc<Cell<u64>>);

impl Board for Timed {
    fn name(&self) -> &str {
        "timed"
    }

    fn ticks(&mut self) -> Option<u64> {
        Some(self.0.get())
    }

    fn ticks_per_second(&self) -> u32 {
        1
    }

    fn stack(&self) -> (u32, u32) {
        (0, 0)
    }
}

/// A store that outlives the device, and may lose power before a state is written.
#[derive(Clone)]
struct Kept {
    set: Rc<std::cell::RefCell<Set>>,
    templates: Vec<Template<SHOTS, DIM>>,
    failures: Vec<u8>,
    power: Rc<Cell<usize>>,
}

impl TemplateStore<SHOTS, DIM> for Kept {
    type Error = ();

    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>> {
        self.templates.iter()
    }

    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), ()> {
        self.templates
            .retain(|other| other.subject() != template.subject());
        self.templates.push(template.clone());
        self.set.borrow_mut().put(template).map_err(|_| ())
    }

    fn remove(&mut self, _: &str) -> Result<bool, ()> {
        Err(())
    }
}

impl StateStore for Kept {
    type Error = ();

    fn state(&self, _: State) -> &[u8] {
        &self.failures
    }

    fn set_state(&mut self, state: State, bytes: &[u8]) -> Result<(), ()> {
        let left = self.power.get().checked_sub(1).ok_or(())?;
        self.power.set(left);
        self.failures = bytes.to_vec();
        self.set
            .borrow_mut()
            .set_state(state, bytes)
            .map_err(|_| ())
    }
}

type Device =
    server::Device<'static, Int8Engine<'static, Vec<u8>>, Kept, Vec<u8>, Timed, (), SHOTS, DIM>;

struct Bench {
    clock: Rc<Cell<u64>>,
    power: Rc<Cell<usize>>,
    set: Rc<std::cell::RefCell<Set>>,
}

impl Bench {
    fn new() -> Self {
        let (artifact, _) = recognizer();
        let mut set = Set::new();
        set.begin(artifact.model_id(), artifact.contract().comparison);
        Self {
            clock: Rc::default(),
            power: Rc::new(Cell::new(usize::MAX)),
            set: Rc::new(set.into()),
        }
    }

    /// Turns the device on.
    fn start(&self) -> Device {
        self.clock.set(0);
        let (artifact, _) = recognizer();
        let store = Kept {
            set: self.set.clone(),
            templates: self.set.borrow().templates().cloned().collect(),
            failures: self.set.borrow().state(State::Failures).to_vec(),
            power: self.power.clone(),
        };
        let running = Running::Model {
            recognizer: recognizer_with(store),
            golden: *artifact.golden(),
        };
        let board = Timed(self.clock.clone());
        Device::new(running, SUBJECTS as u16, vec![0; SIDE * SIDE], board, ())
    }

    fn pass(&self, seconds: u64) {
        self.clock.set(self.clock.get() + seconds);
    }
}

fn recognizer_with(
    store: Kept,
) -> edge_runtime::recognizer::Recognizer<'static, Int8Engine<'static, Vec<u8>>, Kept, SHOTS, DIM> {
    let (artifact, _) = recognizer();
    let arena = vec![0; artifact.plan().arena_len()];
    let engine = Int8Engine::new(artifact.clone(), arena).unwrap();
    let far = artifact.operating_points().usual_target();
    edge_runtime::recognizer::Recognizer::new(engine, &artifact, far, store).unwrap()
}

/// What a device answers to a picture, as text: it borrows the device.
fn ask(device: &mut Device, pixels: &[u8], request: &Request<'_>, role: Role) -> String {
    let side = SIDE as u16;
    let begin = Request::ImageBegin {
        width: side,
        height: side,
        channels: 1,
    };
    let chunk = Request::SampleChunk {
        offset: 0,
        bytes: pixels,
    };
    for request in [&begin, &chunk] {
        assert_eq!(
            device.carry_out(request, role),
            Outcome::Answer(Response::Done)
        );
    }
    match device.carry_out(request, role) {
        Outcome::Answer(Response::Verified { verdict, scores }) => {
            assert_eq!(
                scores.is_some(),
                role == Role::Paired && verdict != Verdict::Unknown
            );
            format!("{verdict:?}")
        }
        Outcome::Answer(Response::Identified { subject, distance }) => {
            assert_eq!(distance.is_some(), role == Role::Paired);
            subject.unwrap_or("nobody").to_owned()
        }
        Outcome::Answer(other) => format!("{other:?}"),
        other => panic!("{other:?}"),
    }
}

fn verify(device: &mut Device, who: u8, claim: &str) -> String {
    let request = Request::Verify { subject: claim };
    ask(device, &drawing(who, 4), &request, Role::Anyone)
}

fn identify(device: &mut Device, who: u8) -> String {
    ask(device, &drawing(who, 4), &Request::Identify, Role::Anyone)
}

fn locked(seconds: u32) -> String {
    format!("{:?}", Response::Locked { seconds })
}

/// Ada and bob, enrolled by a paired host.
fn enrolled() -> Bench {
    let bench = Bench::new();
    let mut device = bench.start();
    for (who, subject) in [(0, "ada"), (3, "bob")] {
        for which in 0..3 {
            let enroll = Request::Enroll {
                subject,
                anew: false,
                anyway: true,
            };
            ask(&mut device, &drawing(who, which), &enroll, Role::Paired);
        }
    }
    bench
}

#[test]
fn whoever_fails_three_times_waits() {
    let bench = enrolled();
    let mut device = bench.start();
    for _ in 0..3 {
        assert_eq!(verify(&mut device, 3, "ada"), "Reject");
    }
    assert_eq!(verify(&mut device, 3, "ada"), locked(30));
    // Not even ada herself is looked at; bob is.
    assert_eq!(verify(&mut device, 0, "ada"), locked(30));
    assert_eq!(verify(&mut device, 3, "bob"), "Accept");
    bench.pass(29);
    assert_eq!(verify(&mut device, 0, "ada"), locked(1));
    bench.pass(1);
    assert_eq!(verify(&mut device, 3, "ada"), "Reject");
    assert_eq!(verify(&mut device, 0, "ada"), locked(60));
    // A reset does not help: the whole wait begins anew.
    bench.pass(59);
    let mut device = bench.start();
    assert_eq!(verify(&mut device, 0, "ada"), locked(60));
    bench.pass(60);
    assert_eq!(verify(&mut device, 0, "ada"), "Accept");
    // All is forgiven.
    for _ in 0..3 {
        assert_eq!(verify(&mut device, 3, "ada"), "Reject");
    }
    assert_eq!(verify(&mut device, 3, "ada"), locked(30));
}

#[test]
fn who_claims_nothing_or_to_be_nobody_is_counted_too() {
    let bench = enrolled();
    let mut device = bench.start();
    assert_eq!(identify(&mut device, 0), "ada");
    assert_eq!(verify(&mut device, 0, "trudy"), "Unknown");
    assert_eq!(verify(&mut device, 0, "eve"), "Unknown");
    assert_eq!(verify(&mut device, 0, "mallory"), "Unknown");
    assert_eq!(identify(&mut device, 0), locked(30));
    assert_eq!(verify(&mut device, 0, "eve"), locked(30));
    assert_eq!(verify(&mut device, 0, "ada"), "Accept");
    bench.pass(30);
    assert_eq!(identify(&mut device, 3), "bob");
    assert_eq!(verify(&mut device, 0, "eve"), "Unknown");
}

#[test]
fn paired_hosts_are_not_counted() {
    let bench = enrolled();
    let mut device = bench.start();
    let request = Request::Verify { subject: "ada" };
    for _ in 0..9 {
        let answer = ask(&mut device, &drawing(3, 4), &request, Role::Paired);
        assert_eq!(answer, "Reject");
    }
    assert!(bench.set.borrow().state(State::Failures).is_empty());
    assert_eq!(verify(&mut device, 0, "ada"), "Accept");
}

/// Power that fails before the count is written gives no answer; one that fails between the
/// count and the verdict leaves the count.
#[test]
fn attempts_are_counted_before_they_are_looked_at() {
    let bench = enrolled();
    for attempt in 0..5 {
        let mut device = bench.start();
        // The count is written, the verdict's is not.
        bench.power.set(1);
        let answer = verify(&mut device, 0, "ada");
        bench.power.set(usize::MAX);
        let expected = match attempt {
            0..3 => format!("{:?}", Response::Refused(Refusal::Store)),
            _ => locked(30),
        };
        assert_eq!(answer, expected, "{attempt}");
    }
    let mut device = bench.start();
    bench.pass(30);
    bench.power.set(0);
    let refused = format!("{:?}", Response::Refused(Refusal::Store));
    assert_eq!(verify(&mut device, 0, "ada"), refused);
}
