//! Python wheels as carriers of shared libraries: fetched by pip, unpacked here.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

use crate::process;
use crate::workspace::Workspace;

/// A wheel, pinned by version and by content.
pub(super) struct Wheel {
    /// As pip reads it: `name==version`.
    pub(super) requirement: &'static str,
    /// Of the one file that this platform takes.
    pub(super) sha256: &'static str,
}

/// Fetches the wheels into `work` and unpacks the files that `select` gives a
/// name to into `content`.
pub(super) fn fetch(
    workspace: &Workspace,
    wheels: &[Wheel],
    work: &Path,
    content: &Path,
    select: impl Fn(&str) -> Option<PathBuf>,
) -> Result<()> {
    download(workspace, wheels, work)?;
    for entry in fs::read_dir(work)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "whl") {
            unpack(&file, content, &select)
                .with_context(|| format!("cannot unpack {}", file.display()))?;
        }
    }
    Ok(())
}

/// Whatever Python there is, pip is told to take the same files: those of
/// CPython 3.11, whose hashes are pinned. Their libraries know no Python.
fn download(workspace: &Workspace, wheels: &[Wheel], work: &Path) -> Result<()> {
    let python = || process::command(workspace, "python3");
    if process::ask(python().arg("--version")).is_none() {
        bail!(
            "`python3` is missing, which fetches packages with pip: install python3 and python3-pip (Debian: apt-get install python3-pip)"
        );
    }
    if process::ask(python().args(["-m", "pip", "--version"])).is_none() {
        bail!(
            "python3 has no pip: install it (Debian: apt-get install python3-pip; elsewhere: python3 -m ensurepip --user)"
        );
    }
    let requirements = work.join("requirements.txt");
    let pinned: String = wheels
        .iter()
        .map(|wheel| format!("{} --hash=sha256:{}\n", wheel.requirement, wheel.sha256))
        .collect();
    fs::write(&requirements, pinned)?;
    let architecture = std::env::consts::ARCH;
    let mut pip = python();
    pip.args(["-m", "pip", "download", "--no-deps", "--no-cache-dir"])
        .args(["--disable-pip-version-check", "--only-binary=:all:"])
        .args(["--implementation", "cp", "--python-version", "3.11"])
        .args(["--abi", "cp311", "--abi", "none"])
        .args(
            ["2_28", "2_27", "2_25", "2_17"]
                .map(|glibc| format!("--platform=manylinux_{glibc}_{architecture}")),
        )
        .arg("--require-hashes")
        .arg("--requirement")
        .arg(&requirements)
        .arg("--dest")
        .arg(work)
        // The usual folder for temporary files may be too small for these.
        .env("TMPDIR", work);
    process::run(&mut pip)
}

/// Unpacks the files that `select` gives a name to.
fn unpack(wheel: &Path, content: &Path, select: impl Fn(&str) -> Option<PathBuf>) -> Result<()> {
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index)?;
        // A name that leads out of the folder is no `enclosed_name`.
        let Some(name) = member
            .enclosed_name()
            .and_then(|name| select(name.to_str()?))
        else {
            continue;
        };
        let path = content.join(name);
        if member.is_dir() {
            continue;
        }
        fs::create_dir_all(path.parent().context("a member without a folder")?)?;
        let mut file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        io::copy(&mut member, &mut file)
            .with_context(|| format!("cannot write {}: is the disk full?", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn only_selected_members_are_unpacked_under_their_new_name() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("a.whl");
        let mut writer = ZipWriter::new(File::create(&wheel).unwrap());
        for name in ["torch/lib/libc10.so", "torch/nn.py", "../lib/outside.so"] {
            writer
                .start_file(name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.finish().unwrap();

        let content = folder.path().join("content");
        let select = |name: &str| {
            name.ends_with(".so")
                .then(|| name.replace("torch/", "").into())
        };
        unpack(&wheel, &content, select).unwrap();

        let library = fs::read_to_string(content.join("lib/libc10.so")).unwrap();
        assert_eq!(library, "torch/lib/libc10.so");
        assert!(!content.join("nn.py").exists());
        assert!(!folder.path().join("lib").exists());
    }

    #[test]
    fn a_wheel_that_is_no_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("a.whl");
        fs::write(&wheel, "<html>not found</html>").unwrap();
        assert!(unpack(&wheel, folder.path(), |_| Some("x".into())).is_err());
    }
}
