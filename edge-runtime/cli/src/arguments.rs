//! The command line.

mod structures;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_runtime::keys::{Keys, file};
#[cfg(feature = "device")]
use edge_runtime::link::PublicKey;
use edge_runtime::loader::Model;

#[cfg(feature = "device")]
use crate::device::Device;
use crate::pictures::{self, SampleFile};
use crate::trust::TrustArguments;

pub(crate) use structures::{Masks, Segment};

/// Enrol, verify and identify on the device
///
/// Exit code 0: accepted, or done. 1: rejected, unknown, or a check failed. 2: an
/// error, which says what was expected, what was found and what to do.
#[derive(Debug, Parser)]
#[command(name = "semblance", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Tell what a model is: its task, costs, operating points, data and terms
    Info(Info),
    /// Enrol a subject from pictures, or a structure from pictures with masks, in place of an
    /// earlier enrolment
    Enroll(Enroll),
    /// Is this the claimed subject?
    Verify(Verify),
    /// Who is this?
    Identify(Identify),
    /// Mark an enrolled structure on a picture
    Segment(Segment),
    /// List the enrolled subjects
    List(List),
    /// Remove a subject
    Remove(Remove),
    /// Seal a store with a new key, or one that was never sealed
    RotateKey(RotateKey),
    /// Show or change which hosts a device obeys; the first one that comes owns it
    #[cfg(feature = "device")]
    Pair(Pair),
    /// Check that the engine answers the model's golden vectors
    SelfTest(SelfTest),
    /// Measure how long an embedding takes here
    Bench(Bench),
    /// Put a model on a board, after checking that it fits
    #[cfg(feature = "device")]
    Flash(Flash),
    /// Answer other programs at an address, as a board answers its host
    #[cfg(feature = "device")]
    Serve(Serve),
    /// Check what is installed, plugged in and permitted, and name the fix
    Doctor(Doctor),
}

#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    /// The model folder, or a model.bin alone; a device (--device) has its own
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArguments,
    /// What runs the model; the answers are the same
    #[arg(long, value_enum, default_value = "int8")]
    pub(crate) engine: EngineName,
}

impl ModelArguments {
    /// The model, if it is trusted.
    pub(crate) fn open(&self) -> Result<Model> {
        let folder = self.model.as_deref().context(
            "expected --model FOLDER, found none: name a model folder, or a --device that has one",
        )?;
        self.trust.open(folder)
    }
}

#[derive(Debug, Args)]
pub(crate) struct RecognizerArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// The template store; made when it is not there. A device has its own
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArguments,
    /// The false-accept rate to aim at, a fraction: chooses the largest of the model's
    /// measured targets that is not above it [default: 0.03, or the strictest measured
    /// where that is above]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) far: Option<f32>,
    /// Where this runs: local, tcp:HOST:PORT, serial:PATH or qemu:BOARD
    #[cfg(feature = "device")]
    #[arg(long, value_name = "DEVICE", default_value = "local", conflicts_with_all = ["model", "trust", "store", "far"])]
    pub(crate) device: Device,
}

impl RecognizerArguments {
    /// Where the template store is.
    pub(crate) fn store(&self) -> Result<&Path> {
        self.store.as_deref().context(
            "expected --store FILE, found none: name a template store, or a --device that has one",
        )
    }
}

#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    /// The folder of this machine's keys; made when it is not there [env: SEMBLANCE_KEYS]
    /// [default: `semblance` in the user's folder for data]
    #[arg(long = "keys", value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl KeyArguments {
    /// Where keys are.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        Ok(file::folder(self.folder.as_deref())?)
    }

    /// The keys that stores are sealed with.
    pub(crate) fn device_keys(&self) -> Result<Keys> {
        Ok(file::device_keys(self.folder.as_deref())?)
    }

    /// The file with the secret that stores are sealed with.
    pub(crate) fn device_key(&self) -> Result<PathBuf> {
        Ok(self.folder()?.join(file::DEVICE_KEY))
    }
}

fn rate(text: &str) -> std::result::Result<f32, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("expected a fraction from 0 to 1".into()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// Our own engine, on model.bin
    Int8,
    /// tract, on model.int8.onnx
    Tract,
}

impl EngineName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Tract => "tract",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    /// The model folder, or a model.bin alone
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is enrolled, verified or identified.
#[derive(Debug, Args)]
pub(crate) struct Samples {
    /// Pictures, files of pen events (.sig, .csv), or folders of such; a subject is verified when every one is accepted
    #[cfg_attr(not(feature = "device"), arg(required = true, value_name = "IMG"))]
    #[cfg_attr(
        feature = "device",
        arg(required_unless_present = "sensor", value_name = "IMG")
    )]
    pictures: Vec<PathBuf>,
    /// Where the face is on each picture: a list of lines `PICTURE,left,top,width,height`, or
    /// `PICTURE,x1,y1,..,x5,y5` of eyes, nose and corners of the mouth, by which it is turned and
    /// scaled; pictures are named from the list's folder on
    #[arg(long, value_name = "LIST")]
    faces: Option<PathBuf>,
    /// As many pictures as this, which the device takes itself
    #[cfg(feature = "device")]
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["pictures", "faces"], requires = "device", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) sensor: Option<u8>,
}

impl Samples {
    /// The picture files that are meant.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        pictures::files(&self.pictures)
    }

    /// The same, with where the faces are.
    pub(crate) fn all(&self) -> Result<Vec<SampleFile>> {
        SampleFile::all(self.files()?, self.faces.as_deref())
    }

    /// Whether faces are only parts of the pictures.
    pub(crate) fn has_faces(&self) -> bool {
        self.faces.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Enroll {
    #[command(flatten)]
    pub(crate) recognizer: RecognizerArguments,
    /// The subject's name, at most 32 bytes
    #[arg(long, value_name = "ID")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) samples: Samples,
    #[command(flatten)]
    pub(crate) masks: Masks,
    /// Enrol pictures that are bad, or unlike each other, all the same
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) recognizer: RecognizerArguments,
    /// The claimed subject
    #[arg(long, value_name = "ID")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) samples: Samples,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Identify {
    #[command(flatten)]
    pub(crate) recognizer: RecognizerArguments,
    #[command(flatten)]
    pub(crate) samples: Samples,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) recognizer: RecognizerArguments,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    pub(crate) recognizer: RecognizerArguments,
    /// The subject to remove
    #[cfg_attr(not(feature = "device"), arg(long, value_name = "ID"))]
    #[cfg_attr(
        feature = "device",
        arg(
            long,
            value_name = "ID",
            default_value = "",
            hide_default_value = true,
            required_unless_present = "stale"
        )
    )]
    pub(crate) subject: String,
    /// Remove the templates of other models from the device, which compares them with nothing
    #[cfg(feature = "device")]
    #[arg(long, requires = "device", conflicts_with = "subject")]
    pub(crate) stale: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "device")]
#[derive(Debug, Args)]
pub(crate) struct Pair {
    /// The device: tcp:HOST:PORT, serial:PATH or qemu:BOARD
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Device,
    #[command(flatten)]
    pub(crate) keys: KeyArguments,
    /// Let another host enrol, remove and change the model: its key, which its own `pair` shows
    #[arg(long, value_name = "HOSTKEY", value_parser = host_key, conflicts_with = "drop")]
    pub(crate) add: Option<PublicKey>,
    /// Take that from a host; after the last one, the device is the next one's that comes
    #[arg(long, value_name = "HOSTKEY", value_parser = host_key)]
    pub(crate) drop: Option<PublicKey>,
    /// Have it run, from now on and for good, only models that this key has signed: a public
    /// key in a PEM file
    #[arg(long, value_name = "KEY", conflicts_with_all = ["add", "drop"])]
    pub(crate) trust: Option<PathBuf>,
    /// List the hosts that may
    #[arg(long)]
    pub(crate) list: bool,
    /// Forget what the device at this address goes by, where it is another one now
    #[arg(long, conflicts_with_all = ["add", "drop", "list", "trust"])]
    pub(crate) forget: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "device")]
fn host_key(text: &str) -> std::result::Result<PublicKey, String> {
    let key = crate::device::host_key(text);
    key.ok_or_else(|| "expected a key of 64 hexadecimal digits".into())
}

#[derive(Debug, Args)]
pub(crate) struct RotateKey {
    #[command(flatten)]
    pub(crate) keys: KeyArguments,
    /// The model folder, or a model.bin alone, that the store is of
    #[arg(long, value_name = "FOLDER", required_unless_present = "retire")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// The template store
    #[arg(long, value_name = "FILE", required_unless_present = "retire")]
    pub(crate) store: Option<PathBuf>,
    /// The store is of a version that did not seal, and to be trusted as it is
    #[arg(long, conflicts_with = "retire")]
    pub(crate) unsealed: bool,
    /// Forget the key before: stores that were not sealed anew can never be opened again
    #[arg(long, conflicts_with_all = ["model", "store"])]
    pub(crate) retire: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SelfTest {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Where this runs: local, tcp:HOST:PORT, serial:PATH or qemu:BOARD
    #[cfg(feature = "device")]
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "local",
        conflicts_with_all = ["model", "trust"]
    )]
    pub(crate) device: Device,
    #[cfg(feature = "device")]
    #[command(flatten)]
    pub(crate) keys: KeyArguments,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Embeddings to measure
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) runs: u32,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "device")]
#[derive(Debug, Args)]
pub(crate) struct Flash {
    /// A board to begin anew with: firmware, model, and nobody enrolled
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "device",
        conflicts_with = "device"
    )]
    pub(crate) board: Option<String>,
    /// A device that goes over to the model, and keeps firmware and store: tcp:HOST:PORT,
    /// serial:PATH or qemu:BOARD
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<Device>,
    #[command(flatten)]
    pub(crate) keys: KeyArguments,
    /// The model folder, or a model.bin alone
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "device")]
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) recognizer: RecognizerArguments,
    /// Where to listen. The first host that comes may enrol and remove, and says who else may
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7878")]
    pub(crate) listen: String,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// A model to check
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// A template store to check
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArguments,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
