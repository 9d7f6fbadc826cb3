//! `test`: every check, the cheapest first.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::firmware;
use crate::process;
use crate::setup::bare_metal::TARGET;
use crate::setup::toolchain::Toolchain;
use crate::setup::{self, aarch64};
use crate::stage::Stages;
use crate::tidy;
use crate::workspace::{Workspace, variable};

/// Set up, then run every check, the cheapest first
///
/// In this order: format, tidy, dependencies, bare-metal builds, firmware, drivers,
/// slim builds, tests of the kernels on 64-bit Arm, clippy, all tests, those on emulated
/// boards among them. Stops at the first stage that fails, and says
/// at the end what was skipped.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Take what is installed; download nothing
    #[arg(long)]
    no_setup: bool,
    /// Fail if Cargo.lock would have to change
    #[arg(long)]
    locked: bool,
    /// Only build the firmware and try it in the emulator
    #[arg(long)]
    firmware: bool,
}

impl Arguments {
    /// Sets up, and holds cargo to the lock file.
    pub(crate) fn locked() -> Self {
        Self {
            no_setup: false,
            locked: true,
            firmware: false,
        }
    }
}

pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<()> {
    let mut stages = Stages::of("test");
    if !arguments.no_setup {
        stages.run("set up", || setup::ensure_all(workspace))?;
    }
    let locked = arguments.locked.then_some("--locked");
    if arguments.firmware {
        stages.run("firmware", || firmware::build(workspace, locked))?;
        stages.run("drivers", || firmware::test_drivers(workspace, locked))?;
        stages.run("tests on boards", || {
            ensure!(
                firmware::can_emulate(),
                "no emulator: `cargo xtask setup --only qemu` says what it takes"
            );
            process::run(tests(workspace, locked).args(["--test", "firmware", "--", "--nocapture"]))
        })?;
        stages.finish();
        return Ok(());
    }
    stages.run("format", || {
        process::run(process::cargo(workspace).args(["fmt", "--all", "--check"]))
            .context("`cargo fmt --all` mends it")
    })?;
    stages.run("tidy", || tidy::run(workspace))?;
    stages.run("dependencies", || dependencies(workspace))?;
    stages.run("bare-metal builds", || bare_metal(workspace, locked))?;
    stages.run("firmware", || firmware::build(workspace, locked))?;
    stages.run("drivers", || firmware::test_drivers(workspace, locked))?;
    stages.run("slim builds", || slim(workspace, locked))?;
    stages.run("kernels on 64-bit Arm", || {
        kernels_on_arm(workspace, locked)
    })?;
    stages.run("clippy", || {
        let mut clippy = process::cargo(workspace);
        clippy
            .args(["clippy", "--workspace", "--all-targets"])
            .args(locked);
        process::run(clippy.args(["--", "--deny", "warnings"]))
    })?;
    stages.run("tests", || process::run(&mut tests(workspace, locked)))?;
    stages.finish();
    for (what, remedy) in skipped(workspace) {
        eprintln!("\n*** SKIPPED: {what}\n*** {remedy}");
    }
    Ok(())
}

/// All tests; those of boards find their firmware where these can be emulated.
fn tests(workspace: &Workspace, locked: Option<&str>) -> Command {
    let mut cargo = process::cargo(workspace);
    cargo.args(["test", "--workspace"]).args(locked);
    if firmware::can_emulate() {
        let (name, folder) = firmware::variable(workspace);
        cargo.env(name, folder);
    }
    cargo
}

/// What could not be checked here, and what it takes.
fn skipped(workspace: &Workspace) -> Vec<(&'static str, &'static str)> {
    let is_root = process::ask(process::command(workspace, "id").arg("-u"));
    let checks = [
        (
            has_deny(workspace),
            "licences and sources of the dependencies",
            "`cargo install --locked cargo-deny` provides the check",
        ),
        (
            aarch64::is_there(workspace),
            "the kernels of 64-bit Arm, on emulated processors",
            "`cargo xtask setup --only aarch64` says what it takes",
        ),
        (
            firmware::can_emulate(),
            "firmware on emulated boards",
            "`cargo xtask setup --only qemu` says what it takes",
        ),
        (
            variable("SEMBLANCE_DATA").is_some(),
            "tests on real data: the figures of models/omniglot, engines bit for bit on drawings",
            "set SEMBLANCE_DATA to the folder of the data sets' archives",
        ),
        (
            has_exact_reference(),
            "int8 networks in ONNX Runtime, whose sums saturate on processors without VNNI",
            "run the tests on a processor with VNNI too",
        ),
        (
            is_root.is_some_and(|id| id.trim() == "0"),
            "tests of full and read-only disks",
            "they mount a small file system, which only the superuser may",
        ),
    ];
    let skipped = checks.into_iter().filter(|(done, ..)| !done);
    skipped.map(|(_, what, remedy)| (what, remedy)).collect()
}

/// Whether ONNX Runtime's int8 kernels are exact on this processor
/// (`host_trainer::engine::ort::sums_are_exact`).
fn has_exact_reference() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx512vnni") || std::is_x86_feature_detected!("avxvnni");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

fn has_deny(workspace: &Workspace) -> bool {
    process::ask(process::cargo(workspace).args(["deny", "--version"])).is_some()
}

/// Licences, sources and bans of the dependencies, as `deny.toml` has them.
fn dependencies(workspace: &Workspace) -> Result<()> {
    if !has_deny(workspace) {
        eprintln!("skipped: cargo-deny is not installed");
        return Ok(());
    }
    for folder in ["", "edge-runtime/firmware"] {
        let mut deny = process::cargo(workspace);
        deny.current_dir(workspace.root.join(folder));
        // Below errors it lists what comes in two versions, by the page.
        deny.args(["deny", "--log-level", "error", "check"])
            .args(["bans", "licenses", "sources"]);
        process::run(&mut deny)?;
    }
    Ok(())
}

/// Checks what is built with fewer features: what runs on boards without a store, the
/// device's program without tract, the trainer's quantization, evaluation and export without
/// libtorch.
fn slim(workspace: &Workspace, locked: Option<&str>) -> Result<()> {
    let packages = [
        ("edge-runtime", ""),
        ("edge-cli", "int8"),
        ("host-trainer", "ort"),
    ];
    for (package, features) in packages {
        let mut clippy = process::cargo(workspace);
        clippy
            .args(["clippy", "--package", package, "--no-default-features"])
            .args(["--features", features])
            .args(locked)
            .args(["--", "-D", "warnings"]);
        process::run(&mut clippy)?;
    }
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
            .arg("--target-dir")
            .arg(other_machines(workspace));
        process::run(&mut cargo)?;
    }
    Ok(())
}

/// Compares the vector instructions of 64-bit Arm with the definition, and what has none, on a
/// processor that has the dot product and on one that has not. Emulation is slow, so with fewer cases.
fn kernels_on_arm(workspace: &Workspace, locked: Option<&str>) -> Result<()> {
    for processor in ["max", "cortex-a53"] {
        let Some(mut cargo) = aarch64::cargo(workspace, "test", processor) else {
            eprintln!("skipped: compiler, linker or emulator is missing");
            return Ok(());
        };
        cargo
            .args(["--package", "edge-runtime"])
            .args([
                "--test",
                "kernels",
                "--test",
                "packed_engine",
                "--test",
                "search",
                "--test",
                "recurrent",
                "--test",
                "segmentation",
            ])
            .args(locked)
            .arg("--target-dir")
            .arg(other_machines(workspace))
            .env("PROPTEST_CASES", "64");
        process::run(&mut cargo)?;
    }
    Ok(())
}

/// Where builds for other machines go: of another compiler, so not beside what the host's
/// has built.
fn other_machines(workspace: &Workspace) -> PathBuf {
    workspace.target.join("cross")
}
