//! The one loop.

use core::convert::Infallible;
use core::fmt;
use core::ops::Range;

use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::limits::TooLarge;
use edge_runtime::recognizer::{Recognizer, RecognizerError};
use edge_runtime::server::{Board, Server};
use edge_runtime::store::flash::{FlashStore, FlashStoreError};
use embedded_io::{Error, ErrorKind, Read, Write};
use embedded_storage::nor_flash::NorFlash;
use shared::artifact::{Artifact, ArtifactError};
use shared::wire::Frames;

use crate::{DIM, Indicator, LIMITS, SHOTS, SUBJECTS, Sign};

/// What a board gives.
#[derive(Debug)]
pub struct Parts<'a, L, F, I, C> {
    /// The line to the host.
    pub link: L,
    /// The flash that templates are kept in.
    pub flash: F,
    /// Where in it they are kept.
    pub store: Range<u32>,
    /// What people see.
    pub indicator: I,
    /// Name, clock and stack.
    pub board: C,
    /// The artifact, where it lies in flash.
    pub model: &'a [u8],
    /// Memory for activations, and for pictures between two runs.
    pub arena: &'a mut [u8],
    /// Memory for a preprocessed picture.
    pub input: &'a mut [u8],
    /// Memory of [`RECORD_LEN`](crate::RECORD_LEN) bytes for one record of the store.
    pub record: &'a mut [u8],
}

/// Answers the host until the line breaks.
///
/// # Errors
/// [`Fault`].
pub fn run<L, F, I, C>(parts: Parts<'_, L, F, I, C>) -> Result<Infallible, Fault<F::Error>>
where
    L: Read + Write,
    F: NorFlash,
    I: Indicator,
    C: Board,
{
    let artifact = Artifact::parse_slot(parts.model).map_err(Fault::Artifact)?;
    // That it fits its slot was just seen.
    LIMITS.check(&artifact, 0).map_err(Fault::TooLarge)?;
    let contract = artifact.contract();
    // Large, so it is borrowed from here on, not moved from place to place.
    let mut store: FlashStore<_, _, SUBJECTS, SHOTS, DIM> = FlashStore::open(
        parts.flash,
        parts.store,
        artifact.model_id(),
        contract.comparison,
        parts.record,
    )
    .map_err(Fault::Store)?;
    let input = parts.input.get_mut(..contract.preprocess.output_len());
    let input = input.unwrap_or_default();
    let far_target = artifact.operating_points().usual_target();
    let golden = *artifact.golden();
    let engine = Int8Engine::new(artifact.clone(), parts.arena).map_err(RecognizerError::Engine)?;
    let recognizer = Recognizer::new(engine, &artifact, far_target, &mut store, input)?;
    let mut server = Server::new(recognizer, golden, SUBJECTS as u16, [], parts.board);
    serve(&mut server, parts.link, parts.indicator).map_err(|error| Fault::Link(error.kind()))
}

/// Answers frames, one after the other.
fn serve<'a, E, S, B, P, C, L, I>(
    server: &mut Server<'a, E, S, B, P, C, SHOTS, DIM>,
    mut link: L,
    mut indicator: I,
) -> Result<Infallible, L::Error>
where
    E: edge_runtime::Engine,
    S: edge_runtime::store::TemplateStore<SHOTS, DIM>,
    B: AsMut<[u8]>,
    P: AsRef<[u8]> + AsMut<[u8]>,
    C: Board,
    L: Read + Write,
    I: Indicator,
{
    let mut frames = Frames::new();
    let mut bytes = [0; 32];
    indicator.show(Sign::Idle);
    loop {
        let count = link.read(&mut bytes)?;
        for &byte in bytes.iter().take(count) {
            let Some(frame) = frames.push(byte) else {
                continue;
            };
            indicator.show(Sign::Busy);
            link.write_all(server.answer(frame))?;
            link.flush()?;
            indicator.show(match server.verdict() {
                Some(true) => Sign::Accepted,
                Some(false) => Sign::Rejected,
                None => Sign::Idle,
            });
        }
    }
}

/// Why a board cannot serve. `E` is the flash's error.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault<E> {
    /// There is no model, or one that is none.
    Artifact(ArtifactError),
    /// The model needs more than boards have.
    TooLarge(TooLarge),
    /// The store cannot be used.
    Store(FlashStoreError<E>),
    /// The model does not fit the board.
    Recognizer(RecognizerError<FlashStoreError<E>>),
    /// The line to the host broke.
    Link(ErrorKind),
}

impl<E> From<RecognizerError<FlashStoreError<E>>> for Fault<E> {
    fn from(error: RecognizerError<FlashStoreError<E>>) -> Self {
        Self::Recognizer(error)
    }
}

impl<E> Fault<E> {
    /// What is wrong, in a few words, for boards without room for more.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Artifact(ArtifactError::Magic) => "no model",
            Self::Artifact(ArtifactError::Version { .. }) => "a model for other firmware",
            Self::Artifact(ArtifactError::CutOff { .. }) => "a model that is cut off",
            Self::Artifact(_) => "a damaged model",
            Self::TooLarge(_) => "a model that needs more than there is",
            Self::Store(FlashStoreError::Damaged) => "a damaged store",
            Self::Store(FlashStoreError::Flash(_)) => "flash that fails",
            Self::Store(_) => "a store that does not fit",
            Self::Recognizer(_) => "a model that does not fit",
            Self::Link(_) => "a broken line",
        }
    }
}

impl<E: fmt::Debug> fmt::Display for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifact(error) => error.fmt(f),
            Self::TooLarge(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Recognizer(error) => error.fmt(f),
            Self::Link(kind) => write!(f, "expected a line to the host, found {kind:?}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Fault<E> {}
