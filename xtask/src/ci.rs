//! `ci`: what must pass before a change is merged.

use anyhow::Result;

use crate::test;
use crate::workspace::Workspace;

/// Everything that `test` does, on the lock file.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    test::run(workspace, test::Arguments::locked())
}
