//! `ci`: what must pass before a change is merged.

use anyhow::Result;

use crate::process;
use crate::test;
use crate::workspace::Workspace;

/// Checks the dependencies, then everything that `test` does, on the lock file.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    dependencies(workspace)?;
    test::run(workspace, test::Arguments::locked())
}

/// Licences, sources and bans of the dependencies, as `deny.toml` has them.
fn dependencies(workspace: &Workspace) -> Result<()> {
    let installed = process::ask(process::cargo(workspace).args(["deny", "--version"])).is_some();
    if !installed {
        eprintln!("\n*** SKIPPED: cargo deny (licences and sources of the dependencies)");
        eprintln!("*** `cargo install --locked cargo-deny` provides it\n");
        return Ok(());
    }
    process::run(process::cargo(workspace).args(["deny", "check", "bans", "licenses", "sources"]))
}
