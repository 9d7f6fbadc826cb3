//! Why a model is not loaded.

use core::fmt;
use std::io;
use std::path::PathBuf;
use std::string::String;

use shared::artifact::ArtifactError;
use shared::artifact::signature::SignatureError;

use super::INT8_ONNX;
use crate::engine::EngineError;

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
    /// Nobody who is trusted has signed the artifact.
    Signature {
        /// The artifact, or its signature.
        path: PathBuf,
        /// What is wrong.
        error: SignatureError,
    },
    /// A file holds no public key.
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
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
            Self::Signature { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Key { path, found } => write!(
                f,
                "{}: expected an Ed25519 public key in PEM, as `host-trainer keygen` makes, found {found}",
                path.display()
            ),
            Self::Artifact { path, error } => write!(f, "{}: {error}", path.display()),
            Self::NoOnnx { path } => write!(
                f,
                "{}: expected a model folder with {INT8_ONNX} for the tract engine, found none: name a model's folder, or use --engine int8, which is all there is for networks over sequences",
                path.display()
            ),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for LoadError {}
