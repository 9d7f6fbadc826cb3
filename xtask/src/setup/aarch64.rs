//! What builds and runs tests for 64-bit Arm on another machine: the standard library, a
//! linker, and QEMU's emulation of a Linux process.

use std::process::Command;

use anyhow::{Result, ensure};

use super::toolchain::{self, Toolchain};
use super::{apt, debian_toolchain};
use crate::process;
use crate::workspace::Workspace;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";
/// Where Debian keeps the C library of that machine.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
const PACKAGES: &[&str] = &[
    "gcc-aarch64-linux-gnu",
    "libc6-dev-arm64-cross",
    "qemu-user",
];

pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    if has_programs() {
        eprintln!("{LINKER}, {EMULATOR}: already there");
    } else {
        eprintln!("{LINKER}, {EMULATOR}: not there");
        apt::ensure_can_install(PACKAGES)?;
        apt::install(workspace, PACKAGES, None)?;
        ensure!(
            has_programs(),
            "apt installed {}, but they do not run",
            PACKAGES.join(" ")
        );
    }
    toolchain::provide(workspace, TARGET, || {
        debian_toolchain::add_library(workspace, TARGET, "arm64")
    })
}

fn has_programs() -> bool {
    let answers = |program| process::ask(Command::new(program).arg("--version")).is_some();
    answers(LINKER) && answers(EMULATOR)
}

/// Whether tests for that machine can be built and run.
pub(crate) fn is_there(workspace: &Workspace) -> bool {
    has_programs() && Toolchain::building_for(workspace, TARGET).is_some()
}

/// `cargo VERB` for that machine, which runs programs on an emulated `processor`; none
/// where something is missing.
pub(crate) fn cargo(workspace: &Workspace, verb: &str, processor: &str) -> Option<Command> {
    let toolchain = Toolchain::building_for(workspace, TARGET)?;
    let mut cargo = toolchain.cargo(workspace);
    let runner = format!("{EMULATOR} -cpu {processor} -L {LIBRARIES}");
    cargo
        .args([verb, "--target", TARGET])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", runner);
    has_programs().then_some(cargo)
}
