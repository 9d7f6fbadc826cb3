//! From a model's path to an engine that runs it.
//!
//! Who trusts keys opens a model by [`Model::open_trusted`]: then nothing is parsed of what
//! none of these keys has signed.

mod error;
mod key;

use std::borrow::{Cow, ToOwned};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::fmt;
use std::format;
use std::io;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use sha2::{Digest, Sha256};
use shared::ModelId;
use shared::artifact::signature::{self, Manifest, PublicKey, SignatureError};
use shared::artifact::{Artifact, Contract, MAX_LEN};
use shared::segmentation::References;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::engine::int8::packed::PackedInt8Engine;
#[cfg(feature = "tract")]
use crate::engine::tract::TractEngine;
use crate::engine::{Engine, EngineError, Memory, SegmentationEngine};
use crate::file;
use crate::kernels::InstructionSet;

pub use error::LoadError;
pub use key::read_public_key;

/// The device artifact of a model folder.
pub const ARTIFACT: &str = "model.bin";
/// The quantized ONNX file of a model folder.
pub const INT8_ONNX: &str = "model.int8.onnx";
/// The card of a model folder.
pub const CARD: &str = "model.toml";
/// The signature block of a model folder that was signed.
pub const SIGNATURE: &str = "model.sig";

/// A model on disk: a whole folder, or an artifact alone.
#[derive(Clone, Debug)]
pub struct Model {
    path: PathBuf,
    artifact: Vec<u8>,
    signature: Option<Vec<u8>>,
    int8_onnx: Option<Vec<u8>>,
}

impl Model {
    /// Reads a model folder, or a `model.bin` alone, whoever made it. Every file that a
    /// folder's card lists must be there and be the one it lists.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let signature = read_signature(path)?;
        if !path.is_dir() {
            return Ok(Self {
                path: path.to_path_buf(),
                artifact: read(path)?,
                signature,
                int8_onnx: None,
            });
        }
        let card = card(path)?;
        let not_listed = |file: &str| LoadError::Card {
            path: path.join(CARD),
            found: format!("no {file} under [files]"),
        };
        if !card.contains_key(ARTIFACT) {
            return Err(not_listed(ARTIFACT));
        }
        let mut found = (vec![], None);
        for (file, stated) in card {
            let path = path.join(&file);
            let bytes = read(&path)?;
            let digest = hex(&Sha256::digest(&bytes));
            if stated != digest {
                return Err(LoadError::OtherFile {
                    path,
                    expected: stated,
                    found: digest,
                });
            }
            match file.as_str() {
                ARTIFACT => found.0 = bytes,
                INT8_ONNX => found.1 = Some(bytes),
                _ => {}
            }
        }
        // Of a network over sequences there is none, which its artifact states.
        let needs_none = |artifact: Artifact<'_>| artifact.card().onnx_sha256 == [0; 32];
        if found.1.is_none() && !Artifact::parse(&found.0).is_ok_and(needs_none) {
            return Err(not_listed(INT8_ONNX));
        }
        Ok(Self {
            path: path.to_path_buf(),
            artifact: found.0,
            signature,
            int8_onnx: found.1,
        })
    }

    /// Reads a model folder, or a `model.bin` alone, that one of `trusted` has signed, and
    /// parses nothing: the signature vouches for the artifact, and the artifact for the ONNX
    /// file. The card, for which nobody vouches, is not read.
    ///
    /// # Errors
    /// [`LoadError::Read`], [`LoadError::Signature`].
    pub fn open_trusted(path: &Path, trusted: &[PublicKey]) -> Result<Self, LoadError> {
        let (artifact_path, int8_onnx) = match path.is_dir() {
            true => (path.join(ARTIFACT), read_if_there(&path.join(INT8_ONNX))?),
            false => (path.to_path_buf(), None),
        };
        let model = Self {
            path: path.to_path_buf(),
            artifact: read(&artifact_path)?,
            signature: read_signature(path)?,
            int8_onnx,
        };
        let block = model.signature.as_deref();
        let block = block.ok_or(model.signature_error(SignatureError::Unsigned))?;
        let verified = signature::verify(&model.artifact, block, trusted);
        verified.map_err(|error| model.signature_error(error))?;
        Ok(model)
    }

    /// What the signature beside the artifact states, if there is one: of this artifact, but
    /// made by the key that it names only where [`open_trusted`](Self::open_trusted) found so.
    ///
    /// # Errors
    /// [`LoadError::Signature`] for a signature of other bytes, and what is none.
    pub fn signature(&self) -> Result<Option<Manifest>, LoadError> {
        let Some(block) = &self.signature else {
            return Ok(None);
        };
        let manifest = Manifest::stated(block)
            .and_then(|manifest| manifest.check(&self.artifact).map(|()| manifest));
        let manifest = manifest.map_err(|error| self.signature_error(error))?;
        Ok(Some(manifest))
    }

    /// The artifact's bytes and, behind them, its signature block if there is one: what a
    /// board is sent.
    ///
    /// # Errors
    /// As [`signature`](Self::signature).
    pub fn signed_bytes(&self) -> Result<Vec<u8>, LoadError> {
        self.signature()?;
        let block = self.signature.as_deref().unwrap_or_default();
        Ok([&self.artifact, block].concat())
    }

    fn signature_error(&self, error: SignatureError) -> LoadError {
        LoadError::Signature {
            path: self.path.clone(),
            error,
        }
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

    /// The quantized ONNX file, if it is the one that the artifact was exported with.
    ///
    /// # Errors
    /// [`LoadError::Artifact`], [`LoadError::NoOnnx`], [`LoadError::OtherFile`].
    pub fn int8_onnx(&self) -> Result<&[u8], LoadError> {
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
        Ok(onnx)
    }

    /// The tract engine: tract's parser must not see bytes that the artifact does not vouch
    /// for.
    ///
    /// # Errors
    /// As [`int8_onnx`](Self::int8_onnx), and [`LoadError::Engine`], for networks that compare
    /// with references too.
    #[cfg(feature = "tract")]
    pub fn tract_engine(&self) -> Result<LinuxEngine<'_>, LoadError> {
        let artifact = self.artifact()?;
        if artifact.plan().reference_len() > 0 {
            return Err(EngineError::Segmentation.into());
        }
        let onnx = self.int8_onnx()?;
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

/// tract compares with nothing.
impl SegmentationEngine for LinuxEngine<'_> {
    fn reference_in_place(&mut self, mask: &[u8], record: &mut [i8]) -> Result<(), EngineError> {
        match self {
            Self::Int8(engine) => engine.reference_in_place(mask, record),
            #[cfg(feature = "tract")]
            Self::Tract(_) => Err(EngineError::Segmentation),
        }
    }

    fn segment_in_place(
        &mut self,
        references: References<'_>,
        output: &mut [u8],
    ) -> Result<(), EngineError> {
        match self {
            Self::Int8(engine) => engine.segment_in_place(references, output),
            #[cfg(feature = "tract")]
            Self::Tract(_) => Err(EngineError::Segmentation),
        }
    }
}

/// The files that a folder's card lists, with their SHA-256.
fn card(folder: &Path) -> Result<BTreeMap<String, String>, LoadError> {
    let path = folder.join(CARD);
    let bytes = read(&path)?;
    let error = |found: &dyn fmt::Display| LoadError::Card {
        path: path.clone(),
        found: found.to_string(),
    };
    let text = core::str::from_utf8(&bytes).map_err(|found| error(&found))?;
    let card = DeTable::parse(text).map_err(|found| error(&found))?;
    let files = card.get_ref().get("files");
    let files = files.and_then(|files| files.get_ref().as_table());
    let files = files.and_then(|files| {
        let entry = |(file, digest): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let file: &Cow<'_, str> = file.get_ref();
            let digest = digest.get_ref().as_str()?;
            is_plain(file).then(|| (file.to_string(), digest.to_owned()))
        };
        files.iter().map(entry).collect()
    });
    files.ok_or_else(|| error(&"no table [files] of plain file names and SHA-256"))
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

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    match read(path) {
        Err(LoadError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// The signature beside the artifact that `path` is or holds.
fn read_signature(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    let path = match path.is_dir() {
        true => path.join(SIGNATURE),
        false => path.with_extension("sig"),
    };
    read_if_there(&path)
}

/// Bytes as people write them, two digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
