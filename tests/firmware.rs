//! Firmware on emulated boards, driven as a user's board is.
//!
//! `cargo xtask test --firmware` builds the firmware and runs this; SEMBLANCE_FIRMWARE is
//! the folder that it builds into.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_runtime::client::emulator::{
    Emulator, MACHINES, Machine, Options, firmware_in, make_flash,
};
use edge_runtime::client::{Client, ClientError};
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::kernels::InstructionSet;
use edge_runtime::recognizer::Recognizer;
use host_trainer::dataset::{DatasetName, Part};
use shared::artifact::Artifact;
use shared::preprocess::Image;
use shared::support_set::SupportSet;
use shared::wire::{Refusal, Request, Response};
use tests::{data, root, signers};

/// The folder of the firmware, or `None` with a line that says what is left out.
fn firmware(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SEMBLANCE_FIRMWARE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED {test}: `cargo xtask test --firmware` builds the firmware and runs it");
    }
    folder
}

/// A grey picture, small enough for an emulated serial port.
#[derive(Clone)]
struct Picture {
    size: [u32; 2],
    pixels: Vec<u8>,
}

impl Picture {
    /// Means of blocks of pixels, so many that no side is longer than 30.
    fn reduced(image: &Image<'_>) -> Self {
        let [width, height] = image.size();
        let block = width.max(height).div_ceil(30);
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

    fn image(&self) -> Image<'_> {
        Image::new(self.size[0], self.size[1], 1, &self.pixels).unwrap()
    }
}

/// Pictures of `classes` classes, `each` of one: drawings of Omniglot's evaluation part where
/// that is at hand, else signatures that are drawn by rule.
fn pictures(classes: u32, each: usize) -> Vec<Vec<Picture>> {
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
fn model() -> Vec<u8> {
    fs::read(root().join("models/omniglot/model.bin")).unwrap()
}

/// A board with its flash, in a folder of its own.
struct Board {
    machine: &'static Machine,
    options: Options,
    _folder: tempfile::TempDir,
}

impl Board {
    fn new(firmware: &Path, machine: &'static Machine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flash = folder.path().join("flash.bin");
        make_flash(&flash, &model()).unwrap();
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

    /// Turns it on.
    fn start(&self) -> Client<Emulator> {
        let mut emulator = Emulator::start(self.machine, &self.options).unwrap();
        // A serial port loses what comes before it is on.
        emulator.set_patience(Duration::from_secs(2)).unwrap();
        Client::new(emulator)
    }
}

/// Shows a picture to a board.
fn show(client: &mut Client<Emulator>, picture: &Picture) {
    let refused = client.upload(&picture.image(), |_| ());
    assert_eq!(refused.unwrap(), None);
}

fn enroll(client: &mut Client<Emulator>, subject: &str, picture: &Picture) -> u8 {
    show(client, picture);
    match client
        .ask(&Request::Enroll {
            subject,
            anew: false,
        })
        .unwrap()
    {
        Response::Enrolled { shots } => shots,
        other => panic!("{subject}: {other:?}"),
    }
}

fn verify(client: &mut Client<Emulator>, subject: &str, picture: &Picture) -> bool {
    show(client, picture);
    match client.ask(&Request::Verify { subject }).unwrap() {
        Response::Verified { accepted, .. } => accepted,
        other => panic!("{subject}: {other:?}"),
    }
}

fn identify(client: &mut Client<Emulator>, picture: &Picture) -> Option<String> {
    show(client, picture);
    match client.ask(&Request::Identify).unwrap() {
        Response::Identified { subject, .. } => subject.map(str::to_owned),
        other => panic!("{other:?}"),
    }
}

fn list(client: &mut Client<Emulator>) -> Vec<(String, u8)> {
    let entry = |index| match client.ask(&Request::List { index }).unwrap() {
        Response::Subject { entry } => entry.map(|(name, shots)| (name.to_owned(), shots)),
        other => panic!("{other:?}"),
    };
    (0..).map_while(entry).collect()
}

type Local<'a> = Recognizer<'a, PackedInt8Engine<'a>, SupportSet<8, 5, 64>, Vec<u8>, 5, 64>;

/// The same model on this machine.
fn local<'a>(artifact: &Artifact<'a>) -> Local<'a> {
    let engine = PackedInt8Engine::new(artifact.clone(), InstructionSet::fastest()).unwrap();
    let contract = artifact.contract();
    let store = SupportSet::new(artifact.model_id(), contract.comparison);
    let input = vec![0; contract.preprocess.output_len()];
    let far = artifact.operating_points().usual_target();
    Recognizer::new(engine, artifact, far, store, input).unwrap()
}

/// On every board, from turning it on: enrol five, verify, identify, list, remove; turned
/// off and on, all is there.
#[test]
fn boards_enrol_verify_identify_list_remove_and_remember() {
    let Some(firmware) = firmware("boards that enrol and verify") else {
        return;
    };
    let subjects = pictures(6, 6);
    let names = ["ada", "berta", "clara", "dora", "emma"];
    let bytes = model();
    let artifact = Artifact::parse(&bytes).unwrap();
    for machine in MACHINES {
        let board = Board::new(&firmware, machine);
        let mut client = board.start();
        let hello = client.hello().unwrap();
        let Response::Hello {
            model,
            enrolled: 0,
            stale: 0,
            board: name,
            ..
        } = hello
        else {
            panic!("{}: {hello:?}", machine.board);
        };
        assert_eq!((model, name), (artifact.model_id(), machine.board));
        let all = artifact.golden().iter().count() as u16;
        let tested = client.ask(&Request::SelfTest).unwrap();
        assert_eq!(
            tested,
            Response::SelfTested {
                passed: all,
                total: all
            }
        );

        // What it decides is what this machine decides of the same pictures.
        let mut here = local(&artifact);
        for (name, pictures) in names.iter().zip(&subjects) {
            let subject = shared::template::SubjectId::new(name).unwrap();
            let mut template = here.begin(subject, 0).unwrap();
            for (index, picture) in pictures[..3].iter().enumerate() {
                assert_eq!(usize::from(enroll(&mut client, name, picture)), index + 1);
                here.add(&mut template, &picture.image()).unwrap();
            }
            here.enroll(template).unwrap();
        }
        let mut accepted = [0, 0];
        for (name, pictures) in names.iter().zip(&subjects) {
            let genuine = pictures[3..].iter().map(|picture| (0, picture));
            let impostors = subjects[5].iter().map(|picture| (1, picture));
            for (kind, picture) in genuine.chain(impostors) {
                let image = picture.image();
                let (expected, _) = here.verify(name, &image).unwrap();
                let answer = verify(&mut client, name, picture);
                assert_eq!(answer, expected.accepted(), "{}: {name}", machine.board);
                accepted[kind] += u32::from(answer);
            }
        }
        // 15 genuine pictures and 30 of somebody else.
        assert!(accepted[0] >= 12 && accepted[1] <= 3, "{accepted:?}");
        for picture in subjects.iter().map(|pictures| &pictures[5]) {
            let (expected, _) = here.identify(&picture.image()).unwrap();
            let expected = match expected {
                shared::decision::Identification::Match { subject, .. } => {
                    Some(subject.as_str().to_owned())
                }
                shared::decision::Identification::Unknown(_) => None,
            };
            assert_eq!(
                identify(&mut client, picture),
                expected,
                "{}",
                machine.board
            );
        }
        let removed = client.ask(&Request::Remove { subject: "clara" }).unwrap();
        assert_eq!(removed, Response::Done);
        let expected: Vec<(String, u8)> = ["ada", "berta", "dora", "emma"]
            .map(|name| (name.to_owned(), 3))
            .to_vec();
        assert_eq!(list(&mut client), expected);
        drop(client);

        let mut client = board.start();
        assert_eq!(
            list(&mut client),
            expected,
            "{} after a restart",
            machine.board
        );
        assert!(verify(&mut client, "ada", &subjects[0][0]));
        let gone = client.ask(&Request::Remove { subject: "clara" }).unwrap();
        assert_eq!(gone, Response::Refused(Refusal::NotEnrolled));
    }
}

/// Every board gives the bytes that this machine gives.
#[test]
fn embeddings_of_boards_are_those_of_this_machine() {
    let Some(firmware) = firmware("embeddings of boards") else {
        return;
    };
    let pictures: Vec<Picture> = pictures(50, 2).concat();
    let bytes = model();
    let artifact = Artifact::parse(&bytes).unwrap();
    let mut here = local(&artifact);
    for machine in MACHINES {
        let board = Board::new(&firmware, machine);
        let mut client = board.start();
        for (index, picture) in pictures.iter().enumerate() {
            let expected = here.embed(&picture.image()).unwrap();
            let expected = expected[..here.dim()]
                .iter()
                .map(|value| value.cast_unsigned());
            show(&mut client, picture);
            let answer = client.ask(&Request::Embed).unwrap();
            let Response::Embedding { components } = answer else {
                panic!("{}: {answer:?}", machine.board);
            };
            assert!(
                expected.eq(components.iter().copied()),
                "{}: {index}",
                machine.board
            );
        }
        println!("{}: {} pictures", machine.board, pictures.len());
    }
}

/// Power fails at each write and each erasure of enrolling and of removing.
#[test]
fn a_board_without_power_keeps_what_it_acknowledged() {
    let Some(firmware) = firmware("power that fails") else {
        return;
    };
    let subjects = pictures(3, 2);
    let board = Board::new(&firmware, &MACHINES[0]);
    let mut client = board.start();
    for (name, pictures) in ["ada", "berta"].iter().zip(&subjects) {
        enroll(&mut client, name, &pictures[0]);
    }
    drop(client);
    let before = fs::read(&board.options.flash).unwrap();
    let named = |names: &[(&str, u8)]| -> Vec<(String, u8)> {
        names
            .iter()
            .map(|(name, shots)| ((*name).to_owned(), *shots))
            .collect()
    };
    let old = named(&[("ada", 1), ("berta", 1)]);
    let changes = [
        (
            Request::Enroll {
                subject: "clara",
                anew: false,
            },
            named(&[("ada", 1), ("berta", 1), ("clara", 1)]),
        ),
        (
            Request::Enroll {
                subject: "ada",
                anew: false,
            },
            named(&[("ada", 2), ("berta", 1)]),
        ),
        (Request::Remove { subject: "ada" }, named(&[("berta", 1)])),
    ];
    let mut cuts = 0;
    for (change, new) in changes {
        for power in 0.. {
            fs::write(&board.options.flash, &before).unwrap();
            let mut weak = Board {
                options: board.options.clone(),
                machine: board.machine,
                _folder: tempfile::tempdir().unwrap(),
            };
            weak.options.power = Some(power);
            let mut client = weak.start();
            show(&mut client, &subjects[2][0]);
            let answer = client.ask(&change).map(|_| ());
            drop(client);
            let mut client = board.start();
            let found = list(&mut client);
            match answer {
                Ok(()) => {
                    assert_eq!(found, new, "{change:?} was acknowledged");
                    break;
                }
                Err(ClientError::Line(_)) => {
                    assert!(
                        found == old || found == new,
                        "{change:?}, {power}: {found:?}"
                    );
                    assert!(verify(&mut client, "berta", &subjects[1][0]));
                    cuts += 1;
                }
                Err(error) => panic!("{change:?}: {error}"),
            }
        }
    }
    println!("power failed {cuts} times");
    assert!(cuts >= 10, "{cuts}");
}

/// What a model costs, board by board.
#[test]
fn figures_of_boards() {
    let Some(firmware) = firmware("figures of boards") else {
        return;
    };
    let bytes = model();
    let macs = Artifact::parse(&bytes).unwrap().plan().macs() as f64;
    println!("board                 instructions  per MAC  stack");
    for machine in MACHINES {
        let mut board = Board::new(&firmware, machine);
        board.options.counts_instructions = true;
        let mut client = board.start();
        client.hello().unwrap();
        let Response::Measured {
            ticks,
            per_second,
            stack,
        } = client.ask(&Request::Measure).unwrap()
        else {
            panic!("{}: no figures", machine.board);
        };
        // A nanosecond is an instruction.
        let instructions = match per_second {
            0 => ticks as f64,
            hertz => ticks as f64 * 1e9 / f64::from(hertz),
        };
        println!(
            "{:20} {:13.0} {:8.3} {:6}",
            machine.board,
            instructions,
            instructions / macs,
            stack.0
        );
        assert!(
            instructions > macs && stack.0 < stack.1,
            "{}",
            machine.board
        );
    }
}

/// The kernels of each processor give the bytes of the plain loops; what they cost.
#[test]
fn kernels_of_boards_equal_the_plain_loops() {
    let Some(firmware) = firmware("kernels of boards") else {
        return;
    };
    // The other board's processor is the first one's.
    let machines = MACHINES.iter();
    for machine in machines.filter(|machine| machine.board != "qemu-netduinoplus2") {
        let mut program = firmware_in(&firmware, machine).into_os_string();
        program.push("-kernels");
        let mut emulator = machine.command();
        emulator
            .args(["-serial", "null", "-icount", "shift=0"])
            .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
            .arg(program);
        println!("{}", machine.board);
        assert!(emulator.status().unwrap().success(), "{}", machine.board);
    }
}
