//! The files of a data set, in an archive or in folders: loaders see no difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use super::Source;
use super::archive::{for_each_entry, is_tar, tar_entries};

/// What some archivers add for themselves.
const NOT_THE_DATA: &str = "__MACOSX/";

/// How deep folders may lie in each other; links could make them endless.
const MAX_DEPTH: usize = 8;

/// Files by path, `/` between folders.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// The archive or folder, for messages.
    pub(crate) root: PathBuf,
    files: BTreeMap<String, Source>,
}

/// How a data set is recognized among others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// The folder that has it, beside those of other sets.
    pub(super) folder: &'static str,
    /// How the names of its archives begin.
    pub(super) archive: &'static str,
    /// A folder with one of these in it is the data set's.
    pub(super) inside: &'static [&'static str],
}

impl Tree {
    /// The data set that is `data`, an archive or a folder, or lies in that folder.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub(super) fn find(data: &Path, signs: &Signs) -> Result<Option<Self>> {
        if data.is_file() {
            return Self::of_archive(data).map(Some);
        }
        let has_signs = |folder: &Path| signs.inside.iter().any(|name| folder.join(name).exists());
        for folder in [data.to_owned(), data.join(signs.folder)] {
            if has_signs(&folder) {
                return Self::of_folder(&folder, MAX_DEPTH).map(Some);
            }
            let within = match folder.is_dir() {
                true => entries(&folder)?,
                false => continue,
            };
            for path in within {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if !name.starts_with(signs.archive) {
                    continue;
                } else if path.is_file() && name.ends_with(".zip") {
                    return Self::of_archive(&path).map(Some);
                } else if has_signs(&path) {
                    return Self::of_folder(&path, MAX_DEPTH).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// The files of a zip archive, or of a tar archive that is not compressed; what is in it
    /// says which.
    ///
    /// # Errors
    /// When it is damaged, or neither.
    pub(crate) fn of_archive(archive: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut insert = |name: &str, source: Source| {
            if !name.contains(NOT_THE_DATA) {
                // Some archives name all paths from the folder that they were made in.
                let name = name.trim_start_matches("./");
                files.insert(name.to_owned(), source);
            }
        };
        if is_tar(archive)? {
            let place: Arc<Path> = archive.into();
            for (name, range) in tar_entries(archive)? {
                insert(&name, Source::Within(Arc::clone(&place), range));
            }
        } else {
            for_each_entry(archive, |name, bytes| {
                insert(name, Source::Encoded(bytes.into()));
            })?;
        }
        Ok(Self {
            root: archive.to_owned(),
            files,
        })
    }

    /// The files of a folder, and of folders in it that lie at most so deep.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn of_folder(folder: &Path, depth: usize) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(folder, "", depth, &mut files)?;
        Ok(Self {
            root: folder.to_owned(),
            files,
        })
    }

    /// Paths and contents, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &Source)> {
        let files = self.files.iter();
        files.map(|(path, source)| (path.as_str(), source))
    }

    /// The text of the first file of that name, in whichever folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        let mut files = self.files();
        match files.find(|(path, _)| path.rsplit('/').next() == Some(name)) {
            None => Ok(None),
            Some((path, source)) => {
                let bytes = source.bytes().with_context(|| self.place(path))?;
                // Names may be in any encoding; only ASCII ones are looked for.
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
        }
    }

    /// A file of it, for messages.
    pub(crate) fn place(&self, path: &str) -> String {
        format!("{}: {path}", self.root.display())
    }
}

fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, Source>,
) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        if path.is_file() {
            files.insert(name, Source::File(path));
        } else if path.is_dir() && depth > 0 {
            collect(&path, &format!("{name}/"), depth - 1, files)?;
        }
    }
    Ok(())
}

/// Paths in a folder, by name.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("{}: expected a folder that can be read", folder.display());
    let entries = fs::read_dir(folder).with_context(context)?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>().with_context(context)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const SIGNS: Signs = Signs {
        // As an archive's name begins, too.
        folder: "set",
        archive: "set",
        inside: &["lists"],
    };

    #[test]
    fn a_set_is_found_in_folders_of_several_depths() {
        let data = tempfile::tempdir().unwrap();
        assert!(Tree::find(data.path(), &SIGNS).unwrap().is_none());
        let top = data.path().join("set/set_1/lists");
        fs::create_dir_all(&top).unwrap();
        fs::write(top.join("one.txt"), "1 2\n").unwrap();
        for place in ["", "set", "set/set_1"] {
            let tree = Tree::find(&data.path().join(place), &SIGNS)
                .unwrap()
                .unwrap();
            let paths: Vec<&str> = tree.files().map(|(path, _)| path).collect();
            assert_eq!(paths, ["lists/one.txt"]);
            assert_eq!(tree.text("one.txt").unwrap().unwrap(), "1 2\n");
            assert!(tree.text("two.txt").unwrap().is_none());
        }
    }
}
