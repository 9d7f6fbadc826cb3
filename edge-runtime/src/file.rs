//! Files, read and replaced with care.

use std::ffi::OsString;
use std::format;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::vec;
use std::vec::Vec;

/// Reads a regular file of at most `max` bytes. Pipes and devices, which may never
/// end, are refused before they are opened.
///
/// # Errors
/// What the system says, or that it is no file, or longer.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("something that is no regular file"));
    }
    let mut bytes = vec![];
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let found = format!("more than {} MiB", max >> 20);
        return Err(io::Error::other(found));
    }
    Ok(bytes)
}

/// Writes a sibling, syncs it, renames it over `path`, syncs the folder: whoever reads
/// finds the old file or the new one. Owner and permissions stay as they were; a new
/// file is its owner's alone. The caller must be the only writer.
///
/// # Errors
/// [`ReplaceError`].
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    let partial = sibling(path, ".partial");
    // One may be left behind by a program that was killed.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(ReplaceError::Unchanged(error));
        }
        _ => {}
    }
    let folder = folder_of(path);
    let write = || {
        let folder = File::open(folder)?;
        let mut file = create_like(&partial, path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        Ok(folder)
    };
    let folder: File = write().map_err(|error| {
        // What is left of a write that failed is of no use, and may fill the disk.
        let _ = fs::remove_file(&partial);
        ReplaceError::Unchanged(error)
    })?;
    folder.sync_all().map_err(ReplaceError::Unsynced)
}

/// Makes a file that is its owner's alone, with all its bytes or not at all.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is one; what the system says.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = sibling(path, &format!(".{}.partial", std::process::id()));
    let write = || {
        let mut file = create_like(&partial, &partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // Unlike a rename, a link never takes the place of another file.
        fs::hard_link(&partial, path)
    };
    let written = write();
    let _ = fs::remove_file(&partial);
    written?;
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Why a file was not replaced for good.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplaceError {
    /// It is as it was.
    Unchanged(io::Error),
    /// It is replaced, but may be as it was after a loss of power.
    Unsynced(io::Error),
}

/// Makes `partial` with owner and permissions of `path`.
#[cfg(unix)]
fn create_like(partial: &Path, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};

    let mut options = File::options();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(partial)?;
    if let Ok(earlier) = fs::metadata(path) {
        // Only the superuser may give a file away; others own what they may replace.
        let _ = fchown(&file, Some(earlier.uid()), Some(earlier.gid()));
        file.set_permissions(earlier.permissions())?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn create_like(partial: &Path, _: &Path) -> io::Result<File> {
    File::create_new(partial)
}

/// Where a chain of links ends: what a rename must replace.
pub fn follow_links(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    // Linux follows as many; in a longer chain, opening fails and says so.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// A path beside another: its name with an ending.
pub fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        replace(&path, b"new").unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(sibling(&path, ".partial"), "left behind").unwrap();
        replace(&path, b"newer").unwrap();
        assert_eq!(mode(), 0o640);
        assert_eq!(read(&path, 5).unwrap(), b"newer");
        assert!(read(&path, 4).is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn links_lead_to_what_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("inner")).unwrap();
        symlink("inner/second", at("first")).unwrap();
        symlink("../file", at("inner/second")).unwrap();
        assert_eq!(follow_links(&at("first")), at("inner/../file"));
        assert_eq!(follow_links(&at("file")), at("file"));
        symlink("loop", at("loop")).unwrap();
        assert!(read(&follow_links(&at("loop")), 1).is_err());
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        assert!(read(Path::new("/dev/zero"), 1).is_err());
        assert!(read(Path::new("/"), 1).is_err());
    }
}
