//! Picture files and folders of such.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use edge_runtime::picture::{EXTENSIONS, MAX_LEN, Picture, is_picture};

/// The files that are meant: a folder stands for all pictures in it, by name.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .with_context(|| format!("{}: expected a folder that can be read", path.display()))?;
        let mut inside: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        inside.retain(|path| path.is_file() && is_picture(path));
        ensure!(
            !inside.is_empty(),
            "{}: expected pictures in the folder, found none that ends in {}",
            path.display(),
            EXTENSIONS.join(", ")
        );
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// Reads and decodes one picture.
pub(crate) fn read(path: &Path) -> Result<Picture> {
    let bytes = edge_runtime::file::read(path, MAX_LEN as u64).map_err(|found| {
        let path = path.display();
        anyhow!(
            "{path}: expected a picture file of at most 64 MiB that can be read, found: {found}"
        )
    })?;
    Picture::decode(&bytes).with_context(|| path.display().to_string())
}
