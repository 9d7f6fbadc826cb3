//! From arguments to a recognizer.

use anyhow::Result;
use edge_runtime::loader::{LinuxEngine, Model};
use edge_runtime::recognizer::Recognizer;
use edge_runtime::store::file::{FileStore, SHOTS};
use shared::embedding::MAX_DIM;

use crate::arguments::{EngineName, RecognizerArguments};

/// Recognizes with a store in a file.
pub(crate) type FileRecognizer<'a> =
    Recognizer<'a, LinuxEngine<'a>, FileStore<SHOTS, MAX_DIM>, SHOTS, MAX_DIM>;

pub(crate) fn engine(model: &Model, name: EngineName) -> Result<LinuxEngine<'_>> {
    match name {
        EngineName::Int8 => Ok(model.int8_engine()?),
        #[cfg(feature = "tract")]
        EngineName::Tract => Ok(model.tract_engine()?),
        #[cfg(not(feature = "tract"))]
        EngineName::Tract => anyhow::bail!(
            "expected a build with tract, found one without: use --engine int8, or build with `--features tract`"
        ),
    }
}

pub(crate) fn recognizer<'a>(
    model: &'a Model,
    arguments: &RecognizerArguments,
) -> Result<FileRecognizer<'a>> {
    let artifact = model.artifact()?;
    let keys = arguments.keys.device_keys()?;
    let store = FileStore::open(arguments.store()?, artifact.model_id(), keys)?;
    let engine = engine(model, arguments.model.engine)?;
    let usual = || artifact.operating_points().usual_target();
    let far_target = arguments.far.unwrap_or_else(usual);
    Ok(Recognizer::new(engine, &artifact, far_target, store)?)
}
