//! Zip archives of small files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

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
