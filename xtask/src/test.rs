//! `test`: every check, the cheapest first.

use anyhow::{Context, Result};
use clap::Args;

use crate::process;
use crate::setup::bare_metal::{TARGET, Toolchain};
use crate::setup::{self, ALL};
use crate::stage::Stages;
use crate::tidy;
use crate::workspace::Workspace;

/// Set up, then run every check, the cheapest first
///
/// In this order: format, tidy, bare-metal builds, clippy, all tests. Stops at
/// the first stage that fails.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Take what is installed; download nothing
    #[arg(long)]
    no_setup: bool,
    /// Fail if Cargo.lock would have to change
    #[arg(long)]
    locked: bool,
}

impl Arguments {
    /// Sets up, and holds cargo to the lock file.
    pub(crate) fn locked() -> Self {
        Self {
            no_setup: false,
            locked: true,
        }
    }
}

pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<()> {
    let mut stages = Stages::of("test");
    if !arguments.no_setup {
        stages.run("set up", || setup::ensure(workspace, ALL))?;
    }
    let locked = arguments.locked.then_some("--locked");
    stages.run("format", || {
        process::run(process::cargo(workspace).args(["fmt", "--all", "--check"]))
            .context("`cargo fmt --all` mends it")
    })?;
    stages.run("tidy", || tidy::run(workspace))?;
    stages.run("bare-metal builds", || bare_metal(workspace, locked))?;
    stages.run("clippy", || {
        let mut clippy = process::cargo(workspace);
        clippy
            .args(["clippy", "--workspace", "--all-targets"])
            .args(locked);
        process::run(clippy.args(["--", "--deny", "warnings"]))
    })?;
    stages.run("tests", || {
        process::run(
            process::cargo(workspace)
                .args(["test", "--workspace"])
                .args(locked),
        )
    })?;
    stages.finish();
    Ok(())
}

/// Builds what runs on boards for a board, one package at a time: built together,
/// or for this machine, they could borrow each other's features and hide a use of
/// `std`.
fn bare_metal(workspace: &Workspace, locked: Option<&str>) -> Result<()> {
    let toolchain = Toolchain::building_for(workspace, TARGET).with_context(|| {
        format!("no toolchain builds for {TARGET}: run `cargo xtask setup --only bare-metal`")
    })?;
    for package in ["shared", "edge-runtime"] {
        let mut cargo = toolchain.cargo(workspace);
        cargo
            .args(["build", "--package", package, "--no-default-features"])
            .args(["--target", TARGET])
            .args(locked)
            // Another compiler, so not beside what the host's has built.
            .arg("--target-dir")
            .arg(workspace.target.join("bare-metal"));
        process::run(&mut cargo)?;
    }
    Ok(())
}
