//! Compilers for other machines than this one.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::debian_toolchain;
use crate::process;
use crate::workspace::Workspace;

/// A toolchain that can build for another machine.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The one that plain `cargo` takes.
    Active,
    /// The one that setup makes of Debian's packages.
    Debian,
}

impl Toolchain {
    /// The toolchain that can build for `target`, if there is one.
    pub(crate) fn building_for(workspace: &Workspace, target: &str) -> Option<Self> {
        [Self::Active, Self::Debian]
            .into_iter()
            .find(|toolchain| toolchain.has(workspace, target))
    }

    /// Its cargo, in the repository's root.
    pub(crate) fn cargo(&self, workspace: &Workspace) -> Command {
        match self {
            Self::Active => process::cargo(workspace),
            Self::Debian => process::cargo_of(workspace, debian_toolchain::NAME),
        }
    }

    /// How one calls it.
    fn shown(&self) -> String {
        match self {
            Self::Active => "cargo".to_owned(),
            Self::Debian => format!("cargo +{}", debian_toolchain::NAME),
        }
    }

    /// Whether its compiler runs and has a core library for `target`.
    fn has(&self, workspace: &Workspace, target: &str) -> bool {
        let mut rustc = process::command(workspace, "rustc");
        if matches!(self, Self::Debian) {
            rustc
                .arg(format!("+{}", debian_toolchain::NAME))
                .env_remove("RUSTUP_TOOLCHAIN");
        }
        let Some(folder) =
            process::ask(rustc.args(["--print", "target-libdir", "--target", target]))
        else {
            return false;
        };
        fs::read_dir(folder.trim()).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("libcore-") && name.ends_with(".rlib")
            })
        })
    }
}

/// Has rustup add `target`, or else `from_debian` take it from Debian's packages.
pub(super) fn provide(
    workspace: &Workspace,
    target: &str,
    from_debian: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if let Some(toolchain) = Toolchain::building_for(workspace, target) {
        eprintln!("{target}: already there, of `{}`", toolchain.shown());
        return Ok(());
    }
    // Where rustup may not download on its own, it is not asked to either.
    if std::env::var_os("RUSTUP_AUTO_INSTALL").is_none_or(|value| value != "0") {
        eprintln!("{target}: not there; asking rustup for it, which says how large it is");
        let added =
            process::run(process::command(workspace, "rustup").args(["target", "add", target]));
        match added {
            Ok(()) if Toolchain::Active.has(workspace, target) => return Ok(()),
            Ok(()) => bail!(
                "rustup added {target}, but `rustc` has no core library for it: is the `rustc` on PATH rustup's?"
            ),
            Err(error) => eprintln!("{error:#}\n{target}: trying Debian's packages instead"),
        }
    }
    from_debian().with_context(|| format!("a Rust toolchain for {target} of Debian's packages"))?;
    match Toolchain::building_for(workspace, target) {
        Some(toolchain) => {
            eprintln!("{target}: ready, of `{}`", toolchain.shown());
            Ok(())
        }
        None => bail!(
            "the toolchain `{}` is there, but cannot build for {target}: see what `rustc +{}` says",
            debian_toolchain::NAME,
            debian_toolchain::NAME
        ),
    }
}
