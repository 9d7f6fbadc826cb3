//! From a model's path to an engine that runs it.

use std::boxed::Box;
use std::fmt;
use std::format;
use std::io;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use sha2::{Digest, Sha256};
use shared::ModelId;
use shared::artifact::{Artifact, ArtifactError, Contract, MAX_LEN};

use crate::engine::int8::packed::PackedInt8Engine;
#[cfg(feature = "tract")]
use crate::engine::tract::TractEngine;
use crate::engine::{Engine, EngineError, Memory};
use crate::file;
use crate::kernels::InstructionSet;

/// The device artifact of a model folder.
pub const ARTIFACT: &str = "model.bin";
/// The quantized ONNX file of a model folder.
pub const INT8_ONNX: &str = "model.int8.onnx";
/// The card of a model folder.
pub const CARD: &str = "model.toml";

/// A model on disk: a whole folder, or an artifact alone.
#[derive(Clone, Debug)]
pub struct Model {
    path: PathBuf,
    artifact: Vec<u8>,
    int8_onnx: Option<Vec<u8>>,
}

impl Model {
    /// Reads a model folder, or a `model.bin` alone. Every file that a folder's card
    /// lists must be there and be the one it lists.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        if !path.is_dir() {
            return Ok(Self {
                path: path.to_path_buf(),
                artifact: read(path)?,
                int8_onnx: None,
            });
        }
        let card = card(path)?;
        for file in [ARTIFACT, INT8_ONNX] {
            if !card.contains_key(file) {
                return Err(LoadError::Card {
                    path: path.join(CARD),
                    found: format!("no {file} under [files]"),
                });
            }
        }
        let mut found = (vec![], None);
        for (file, stated) in card {
            let path = path.join(&file);
            let bytes = read(&path)?;
            let digest = hex(&Sha256::digest(&bytes));
            if stated.as_str() != Some(digest.as_str()) {
                return Err(LoadError::OtherFile {
                    path,
                    expected: stated.to_string(),
                    found: digest,
                });
            }
            match file.as_str() {
                ARTIFACT => found.0 = bytes,
                INT8_ONNX => found.1 = Some(bytes),
                _ => {}
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            artifact: found.0,
            int8_onnx: found.1,
        })
    }

    /// The checked artifact.
    ///
    /// # Errors
    /// [`LoadError::Artifact`].
    pub fn artifact(&self) -> Result<Artifact<'_>, LoadError> {
        Artifact::parse(&self.artifact).map_err(|error| LoadError::Artifact {
            path: self.path.clone(),
            error,
        })
    }

    /// The checked artifact, its content hashed too: for the moments when a model comes in.
    ///
    /// # Errors
    /// [`LoadError::Artifact`].
    pub fn identified_artifact(&self) -> Result<Artifact<'_>, LoadError> {
        let artifact = self.artifact()?;
        let checked = artifact.check_model_id();
        checked.map_err(|error| LoadError::Artifact {
            path: self.path.clone(),
            error,
        })?;
        Ok(artifact)
    }

    /// The artifact's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.artifact
    }

    /// Bytes of the artifact.
    pub fn artifact_len(&self) -> usize {
        self.artifact.len()
    }

    /// The int8 engine with an arena of its own, its weights packed for this processor.
    ///
    /// # Errors
    /// [`LoadError::Artifact`], [`LoadError::Engine`].
    pub fn int8_engine(&self) -> Result<LinuxEngine<'_>, LoadError> {
        let artifact = self.artifact()?;
        let engine = PackedInt8Engine::new(artifact, InstructionSet::fastest())?;
        Ok(LinuxEngine::Int8(Box::new(engine)))
    }

    /// The tract engine. Its file must be the one that the artifact was exported with:
    /// tract's parser must not see bytes that nobody vouches for.
    ///
    /// # Errors
    /// [`LoadError::Artifact`], [`LoadError::NoOnnx`], [`LoadError::OtherFile`],
    /// [`LoadError::Engine`].
    #[cfg(feature = "tract")]
    pub fn tract_engine(&self) -> Result<LinuxEngine<'_>, LoadError> {
        let artifact = self.artifact()?;
        let onnx = self.int8_onnx.as_ref().ok_or_else(|| LoadError::NoOnnx {
            path: self.path.clone(),
        })?;
        let (expected, found) = (
            hex(&artifact.card().onnx_sha256),
            hex(&Sha256::digest(onnx)),
        );
        if expected != found {
            return Err(LoadError::OtherFile {
                path: self.path.join(INT8_ONNX),
                expected,
                found,
            });
        }
        Ok(LinuxEngine::Tract(TractEngine::load(onnx, &artifact)?))
    }

    /// Whether there is what the tract engine needs.
    pub fn has_onnx(&self) -> bool {
        self.int8_onnx.is_some()
    }
}

/// The engine that was asked for.
#[derive(Debug)]
pub enum LinuxEngine<'a> {
    /// Our own.
    Int8(Box<PackedInt8Engine<'a>>),
    /// tract.
    #[cfg(feature = "tract")]
    Tract(TractEngine),
}

impl Engine for LinuxEngine<'_> {
    fn model_id(&self) -> ModelId {
        match self {
            Self::Int8(engine) => engine.model_id(),
            #[cfg(feature = "tract")]
            Self::Tract(engine) => engine.model_id(),
        }
    }

    fn contract(&self) -> &Contract {
        match self {
            Self::Int8(engine) => engine.contract(),
            #[cfg(feature = "tract")]
            Self::Tract(engine) => engine.contract(),
        }
    }

    fn memory(&mut self) -> Memory<'_> {
        match self {
            Self::Int8(engine) => engine.memory(),
            #[cfg(feature = "tract")]
            Self::Tract(engine) => engine.memory(),
        }
    }

    fn run_in_place(&mut self, output: &mut [u8]) -> Result<(), EngineError> {
        match self {
            Self::Int8(engine) => engine.run_in_place(output),
            #[cfg(feature = "tract")]
            Self::Tract(engine) => engine.run_in_place(output),
        }
    }
}

/// The files that a folder's card lists, with their SHA-256.
fn card(folder: &Path) -> Result<toml::Table, LoadError> {
    let path = folder.join(CARD);
    let bytes = read(&path)?;
    let error = |found: &dyn fmt::Display| LoadError::Card {
        path: path.clone(),
        found: found.to_string(),
    };
    let text = core::str::from_utf8(&bytes).map_err(|found| error(&found))?;
    let mut card: toml::Table = text.parse().map_err(|found| error(&found))?;
    match card.remove("files") {
        Some(toml::Value::Table(files)) if files.keys().all(|file| is_plain(file)) => Ok(files),
        _ => Err(error(&"no table of plain file names [files]")),
    }
}

/// Whether a name stays in its folder.
fn is_plain(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    matches!(parts.next(), Some(std::path::Component::Normal(_))) && parts.next().is_none()
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    file::read(path, MAX_LEN.into()).map_err(|source| LoadError::Read {
        path: path.to_path_buf(),
        source,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a model cannot be loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// A file is missing or cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The card is malformed.
    Card {
        /// The card.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// A file is not the one that is listed.
    OtherFile {
        /// The file.
        path: PathBuf,
        /// SHA-256 listed.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// The artifact is damaged.
    Artifact {
        /// The model.
        path: PathBuf,
        /// What is wrong.
        error: ArtifactError,
    },
    /// tract was asked to run an artifact alone.
    NoOnnx {
        /// The artifact.
        path: PathBuf,
    },
    /// The engine does not take the model.
    Engine(EngineError),
}

impl From<EngineError> for LoadError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(
                f,
                "{}: expected a file of a model (--model names a model folder or a model.bin), found: {source}",
                path.display()
            ),
            Self::Card { path, found } => write!(
                f,
                "{}: expected a model card that lists the model's files, found: {found}; copy the folder again",
                path.display()
            ),
            Self::OtherFile {
                path,
                expected,
                found,
            } => write!(
                f,
                "{}: expected SHA-256 {expected}, found {found}: take all files from one model folder",
                path.display()
            ),
            Self::Artifact { path, error } => write!(f, "{}: {error}", path.display()),
            Self::NoOnnx { path } => write!(
                f,
                "{}: expected a model folder with {INT8_ONNX} for the tract engine, found an artifact alone: name the folder, or use --engine int8",
                path.display()
            ),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for LoadError {}
