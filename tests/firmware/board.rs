//! A board in the emulator, and pictures small enough for its serial port.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_runtime::client::emulator::{Emulator, Machine, Options, firmware_in, make_flash};
use edge_runtime::client::{Client, Line};
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::kernels::InstructionSet;
use edge_runtime::link::KeyPair;
use edge_runtime::recognizer::Recognizer;
use host_trainer::dataset::{DatasetName, Part};
use shared::artifact::Artifact;
use shared::preprocess::Image;
use shared::support_set::SupportSet;
use shared::wire::{Pairing, Request, Response, Verdict};
use tests::{data, root, signers};

/// The folder of the firmware, or `None` with a line that says what is left out.
pub(crate) fn firmware(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SEMBLANCE_FIRMWARE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED {test}: `cargo xtask test --firmware` builds the firmware and runs it");
    }
    folder
}

/// A grey picture, small enough for an emulated serial port.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) size: [u32; 2],
    pub(crate) pixels: Vec<u8>,
}

impl Picture {
    /// Means of blocks of pixels, so many that no side is longer than 30.
    fn reduced(image: &Image<'_>) -> Self {
        Self::reduced_to(image, 30)
    }

    /// Means of blocks of pixels, so many that no side is longer than `longest`.
    pub(crate) fn reduced_to(image: &Image<'_>, longest: u32) -> Self {
        let [width, height] = image.size();
        let block = width.max(height).div_ceil(longest);
        let size = [width / block, height / block];
        let step = u32::from(image.channels());
        let mean = |x: u32, y: u32| {
            let places = (0..block * block).map(|i| (x * block + i % block, y * block + i / block));
            let values = places.map(|(x, y)| image.pixels()[((y * width + x) * step) as usize]);
            (values.map(u32::from).sum::<u32>() / (block * block)) as u8
        };
        let places = (0..size[0] * size[1]).map(|i| (i % size[0], i / size[0]));
        let pixels = places.map(|(x, y)| mean(x, y)).collect();
        Self { size, pixels }
    }

    /// A cross of eight by eight pixels, for lines that carry short frames only.
    pub(crate) fn small() -> Self {
        let ink = |i: u32| i / 8 == i % 8 || i / 8 + i % 8 == 7;
        Self {
            size: [8, 8],
            pixels: (0..64).map(|i| if ink(i) { 0 } else { 255 }).collect(),
        }
    }

    pub(crate) fn image(&self) -> Image<'_> {
        Image::new(self.size[0], self.size[1], 1, &self.pixels).unwrap()
    }
}

/// Pictures of `classes` classes, `each` of one: drawings of Omniglot's evaluation part where
/// that is at hand, else signatures that are drawn by rule.
pub(crate) fn pictures(classes: u32, each: usize) -> Vec<Vec<Picture>> {
    let dataset = match data("real drawings on boards") {
        Some(folder) => DatasetName::Omniglot.load(Some(&folder)).unwrap(),
        None => signers([56, 56]),
    };
    let all = 0..u32::try_from(dataset.classes.len()).unwrap();
    let test: Vec<u32> = all
        .filter(|class| dataset.split.part(*class) == Part::Test)
        .collect();
    // Every so many, so that they are of several alphabets.
    let step = (test.len() / classes as usize).max(1);
    let chosen = test.iter().step_by(step).take(classes as usize);
    chosen
        .map(|class| {
            let samples = dataset.samples.iter();
            let samples = samples.filter(|sample| sample.class == *class);
            samples
                .take(each)
                .map(|sample| Picture::reduced(&sample.picture().unwrap().image().unwrap()))
                .collect()
        })
        .collect()
}

/// The artifact that is tried.
pub(crate) fn model() -> Vec<u8> {
    fs::read(root().join("models/omniglot/model.bin")).unwrap()
}

/// A board with its flash, in a folder of its own.
pub(crate) struct Board {
    pub(crate) machine: &'static Machine,
    pub(crate) options: Options,
    _folder: tempfile::TempDir,
}

impl Board {
    pub(crate) fn new(firmware: &Path, machine: &'static Machine) -> Self {
        Self::with_model(firmware, machine, &model())
    }

    pub(crate) fn with_model(firmware: &Path, machine: &'static Machine, model: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flash = folder.path().join("flash.bin");
        make_flash(&flash, model).unwrap();
        let options = Options {
            firmware: firmware_in(firmware, machine),
            flash,
            counts_instructions: false,
            power: None,
        };
        assert!(options.firmware.exists(), "{}: no firmware", machine.board);
        Self {
            machine,
            options,
            _folder: folder,
        }
    }

    /// The same board and flash, whose power fails after so many writes and erasures.
    pub(crate) fn with_power(&self, power: u32) -> Self {
        let mut options = self.options.clone();
        options.power = Some(power);
        Self {
            machine: self.machine,
            options,
            _folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Turns it on, and begins a session as the host that it is paired with.
    pub(crate) fn start(&self) -> Client<Emulator> {
        let mut client = Client::new(self.start_emulator());
        pair(&mut client);
        client
    }

    pub(crate) fn start_emulator(&self) -> Emulator {
        let mut emulator = Emulator::start(self.machine, &self.options).unwrap();
        // A serial port loses what comes before it is on.
        emulator.set_patience(Duration::from_secs(2)).unwrap();
        emulator
    }
}

/// Begins a session, as the same host every time.
pub(crate) fn pair(client: &mut Client<impl Line>) {
    let host = KeyPair::new([9; 32]).unwrap();
    let paired = client.pair(&host, None).unwrap();
    assert_ne!(paired.pairing, Pairing::Unknown);
}

/// Shows a picture to a board.
pub(crate) fn show(client: &mut Client<impl Line>, picture: &Picture) {
    let refused = client.upload(&picture.image(), |_| ());
    assert_eq!(refused.unwrap(), None);
}

pub(crate) fn enroll(client: &mut Client<impl Line>, subject: &str, picture: &Picture) -> u8 {
    show(client, picture);
    match client
        .ask(&Request::Enroll {
            subject,
            anew: false,
            anyway: true,
        })
        .unwrap()
    {
        Response::Enrolled { shots, .. } => shots,
        other => panic!("{subject}: {other:?}"),
    }
}

pub(crate) fn verify(client: &mut Client<impl Line>, subject: &str, picture: &Picture) -> bool {
    show(client, picture);
    match client.ask(&Request::Verify { subject }).unwrap() {
        Response::Verified { verdict, .. } => verdict == Verdict::Accept,
        other => panic!("{subject}: {other:?}"),
    }
}

pub(crate) fn identify(client: &mut Client<impl Line>, picture: &Picture) -> Option<String> {
    show(client, picture);
    match client.ask(&Request::Identify).unwrap() {
        Response::Identified { subject, .. } => subject.map(str::to_owned),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn list(client: &mut Client<impl Line>) -> Vec<(String, u8)> {
    let entry = |index| match client.ask(&Request::List { index }).unwrap() {
        Response::Subject { entry } => entry.map(|(name, shots, _)| (name.to_owned(), shots)),
        other => panic!("{other:?}"),
    };
    (0..).map_while(entry).collect()
}

pub(crate) type Local<'a> = Recognizer<'a, PackedInt8Engine<'a>, SupportSet<8, 5, 64>, 5, 64>;

/// The same model on this machine.
pub(crate) fn local<'a>(artifact: &Artifact<'a>) -> Local<'a> {
    let engine = PackedInt8Engine::new(artifact.clone(), InstructionSet::fastest()).unwrap();
    let contract = artifact.contract();
    let store = SupportSet::new(artifact.model_id(), contract.comparison);
    let far = artifact.operating_points().usual_target();
    Recognizer::new(engine, artifact, far, store).unwrap()
}
