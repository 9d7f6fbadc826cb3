//! Where things are.

use std::env;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, ensure};

/// The folders that chores work in.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The repository's root, where `Cargo.toml` is.
    pub(crate) root: PathBuf,
    /// Downloaded content, outside the repository, shared by every checkout.
    pub(crate) cache: PathBuf,
    /// Where cargo puts what it builds.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Finds the folders from the variables that cargo and the user set.
    pub(crate) fn find() -> Result<Self> {
        let manifest = variable("CARGO_MANIFEST_DIR")
            .context("this program is started by cargo: run `cargo xtask <verb>`")?;
        let root = manifest
            .parent()
            .context("xtask's manifest has no folder above it")?
            .to_path_buf();
        ensure!(
            root.join("Cargo.toml").is_file(),
            "expected the workspace's Cargo.toml in {}, found none",
            root.display()
        );
        let target = match variable("CARGO_TARGET_DIR") {
            // Cargo reads a relative folder from where it was called, and runs
            // this program there too.
            Some(folder) => absolute(folder)?,
            None => root.join("target"),
        };
        Ok(Self {
            cache: cache()?,
            target,
            root,
        })
    }

    /// The git-ignored link in the repository to a piece of the cache, where
    /// `.cargo/config.toml` looks for it.
    pub(crate) fn link(&self, name: &str) -> PathBuf {
        self.root.join(".semblance").join(name)
    }
}

fn cache() -> Result<PathBuf> {
    let folder = variable("SEMBLANCE_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|caches| caches.join("semblance")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/semblance")))
        .context(
            "no folder for downloads: expected SEMBLANCE_CACHE, XDG_CACHE_HOME or HOME to be set",
        )?;
    Ok(absolute(folder)?)
}

/// A variable that holds a path; an empty one counts as unset.
pub(crate) fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// A path as it is printed: from the repository's root when it lies below.
pub(crate) fn shown<'a>(path: &'a Path, workspace: &Workspace) -> std::path::Display<'a> {
    path.strip_prefix(&workspace.root).unwrap_or(path).display()
}
