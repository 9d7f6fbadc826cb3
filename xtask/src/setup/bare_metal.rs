//! The compiler's core library for boards without an operating system.

use anyhow::Result;

use super::{debian_toolchain, toolchain};
use crate::workspace::Workspace;

/// The target that tests build for: Cortex-M4F and M7F.
pub(crate) const TARGET: &str = "thumbv7em-none-eabihf";

pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    toolchain::provide(workspace, TARGET, || {
        debian_toolchain::make(workspace, TARGET)
    })
}
