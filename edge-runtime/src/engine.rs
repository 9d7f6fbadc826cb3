//! What runs a tower: preprocessed bytes in, raw embedding bytes out.

pub mod int8;
#[cfg(feature = "std")]
pub mod planes;
#[cfg(feature = "tract")]
pub mod tract;

use core::fmt;

use shared::ModelId;
use shared::artifact::{Artifact, Contract, Golden, golden};

/// An engine with a model in it. Every engine gives the same bytes for the same
/// model and input.
pub trait Engine {
    /// The model's identity.
    fn model_id(&self) -> ModelId;

    /// Preprocessing, embedding format and comparison of the model.
    fn contract(&self) -> &Contract;

    /// Runs the tower. `input` is one preprocessed sample
    /// ([`Preprocess::output_len`](shared::Preprocess::output_len) bytes), `output`
    /// receives the raw embedding (one byte per component), to be finished by
    /// [`EmbeddingFormat::finish`](shared::EmbeddingFormat::finish).
    ///
    /// # Errors
    /// [`EngineError::Length`] for buffers of other lengths; what the engine itself
    /// reports.
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), EngineError>;

    /// Memory that lies idle between two runs, for whoever has none to spare; a run
    /// overwrites it.
    fn idle_memory(&mut self) -> &mut [u8] {
        &mut []
    }
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
/// there are. `input` and `output` are buffers of the lengths that
/// [`Engine::run`] asks for.
///
/// # Errors
/// As [`Engine::run`].
pub fn self_test(
    engine: &mut impl Engine,
    golden: &Golden<'_>,
    input: &mut [u8],
    output: &mut [u8],
) -> Result<(u16, u16), EngineError> {
    let row_len = engine.contract().preprocess.row_len();
    let (mut passed, mut total) = (0u16, 0u16);
    for (seed, expected) in golden.iter() {
        golden::fill_input(seed, row_len, input);
        engine.run(input, output)?;
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
