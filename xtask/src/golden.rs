//! `golden`: rewrites the golden files.

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Rewrites the golden files from what the code does now, and lists what changed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    process::run(
        process::cargo(workspace)
            .args([
                "test",
                "--package",
                "tests",
                "--package",
                "shared",
                "golden",
            ])
            .env("SEMBLANCE_GOLDEN", "rewrite"),
    )?;
    process::run(process::command(workspace, "git").args(["status", "--short"]))
}
