//! `ci`: what must pass before a change is merged.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{fuzz, test};

/// Everything that `test` does, on the lock file; then a minute of made-up bytes for
/// each reader that is quickly built.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    test::run(workspace, test::Arguments::locked())?;
    if !fuzz::has_compiler(workspace) {
        eprintln!("\n*** SKIPPED: made-up bytes\n*** `cargo xtask fuzz` needs a C++ compiler");
        return Ok(());
    }
    fuzz::run(workspace, &fuzz::Arguments::usual())
}
