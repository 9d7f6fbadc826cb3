//! The links in `.semblance/` that `.cargo/config.toml` points to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Lets `link` point to `place`, in one step, whatever it pointed to before.
pub(super) fn point(link: &Path, place: &Path) -> Result<()> {
    ensure!(
        link.is_symlink() || !link.exists(),
        "expected a link or nothing at {}, found something else: move it away",
        link.display()
    );
    let folder = link.parent().context("a link needs a folder")?;
    let fresh = link.with_extension("new");
    fs::create_dir_all(folder)
        .and_then(|()| match fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => symlink(place, &fresh),
        })
        .and_then(|()| fs::rename(&fresh, link))
        .with_context(|| format!("cannot make the link {}", link.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_link_is_made_and_moved() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("links/libtorch");
        for place in ["/nowhere", "/elsewhere"] {
            point(&link, Path::new(place)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(place));
        }
    }

    #[test]
    fn a_folder_in_the_links_place_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("libtorch");
        fs::create_dir(&link).unwrap();
        let refused = point(&link, Path::new("/nowhere")).unwrap_err();
        assert!(refused.to_string().contains("move it away"));
        assert!(link.is_dir());
    }
}
