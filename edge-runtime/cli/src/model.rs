//! From arguments to a recognizer, or a segmenter.

use std::path::Path;

use anyhow::Result;
use edge_runtime::loader::{LinuxEngine, Model};
use edge_runtime::recognizer::{Recognizer, RecognizerError};
use edge_runtime::segmenter::{Room, Segmenter, SegmenterError, records_len};
use edge_runtime::store::file::{FileStore, FileStoreError, SHOTS, STRUCTURE_SHOTS};
use shared::artifact::Artifact;
use shared::embedding::MAX_DIM;

use crate::arguments::{EngineName, KeyArguments, RecognizerArguments};

/// Recognizes with a store in a file.
pub(crate) type FileRecognizer<'a> =
    Recognizer<'a, LinuxEngine<'a>, FileStore<SHOTS, MAX_DIM>, SHOTS, MAX_DIM>;

/// References of structures in a file.
pub(crate) type StructureStore = FileStore<STRUCTURE_SHOTS, MAX_DIM>;

/// Marks structures that a store in a file knows.
pub(crate) type FileSegmenter<'a, 'm> =
    Segmenter<'m, LinuxEngine<'a>, StructureStore, STRUCTURE_SHOTS, MAX_DIM>;

/// Whether a model marks structures instead of telling subjects apart.
pub(crate) fn marks(artifact: &Artifact<'_>) -> bool {
    artifact.plan().reference_len() > 0
}

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
    if marks(&artifact) {
        // Before its store is taken for one of subjects.
        let refused: RecognizerError<FileStoreError> = RecognizerError::Segments;
        return Err(refused.into());
    }
    let keys = arguments.keys.device_keys()?;
    let store = FileStore::open(arguments.store()?, artifact.model_id(), keys)?;
    let engine = engine(model, arguments.model.engine)?;
    let usual = || artifact.operating_points().usual_target();
    let far_target = arguments.far.unwrap_or_else(usual);
    Ok(Recognizer::new(engine, &artifact, far_target, store)?)
}

/// The store of a model's structures.
pub(crate) fn structures(
    artifact: &Artifact<'_>,
    store: &Path,
    keys: &KeyArguments,
) -> Result<StructureStore> {
    if !marks(artifact) {
        let refused: SegmenterError<FileStoreError> = SegmenterError::Recognizes;
        return Err(refused.into());
    }
    let keys = keys.device_keys()?;
    Ok(FileStore::open(store, artifact.model_id(), keys)?)
}

/// Memory that a segmenter works in.
pub(crate) struct Memory {
    pixels: Vec<u8>,
    records: Vec<i8>,
}

impl Memory {
    pub(crate) fn new(artifact: &Artifact<'_>) -> Self {
        let plan = artifact.plan();
        Self {
            pixels: vec![0; plan.output().len()],
            records: vec![0; records_len(plan, STRUCTURE_SHOTS)],
        }
    }

    /// A segmenter that works in it.
    pub(crate) fn segmenter<'a>(
        &mut self,
        model: &'a Model,
        name: EngineName,
        store: &Path,
        keys: &KeyArguments,
    ) -> Result<FileSegmenter<'a, '_>> {
        let artifact = model.artifact()?;
        let store = structures(&artifact, store, keys)?;
        let room = Room {
            pixels: &mut self.pixels,
            records: &mut self.records,
        };
        Ok(Segmenter::new(
            engine(model, name)?,
            &artifact,
            store,
            room,
        )?)
    }
}
