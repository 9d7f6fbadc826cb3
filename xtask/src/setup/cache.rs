//! The folder of downloaded content: a piece is whole or not there.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Returns the folder `name` of the cache; `fill` makes its content when it is
/// not there.
///
/// `fill` gets a work folder (for downloads; removed afterwards) and the folder
/// to fill, which takes its name only once `fill` has succeeded: an interrupted
/// setup leaves nothing that looks complete. One setup works at a time.
pub(super) fn piece(
    workspace: &Workspace,
    name: &str,
    fill: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    let cache = &workspace.cache;
    fs::create_dir_all(cache).with_context(|| {
        format!(
            "cannot make {}: set SEMBLANCE_CACHE to a folder that can be written to",
            cache.display()
        )
    })?;
    let _lock = lock(cache)?;
    let place = cache.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    let work = cache.join(format!("partial-{name}"));
    remove(&work)?;
    let content = work.join(name);
    fs::create_dir_all(&content).with_context(|| format!("cannot make {}", content.display()))?;
    let filled = fill(&work, &content).and_then(|()| {
        fs::rename(&content, &place)
            .with_context(|| format!("cannot move {} into place", place.display()))
    });
    remove(&work)?;
    filled.map(|()| place)
}

/// Removes a piece which turned out to be damaged.
pub(super) fn discard(workspace: &Workspace, name: &str) -> Result<()> {
    if !workspace.cache.is_dir() {
        return Ok(());
    }
    let _lock = lock(&workspace.cache)?;
    remove(&workspace.cache.join(name))
}

fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("setup.lock");
    let file = File::create(&path)
        .with_context(|| format!("cannot write {}: is the folder yours?", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("waiting for another setup to finish");
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    Ok(file)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use anyhow::bail;

    use super::*;

    fn workspace(folder: &Path) -> Workspace {
        Workspace {
            root: folder.join("root"),
            cache: folder.join("cache"),
            target: folder.join("target"),
        }
    }

    #[test]
    fn a_piece_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(folder.path());
        let make = |_: &Path, content: &Path| Ok(fs::write(content.join("file"), "1")?);
        let place = piece(&workspace, "thing", make).unwrap();
        assert_eq!(fs::read(place.join("file")).unwrap(), b"1");
        piece(&workspace, "thing", |_, _| bail!("made twice")).unwrap();
    }

    #[test]
    fn a_failed_piece_leaves_nothing_and_can_be_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(folder.path());
        let fail = |work: &Path, content: &Path| {
            fs::write(work.join("download"), "half")?;
            fs::write(content.join("file"), "half")?;
            bail!("the network is down")
        };
        let failed = piece(&workspace, "thing", fail).unwrap_err();
        assert_eq!(failed.to_string(), "the network is down");
        assert!(!workspace.cache.join("thing").exists());
        assert!(!workspace.cache.join("partial-thing").exists());
        piece(&workspace, "thing", |_, _| Ok(())).unwrap();
    }

    #[test]
    fn what_an_interrupted_setup_left_is_not_reused() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(folder.path());
        let left = workspace.cache.join("partial-thing/thing");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("file"), "half").unwrap();
        let place = piece(&workspace, "thing", |_, _| Ok(())).unwrap();
        assert!(!place.join("file").exists());
    }

    #[test]
    fn a_discarded_piece_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(folder.path());
        piece(&workspace, "thing", |_, _| Ok(())).unwrap();
        discard(&workspace, "thing").unwrap();
        let failed = piece(&workspace, "thing", |_, _| bail!("made")).unwrap_err();
        assert_eq!(failed.to_string(), "made");
    }
}
