//! Zip archives of small files, and tar archives of any.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Far above any real size of a picture or list in the data sets that come as archives.
const MAX_ENTRY: u64 = 16 << 20;

/// Calls `visit` with name and bytes of every file in a zip archive.
pub(super) fn for_each_entry(archive: &Path, mut visit: impl FnMut(&str, Vec<u8>)) -> Result<()> {
    let context = || format!("{}: expected a whole zip archive", archive.display());
    let mut zip =
        zip::ZipArchive::new(File::open(archive).with_context(context)?).with_context(context)?;
    for index in 0..zip.len() {
        let entry = zip.by_index(index).with_context(context)?;
        if !entry.is_file() || entry.size() > MAX_ENTRY {
            continue;
        }
        let name = entry.name().with_context(context)?.into_owned();
        let mut bytes = Vec::new();
        entry
            .take(MAX_ENTRY)
            .read_to_end(&mut bytes)
            .with_context(context)?;
        visit(&name, bytes);
    }
    Ok(())
}

/// Whether a file is a tar archive, by what stands in its first header.
pub(super) fn is_tar(archive: &Path) -> Result<bool> {
    const MARK: Range<usize> = 257..262;
    let mut start = vec![];
    let context = || format!("{}: expected a file that can be read", archive.display());
    let file = File::open(archive).with_context(context)?;
    let read = file.take(MARK.end as u64).read_to_end(&mut start);
    read.with_context(context)?;
    Ok(start.get(MARK) == Some(&b"ustar"[..]))
}

/// Names of the files in a tar archive, and where in it their bytes are.
pub(super) fn tar_entries(archive: &Path) -> Result<Vec<(String, Range<u64>)>> {
    let context = || format!("{}: expected a whole tar archive", archive.display());
    let file = File::open(archive).with_context(context)?;
    let end = file.metadata().with_context(context)?.len();
    let mut tar = tar::Archive::new(file);
    let mut found = vec![];
    for entry in tar.entries_with_seek().with_context(context)? {
        let entry = entry.with_context(context)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let start = entry.raw_file_position();
        let range = start..start.saturating_add(entry.size());
        ensure!(
            range.end <= end,
            "{}: expected {name} in bytes {range:?} of the archive, found its end at {end}: get it again",
            archive.display()
        );
        found.push((name, range));
    }
    Ok(found)
}

/// A range of a file's bytes, at most `most` long.
pub(super) fn read_range(file: &Path, range: &Range<u64>, most: u64) -> Result<Vec<u8>> {
    let length = range.end - range.start;
    ensure!(
        length <= most,
        "expected at most {} MiB, found {} MiB",
        most >> 20,
        length >> 20
    );
    let mut bytes = vec![];
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(range.start))?;
    file.take(length).read_to_end(&mut bytes)?;
    ensure!(
        bytes.len() as u64 == length,
        "expected {length} bytes, found {}",
        bytes.len()
    );
    Ok(bytes)
}
