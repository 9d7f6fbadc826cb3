//! What host and device say to each other.

use serde::{Deserialize, Serialize};

use super::Sealed;
use crate::drift::Drift;
use crate::model_id::ModelId;
use crate::quality::Flaw;

/// From the host to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// The first message of a connection; answered by [`Response::Hello`].
    Hello {
        /// The host's [`VERSION`].
        version: u16,
    },
    /// Announces a picture, which replaces an earlier one.
    ImageBegin {
        /// Pixels per row.
        width: u16,
        /// Rows.
        height: u16,
        /// 1 (grey) or 3 (RGB).
        channels: u8,
    },
    /// Part of the announced sample.
    SampleChunk {
        /// Position of the first byte in the sample.
        offset: u32,
        /// At most [`MAX_CHUNK`] bytes.
        bytes: &'a [u8],
    },
    /// Adds the uploaded sample to a subject's shots.
    Enroll {
        /// Who.
        subject: &'a str,
        /// Whether it takes the place of all shots that the subject has.
        anew: bool,
        /// Whether somebody insists, though the sample is bad or unlike the other shots.
        anyway: bool,
    },
    /// Is the uploaded sample of this subject?
    Verify {
        /// Who.
        subject: &'a str,
    },
    /// Whose is the uploaded sample?
    Identify,
    /// Asks for the enrolled subject at an index.
    List {
        /// From 0.
        index: u16,
    },
    /// Removes a subject.
    Remove {
        /// Who.
        subject: &'a str,
    },
    /// Runs the golden vectors on the device.
    SelfTest,
    /// What is the embedding of the uploaded sample? For judging a device as any other
    /// engine is judged.
    Embed,
    /// What does running the model once cost?
    Measure,
    /// Removes the templates of other models.
    RemoveStale,
    /// Announces a model, which is kept beside the one in use.
    ModelBegin {
        /// Bytes of its artifact, and of its signature block where it has one.
        length: u32,
    },
    /// Part of the announced model.
    ModelChunk {
        /// Position of the first byte in the artifact, a multiple of [`MODEL_CHUNK_UNIT`].
        offset: u32,
        /// At most [`MAX_CHUNK`] bytes.
        bytes: &'a [u8],
    },
    /// Goes over to the model that was sent, if it is whole, fits, and answers its golden
    /// vectors.
    ModelCommit,
    /// Takes a picture with the device's own sensor, in place of an uploaded one.
    Capture,
    /// A message of the handshake that begins a session: the first or the third.
    Handshake {
        /// What it says.
        bytes: &'a [u8],
    },
    /// A request of the session.
    Sealed {
        /// The request, encrypted, and its tag.
        bytes: &'a [u8],
    },
    /// Lets another host do what the asking one may.
    PairHost {
        /// That host's public key, 32 bytes.
        key: &'a [u8],
    },
    /// Takes that from a host; from the last one, so that the device is anybody's.
    UnpairHost {
        /// That host's public key, 32 bytes.
        key: &'a [u8],
    },
    /// Asks for the paired host at an index.
    ListHosts {
        /// From 0.
        index: u16,
    },
    /// Runs, from now on and for good, only models that this key has signed, as it must have the
    /// one in use.
    Trust {
        /// An Ed25519 public key, 32 bytes.
        key: &'a [u8],
    },
    /// Announces what a pen did, which replaces an earlier sample.
    PenBegin {
        /// Its events, each of [`EVENT_LEN`] bytes.
        ///
        /// [`EVENT_LEN`]: crate::preprocess::pen::EVENT_LEN
        events: u16,
    },
}

impl Sealed for Request<'_> {
    const VARIANT: u8 = 17;
}

/// From the device to the host.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response<'a> {
    /// Answers [`Request::Hello`].
    Hello {
        /// The device's [`VERSION`].
        version: u16,
        /// The model that runs there, if there is one.
        model: Option<ModelId>,
        /// Places for subjects.
        capacity: u16,
        /// Places taken.
        enrolled: u16,
        /// Templates of other models, which are compared with nothing.
        stale: u16,
        /// The largest sample, bytes.
        picture: u32,
        /// The largest model that can be sent, bytes; 0 where none can.
        slot: u32,
        /// The board's name.
        board: &'a str,
    },
    /// Done; nothing to tell.
    Done,
    /// Answers [`Request::Enroll`].
    Enrolled {
        /// Shots the subject has now.
        shots: u8,
        /// Another subject that is hard to tell from this one, if there is one.
        close_to: Option<&'a str>,
    },
    /// Answers [`Request::Verify`].
    Verified {
        /// Whether it is the subject.
        verdict: Verdict,
        /// What that rests on, for a paired host and a subject that is enrolled.
        scores: Option<Scores>,
    },
    /// Answers [`Request::Identify`].
    Identified {
        /// Who, or nobody enrolled.
        subject: Option<&'a str>,
        /// To the nearest subject, in units of the model's distance; for a paired host.
        distance: Option<f32>,
    },
    /// Answers [`Request::List`]; absent past the last one.
    Subject {
        /// Who, how many shots, and how near to the threshold the subject is accepted.
        entry: Option<(&'a str, u8, Drift)>,
    },
    /// Answers [`Request::SelfTest`].
    SelfTested {
        /// Golden vectors that came out right.
        passed: u16,
        /// Golden vectors there are.
        total: u16,
    },
    /// The request was understood but not carried out.
    Refused(Refusal),
    /// Answers [`Request::Embed`].
    Embedding {
        /// Its int8 components, as bytes.
        components: &'a [u8],
    },
    /// Answers [`Request::Measure`].
    Measured {
        /// What the run took, in ticks of the board's clock.
        ticks: u64,
        /// Ticks of a second; 0 where ticks are instructions.
        per_second: u32,
        /// The most bytes of stack that were ever in use, and all there are.
        stack: (u32, u32),
    },
    /// Answers [`Request::Capture`].
    Captured {
        /// Pixels per row.
        width: u16,
        /// Rows.
        height: u16,
        /// 1 (grey) or 3 (RGB).
        channels: u8,
    },
    /// Answers the first [`Request::Handshake`] by the second message.
    Handshake {
        /// What it says.
        bytes: &'a [u8],
    },
    /// Answers [`Request::Sealed`], and the last [`Request::Handshake`].
    Sealed {
        /// The response, encrypted, and its tag.
        bytes: &'a [u8],
    },
    /// Answers the last [`Request::Handshake`], sealed.
    Paired(Pairing),
    /// Answers [`Request::ListHosts`]; absent past the last one.
    Host {
        /// Its public key, 32 bytes.
        key: Option<&'a [u8]>,
    },
    /// Somebody failed too often to be looked at now.
    Locked {
        /// To wait, seconds.
        seconds: u32,
    },
}

impl Sealed for Response<'_> {
    const VARIANT: u8 = 12;
}

/// What a device thinks of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is of the subject.
    Accept,
    /// It is not.
    Reject,
    /// No such subject is enrolled.
    Unknown,
}

/// What a verdict rests on. Who saw them for one probe after the other could find one that
/// is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// In units of the model's distance.
    pub distance: f32,
    /// The largest accepted distance.
    pub threshold: f32,
}

/// What a host is to the device that it began a session with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pairing {
    /// The first host, which owns the device from now on.
    Claimed,
    /// Paired before.
    Known,
    /// Not paired: others are.
    Unknown,
}

/// Why a device does not carry out a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// The frame carried no message this device knows.
    Malformed,
    /// The versions do not fit.
    Version,
    /// No complete sample was uploaded.
    NoSample,
    /// The sample is larger than the device has room for.
    SampleTooLarge,
    /// The subject's name is not acceptable.
    Subject,
    /// No such subject is enrolled.
    NotEnrolled,
    /// Every place for subjects or shots is taken.
    Full,
    /// The store could not be read or written.
    Store,
    /// The sample is not one that the model's preprocessing takes.
    Image,
    /// The chunk is not where the sample or the model goes on, or there is more to come.
    Chunk,
    /// The subject's prototype was learnt, and takes no samples.
    Learned,
    /// The engine did not run.
    Engine,
    /// Places are taken by templates of other models.
    Stale,
    /// The device has nothing to do it with.
    Unsupported,
    /// The device has no model.
    NoModel,
    /// The model is not one of this format's version.
    ModelVersion,
    /// The model is cut off, damaged, or another than it states.
    ModelDamaged,
    /// The model needs more flash, memory or components than the device has.
    ModelTooLarge,
    /// The model does not answer its golden vectors on this device.
    ModelGolden,
    /// The flash for models cannot be written.
    Flash,
    /// The sensor took no picture.
    Sensor,
    /// The device has no secret, and cannot make one.
    Secret,
    /// Only a paired host may ask for it, in a session.
    Unpaired,
    /// It does not belong to the session, or there is none: it ended, or was another's.
    Session,
    /// The message is not the one that the handshake goes on with.
    Handshake,
    /// Without random numbers there is no session.
    NoRandomness,
    /// Every place for hosts is taken.
    HostsFull,
    /// No such host is paired.
    UnknownHost,
    /// The model is not signed by the key that the device trusts.
    ModelUnsigned,
    /// The device has had a later version of the model.
    ModelRollback,
    /// The device trusts another key, for good.
    Trust,
    /// The sample is not good enough to enrol.
    Quality(Flaw),
    /// The sample is too far from the subject's other shots to be of the same subject.
    Unlike,
    /// The model reads pictures, or what pens did, and the sample is of the other kind.
    Kind,
}
