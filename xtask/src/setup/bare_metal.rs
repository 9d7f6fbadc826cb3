//! The compiler's core library for boards without an operating system.

use anyhow::Result;

use super::{debian_toolchain, toolchain};
use crate::workspace::Workspace;

/// The target that libraries are built for by themselves: Cortex-M4F and M7F.
pub(crate) const TARGET: &str = "thumbv7em-none-eabihf";

/// The targets of all boards: besides, Cortex-M0+, M33F and M55, and RISC-V.
const TARGETS: &[&str] = &[
    TARGET,
    "thumbv6m-none-eabi",
    "thumbv8m.main-none-eabihf",
    "riscv32imac-unknown-none-elf",
];

pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    for target in TARGETS {
        toolchain::provide(workspace, target, || {
            debian_toolchain::make(workspace, TARGETS)
        })?;
    }
    Ok(())
}
