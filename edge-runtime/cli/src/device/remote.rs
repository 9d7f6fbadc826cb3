//! Verbs on a device that is connected.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result, bail, ensure};
use edge_runtime::boards::{Board, EMULATED};
use edge_runtime::client::emulator::Machine;
use edge_runtime::client::{Client, ClientError, Line, Paired};
use edge_runtime::link::{KeyPair, PublicKey};
use edge_runtime::loader::hex;
use indicatif::{ProgressBar, ProgressStyle};
use shared::artifact::Artifact;
use shared::drift::Drift;
use shared::preprocess::pen::EVENT_LEN;
use shared::wire::{Pairing, Refusal, Request, Response, Verdict};

use super::answers::words;
use super::keys::HostKeys;
use super::{Device, answers, connect};
use crate::Outcome;
use crate::arguments::{Enroll, Identify, KeyArguments, List, Remove, Samples, SelfTest, Verify};
use crate::pictures::{FileSample, SampleFile};

/// A device that answered, in a session with this host.
pub(super) struct Connected {
    client: Client<Box<dyn Line>>,
    pub(super) board: String,
    model: String,
    /// What the device goes by.
    pub(super) key: PublicKey,
    /// What this host goes by.
    pub(super) host: PublicKey,
    /// Whether the device obeys it.
    pub(super) is_paired: bool,
    /// Templates of other models.
    stale: u16,
    /// The largest model that it takes over the line, bytes; 0 where none.
    room: u32,
}

/// Bytes from which on an upload shows a bar.
const LONG_UPLOAD: usize = 4096;

impl Connected {
    pub(super) fn new(device: &Device, keys: &KeyArguments) -> Result<Self> {
        let keys = HostKeys::new(keys.folder()?);
        let host = keys.host()?;
        let mut client = Client::new(connect::line(device)?);
        // Without a session, so that versions that do not fit are told.
        greet(&mut client)?;
        let Paired {
            device: key,
            pairing,
        } = pair(&mut client, device, &keys, &host)?;
        let (board, model, stale, room) = greet(&mut client)?;
        if pairing == Pairing::Claimed {
            let warning = "was nobody's, and is paired with this host now";
            let _ = writeln!(io::stderr(), "{board} {warning}");
        }
        Ok(Self {
            client,
            board,
            model,
            key,
            host: *host.public(),
            is_paired: pairing != Pairing::Unknown,
            stale,
            room,
        })
    }

    /// The answer to a request; a refusal is an error.
    pub(super) fn ask(&mut self, request: &Request<'_>) -> Result<Response<'_>> {
        match self.client.ask(request)? {
            Response::Refused(refusal) => Err(answers::refused(refusal)),
            answer => Ok(answer),
        }
    }

    /// Gives the device something to look at.
    fn show(&mut self, sample: &Sample) -> Result<()> {
        match sample {
            Sample::File(file) => self.upload(file),
            Sample::Sensor(_) => match self.ask(&Request::Capture)? {
                Response::Captured { .. } => Ok(()),
                other => bail!("expected a picture, found {}", words(&other)),
            },
        }
    }

    fn upload(&mut self, file: &SampleFile) -> Result<()> {
        let context = || file.path.display().to_string();
        let sample = file.read()?;
        let refused = match &sample {
            FileSample::Picture(picture) => {
                let image = picture.image().with_context(context)?;
                let bar = bar(context(), image.pixels().len());
                let sent = |sent| bar.set_position(sent as u64);
                let refused = self.client.upload(&image, sent);
                bar.finish_and_clear();
                refused?
            }
            FileSample::Pen(events) => {
                let bar = bar(context(), events.len() * EVENT_LEN);
                let sent = |sent| bar.set_position(sent as u64);
                let refused = self.client.upload_pen(events, sent);
                bar.finish_and_clear();
                refused?
            }
        };
        match refused {
            None => Ok(()),
            Some(refusal) => Err(answers::refused(refusal)).with_context(context),
        }
    }

    /// Sends the device a model; the identity of what it runs then.
    fn send_model(&mut self, artifact: &Artifact<'_>, bytes: &[u8]) -> Result<String> {
        let name = artifact.card().name;
        self.check_room(artifact, bytes.len())?;
        let bar = bar(name.to_owned(), bytes.len());
        let sent = |sent: usize| bar.set_position(sent as u64);
        let refused = self.client.send_model(bytes, sent)?;
        bar.finish_and_clear();
        let running = match self.client.hello()? {
            Response::Hello { model, .. } => model,
            other => bail!("expected a greeting, found {}", words(&other)),
        };
        match refused {
            // A device that starts anew between its work and its answer knows of nothing.
            Some(refusal) if running != Some(artifact.model_id()) => {
                Err(answers::refused(refusal)).with_context(|| name.to_owned())
            }
            _ => Ok(running.map_or_else(String::new, |model| model.to_string())),
        }
    }

    /// Whether the device has room for the model, as far as it tells, and as is known of it.
    fn check_room(&self, artifact: &Artifact<'_>, len: usize) -> Result<()> {
        let room = self.room as usize;
        ensure!(
            room > 0,
            "expected a device that takes models over its line, found {} that does not: change the model where it was started",
            self.board
        );
        let known = Board::named(&self.board).map(|board| board.limits);
        let known = known.or_else(|| Machine::named(&self.board).map(|_| EMULATED));
        if let Some(limits) = known {
            limits.check(artifact, len)?;
        }
        ensure!(
            len <= room,
            "expected a model of at most {room} bytes, found one of {len}: take a smaller one"
        );
        Ok(())
    }

    /// The enrolled subjects, how many samples each has, and how near each is accepted.
    fn subjects(&mut self) -> Result<Vec<(String, u8, Drift)>> {
        let mut subjects = vec![];
        for index in 0..=u16::MAX {
            match self.ask(&Request::List { index })? {
                Response::Subject {
                    entry: Some((subject, shots, drift)),
                } => subjects.push((subject.to_owned(), shots, drift)),
                Response::Subject { entry: None } => break,
                other => bail!("expected a subject, found {}", words(&other)),
            }
        }
        Ok(subjects)
    }

    /// Removes a subject; whether it was enrolled.
    fn remove(&mut self, subject: &str) -> Result<bool> {
        match self.client.ask(&Request::Remove { subject })? {
            Response::Done => Ok(true),
            Response::Refused(Refusal::NotEnrolled) => Ok(false),
            Response::Refused(refusal) => Err(answers::refused(refusal)),
            other => bail!("expected a removal, found {}", words(&other)),
        }
    }
}

/// The device's name, its model, templates of other models, and its room for models.
fn greet(client: &mut Client<impl Line>) -> Result<(String, String, u16, u32)> {
    match client.hello()? {
        Response::Hello {
            board,
            model,
            stale,
            slot,
            ..
        } => {
            let model = model.map_or_else(String::new, |model| model.to_string());
            Ok((board.to_owned(), model, stale, slot))
        }
        other => bail!("expected a greeting, found {}", words(&other)),
    }
}

/// Begins a session with the device that was met at this address before, or with any where
/// none was, which is remembered.
fn pair(
    client: &mut Client<impl Line>,
    device: &Device,
    keys: &HostKeys,
    host: &KeyPair,
) -> Result<Paired> {
    let known = keys.known(device)?;
    let paired = match client.pair(host, known.as_ref()) {
        Err(ClientError::Stranger(key)) => bail!(
            "{device}: expected the device that was met there before, found one that goes by {}: either it was erased or is another one, and `semblance pair --device {device} --forget` forgets the first; or somebody stands between",
            hex(&key)
        ),
        Err(ClientError::Handshake(refusal)) => return Err(answers::refused(refusal)),
        paired => paired?,
    };
    if known.is_none() {
        keys.remember(device, &paired.device)?;
    }
    Ok(paired)
}

/// What a device is to look at.
enum Sample {
    File(SampleFile),
    /// What its sensor sees: the number of the picture.
    Sensor(u8),
}

impl Sample {
    fn all(samples: &Samples) -> Result<Vec<Self>> {
        Ok(match samples.sensor {
            Some(count) => (1..=count).map(Self::Sensor).collect(),
            None => samples.all()?.into_iter().map(Self::File).collect(),
        })
    }

    fn name(&self) -> String {
        match self {
            Self::File(file) => file.path.display().to_string(),
            Self::Sensor(number) => format!("sensor {number}"),
        }
    }
}

/// A bar for what takes long, where somebody looks.
fn bar(name: String, len: usize) -> ProgressBar {
    let bar = match len >= LONG_UPLOAD && io::stderr().is_terminal() {
        true => ProgressBar::new(len as u64),
        false => ProgressBar::hidden(),
    };
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar.with_message(name)
}

/// Sends a model to a device: the device's name, and the identity of what runs there then.
pub(super) fn send_model(
    device: &Device,
    keys: &KeyArguments,
    artifact: &Artifact<'_>,
    bytes: &[u8],
) -> Result<(String, String)> {
    let mut device = Connected::new(device, keys)?;
    let model = device.send_model(artifact, bytes)?;
    Ok((device.board, model))
}

pub(crate) fn enroll(arguments: &Enroll, out: &mut impl Write) -> Result<Outcome> {
    ensure!(
        !arguments.masks.are_given(),
        "expected no --mask with a device, which marks no structures, found one: enrol here, with --model and --store"
    );
    let mut device = Connected::new(&arguments.recognizer.device, &arguments.recognizer.keys)?;
    let subject = arguments.subject.as_str();
    let anyway = arguments.force;
    let (mut enrolled, mut close) = (0, None);
    for (index, sample) in Sample::all(&arguments.samples)?.iter().enumerate() {
        device.show(sample)?;
        // In place of an earlier enrolment, as everywhere.
        let anew = index == 0;
        let answer = device.ask(&Request::Enroll {
            subject,
            anew,
            anyway,
        });
        match answer.with_context(|| sample.name())? {
            Response::Enrolled { shots, close_to } => {
                (enrolled, close) = (shots, close_to.map(str::to_owned));
            }
            other => bail!("expected an enrolment, found {}", words(&other)),
        }
    }
    let (board, model) = (&device.board, &device.model);
    answers::enrolled(arguments, board, model, (enrolled, close.as_deref()), out)
}

pub(crate) fn verify(arguments: &Verify, out: &mut impl Write) -> Result<Outcome> {
    let mut device = Connected::new(&arguments.recognizer.device, &arguments.recognizer.keys)?;
    let subject = arguments.subject.as_str();
    let mut probes = vec![];
    for sample in Sample::all(&arguments.samples)? {
        device.show(&sample)?;
        let name = sample.name();
        let answer = device.ask(&Request::Verify { subject });
        match answer.with_context(|| format!("{name}, subject {subject}"))? {
            Response::Verified {
                verdict: Verdict::Unknown,
                ..
            } => {
                let refused = answers::refused(Refusal::NotEnrolled);
                return Err(refused.context(format!("{name}, subject {subject}")));
            }
            Response::Verified { verdict, scores } => probes.push(answers::Verified {
                name,
                accepted: verdict == Verdict::Accept,
                scores,
            }),
            other => bail!("expected a verdict, found {}", words(&other)),
        }
    }
    answers::verified(arguments, &device.board, &device.model, &probes, out)
}

pub(crate) fn identify(arguments: &Identify, out: &mut impl Write) -> Result<Outcome> {
    let mut device = Connected::new(&arguments.recognizer.device, &arguments.recognizer.keys)?;
    let mut probes = vec![];
    for sample in Sample::all(&arguments.samples)? {
        device.show(&sample)?;
        let name = sample.name();
        match device.ask(&Request::Identify)? {
            Response::Identified { subject, distance } => probes.push(answers::Identified {
                subject: subject.map(str::to_owned),
                name,
                distance,
            }),
            other => bail!("expected a name, found {}", words(&other)),
        }
    }
    answers::identified(arguments, &device.board, &device.model, &probes, out)
}

pub(crate) fn list(arguments: &List, out: &mut impl Write) -> Result<Outcome> {
    let mut device = Connected::new(&arguments.recognizer.device, &arguments.recognizer.keys)?;
    let subjects = device.subjects()?;
    let (board, model) = (&device.board, &device.model);
    answers::listed(arguments, board, model, &subjects, device.stale, out)
}

pub(crate) fn remove(arguments: &Remove, out: &mut impl Write) -> Result<Outcome> {
    let mut device = Connected::new(&arguments.recognizer.device, &arguments.recognizer.keys)?;
    if arguments.stale {
        return match device.ask(&Request::RemoveStale)? {
            Response::Done => answers::stale_removed(arguments, device.stale, out),
            other => bail!("expected a removal, found {}", words(&other)),
        };
    }
    let removed = device.remove(&arguments.subject)?;
    crate::verbs::removed(arguments, removed, out)
}

pub(crate) fn self_test(arguments: &SelfTest, out: &mut impl Write) -> Result<Outcome> {
    let mut device = Connected::new(&arguments.device, &arguments.keys)?;
    let (passed, total) = match device.ask(&Request::SelfTest)? {
        Response::SelfTested { passed, total } => (passed, total),
        other => bail!("expected a self-test, found {}", words(&other)),
    };
    answers::self_tested(arguments, &device.board, &device.model, passed, total, out)
}
