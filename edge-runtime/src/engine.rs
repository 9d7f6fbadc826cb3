//! What runs a tower: preprocessed bytes in, raw embedding bytes out.

#[cfg(feature = "segmentation")]
mod golden;
pub mod int8;
#[cfg(feature = "std")]
pub mod planes;
#[cfg(feature = "tract")]
pub mod tract;

use core::fmt;

use shared::ModelId;
use shared::artifact::golden::fill_input;
use shared::artifact::{Artifact, Contract, Golden};
use shared::bytes::copy_front;
use shared::segmentation::References;

#[cfg(feature = "std")]
pub use golden::self_test_artifact;
#[cfg(feature = "segmentation")]
pub use golden::{segment_golden, segmentation_self_test};

/// An engine with a model in it. Every engine gives the same bytes for the same
/// model and input.
pub trait Engine {
    /// The model's identity.
    fn model_id(&self) -> ModelId;

    /// Preprocessing, embedding format and comparison of the model.
    fn contract(&self) -> &Contract;

    /// Its memory between two runs; a run overwrites all of it.
    fn memory(&mut self) -> Memory<'_>;

    /// Runs the tower on the sample that lies in [`Memory::input`]. `output` receives the
    /// raw embedding (one byte per component), to be finished by
    /// [`EmbeddingFormat::finish`](shared::EmbeddingFormat::finish).
    ///
    /// # Errors
    /// [`EngineError::Length`] for an output of another length; what the engine itself
    /// reports.
    fn run_in_place(&mut self, output: &mut [u8]) -> Result<(), EngineError>;

    /// Runs the tower on one preprocessed sample.
    ///
    /// # Errors
    /// As [`run_in_place`](Self::run_in_place), and [`EngineError::Length`] for an input
    /// of another length.
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), EngineError> {
        let place = self.memory().input;
        check_length("an input", place.len(), input.len())?;
        copy_front(place, input);
        self.run_in_place(output)
    }
}

/// An engine of networks that compare a picture with references of a structure.
pub trait SegmentationEngine: Engine {
    /// Runs the encoder on the sample that lies in [`Memory::input`], and writes what it says
    /// of the structure that `mask` marks: bytes 0 and 1, as many as the input has pixels.
    /// `record` has [`Plan::reference_len`](shared::artifact::Plan::reference_len) bytes.
    ///
    /// # Errors
    /// [`EngineError::Length`] for a mask or record of another length.
    fn reference_in_place(&mut self, mask: &[u8], record: &mut [i8]) -> Result<(), EngineError>;

    /// Runs the whole network on the sample that lies in [`Memory::input`]: a byte for each
    /// pixel, above the zero point where the structure is.
    ///
    /// # Errors
    /// As [`Engine::run_in_place`].
    fn segment_in_place(
        &mut self,
        references: References<'_>,
        output: &mut [u8],
    ) -> Result<(), EngineError>;
}

/// An engine's memory between two runs.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The place of the next preprocessed sample
    /// ([`Preprocess::output_len`](shared::Preprocess::output_len) bytes).
    pub input: &'a mut [u8],
    /// What else lies idle, for whoever has no memory to spare; nothing, in many engines.
    pub idle: &'a mut [u8],
}

/// Why an engine cannot be made or did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// A buffer has another length than the model asks for.
    Length {
        /// Which buffer.
        what: &'static str,
        /// Length the model asks for.
        expected: usize,
        /// Length it has.
        found: usize,
    },
    /// The model belongs to another artifact.
    OtherModel {
        /// The artifact's identity.
        expected: ModelId,
        /// The model's identity.
        found: ModelId,
    },
    /// The plan refers to bytes that are not there; parsing an artifact excludes it.
    Plan,
    /// The engine compares with no references, as the model asks for.
    Segmentation,
    /// tract could not load or run the model.
    #[cfg(feature = "tract")]
    Tract(std::string::String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length {
                what,
                expected,
                found,
            } => write!(f, "expected {what} of {expected} bytes, found {found}"),
            Self::OtherModel { expected, found } => write!(
                f,
                "expected model {}, found model {}: take all files from one model folder",
                expected.short(),
                found.short()
            ),
            Self::Plan => f.write_str("expected a checked plan, found one that is out of bounds"),
            Self::Segmentation => f.write_str(
                "expected an engine that compares a picture with references, as this model asks for, found one that does not: use the int8 engine",
            ),
            #[cfg(feature = "tract")]
            Self::Tract(message) => write!(
                f,
                "expected a model that tract runs, found: {message}; export the model again"
            ),
        }
    }
}

impl core::error::Error for EngineError {}

/// Checks that a buffer has the length the model asks for.
fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), EngineError> {
    if expected == found {
        Ok(())
    } else {
        Err(EngineError::Length {
            what,
            expected,
            found,
        })
    }
}

/// Runs the artifact's golden vectors: how many came out right, and how many
/// there are. `output` has a byte for each component of an embedding. Networks that compare
/// with references have golden vectors of another kind, which `segmentation_self_test` runs.
///
/// # Errors
/// As [`Engine::run_in_place`].
pub fn self_test(
    engine: &mut impl Engine,
    golden: &Golden<'_>,
    output: &mut [u8],
) -> Result<(u16, u16), EngineError> {
    let row_len = engine.contract().preprocess.row_len();
    let (mut passed, mut total) = (0u16, 0u16);
    for (seed, expected) in golden.iter() {
        fill_input(seed, row_len, engine.memory().input);
        engine.run_in_place(output)?;
        total = total.saturating_add(1);
        passed = passed.saturating_add(u16::from(output == expected));
    }
    Ok((passed, total))
}

/// Whether an artifact can be run in an arena of `arena_len` bytes.
///
/// # Errors
/// [`EngineError::Length`] with the bytes that it needs.
pub fn check_arena(artifact: &Artifact<'_>, arena_len: usize) -> Result<(), EngineError> {
    let expected = artifact.plan().arena_len();
    if arena_len < expected {
        return Err(EngineError::Length {
            what: "an arena",
            expected,
            found: arena_len,
        });
    }
    Ok(())
}
