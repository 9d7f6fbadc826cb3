//! Whose models are run.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use edge_runtime::loader::{LoadError, Model, read_public_key};
use shared::artifact::signature::{Manifest, PublicKey};

/// The keys that are trusted where none is named.
const VARIABLE: &str = "SEMBLANCE_TRUST";

#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// Run a model only if this key has signed it, a public one in a PEM file; may be given
    /// several times [env: SEMBLANCE_TRUST, paths with colons between]
    #[arg(id = "trust", long = "trust", value_name = "KEY")]
    files: Vec<PathBuf>,
}

/// What is known of a model's signature.
#[derive(Debug)]
pub(crate) enum Signature {
    /// There is none.
    Absent,
    /// It states this; nobody said whose key it may be.
    Unchecked(Manifest),
    /// The key in that file made it.
    By(PathBuf, Manifest),
    /// It is none, or that of another artifact: why.
    Unfit(LoadError),
}

impl TrustArguments {
    /// The model, if it is trusted, or if nobody said who is.
    pub(crate) fn open(&self, path: &Path) -> Result<Model> {
        let keys = self.keys()?;
        let keys: Vec<PublicKey> = keys.into_iter().map(|(_, key)| key).collect();
        Ok(match keys.as_slice() {
            [] => Model::open(path)?,
            trusted => Model::open_trusted(path, trusted)?,
        })
    }

    /// Whose signature a model has that was [opened](Self::open).
    pub(crate) fn signature(&self, model: &Model) -> Result<Signature> {
        let manifest = match model.signature() {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(Signature::Absent),
            Err(error) => return Ok(Signature::Unfit(error)),
        };
        let mut keys = self.keys()?.into_iter();
        let found = keys.find(|(_, key)| key.id() == manifest.key);
        Ok(match found {
            Some((file, _)) => Signature::By(file, manifest),
            None => Signature::Unchecked(manifest),
        })
    }

    /// The keys that are trusted, and where they were found.
    fn keys(&self) -> Result<Vec<(PathBuf, PublicKey)>, LoadError> {
        let variable = env::var_os(VARIABLE).unwrap_or_default();
        let files = match self.files.as_slice() {
            [] if variable.is_empty() => vec![],
            [] => env::split_paths(&variable).collect(),
            files => files.to_vec(),
        };
        let keys = files.into_iter().map(|file| {
            let key = read_public_key(&file)?;
            Ok((file, key))
        });
        keys.collect()
    }
}
