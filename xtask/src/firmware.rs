//! Firmware: builds every board's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::setup::qemu;
use crate::setup::toolchain::Toolchain;
use crate::workspace::Workspace;

const FIRMWARE: &str = "edge-runtime/firmware";
const BOARDS: &str = "edge-runtime/firmware/boards";

/// The package of a board: its name, and the compiler's name for its processor.
struct Board {
    name: String,
    folder: PathBuf,
    target: String,
}

/// Whether boards can be emulated here.
pub(crate) fn can_emulate() -> bool {
    qemu::is_there()
}

/// The variable by which tests find the firmware, and the folder that it is built into.
pub(crate) fn variable(workspace: &Workspace) -> (&'static str, OsString) {
    ("SEMBLANCE_FIRMWARE", built(workspace).into())
}

fn built(workspace: &Workspace) -> PathBuf {
    workspace.target.join("firmware")
}

/// Builds and checks all firmware.
pub(crate) fn build(workspace: &Workspace, locked: Option<&str>) -> Result<()> {
    let folder = workspace.root.join(FIRMWARE);
    let mut format = process::cargo(workspace);
    process::run(format.current_dir(folder).args(["fmt", "--all", "--check"]))
        .context("`cargo fmt --all` in edge-runtime/firmware mends it")?;
    for board in boards(workspace)? {
        let toolchain = Toolchain::building_for(workspace, &board.target).with_context(|| {
            let target = &board.target;
            format!("no toolchain builds for {target}: run `cargo xtask setup --only bare-metal`")
        })?;
        let mut cargo = toolchain.cargo(workspace);
        cargo
            .current_dir(&board.folder)
            .args(["build", "--release"])
            .args(locked)
            .arg("--target-dir")
            .arg(built(workspace));
        process::run(&mut cargo)?;
    }
    Ok(())
}

/// Tests on the host what no board is needed for: the drivers of sensors, and what real boards
/// share.
pub(crate) fn test_drivers(workspace: &Workspace, locked: Option<&str>) -> Result<()> {
    let drivers = |verb: &str| {
        let mut cargo = process::cargo(workspace);
        cargo
            .current_dir(workspace.root.join(FIRMWARE))
            .args([verb, "--package", "app", "--package", "hardware"])
            .args(["--features", "hardware/real"])
            .args(locked)
            .arg("--target-dir")
            .arg(built(workspace));
        cargo
    };
    process::run(drivers("clippy").args(["--all-targets", "--", "--deny", "warnings"]))?;
    process::run(&mut drivers("test"))
}

/// The boards' packages, by name.
fn boards(workspace: &Workspace) -> Result<Vec<Board>> {
    let folder = workspace.root.join(BOARDS);
    let entries = folder
        .read_dir()
        .with_context(|| format!("expected a folder {}", folder.display()))?;
    let mut boards = vec![];
    for entry in entries {
        let folder = entry?.path();
        let name = folder.file_name().and_then(|name| name.to_str());
        boards.push(Board {
            name: name.context("a board without a name")?.to_owned(),
            target: target(&folder)?,
            folder,
        });
    }
    boards.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(boards)
}

/// What a board's package is built for, as its `.cargo/config.toml` says.
fn target(board: &Path) -> Result<String> {
    let path = board.join(".cargo/config.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("expected a file {}", path.display()))?;
    match target_in(&text) {
        Some(target) => Ok(target.to_owned()),
        None => bail!("{}: expected a line `target = \"...\"`", path.display()),
    }
}

fn target_in(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.starts_with("target = "))?;
    line.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_read() {
        let text = "[build]\ntarget = \"thumbv7em-none-eabihf\"\n";
        assert_eq!(target_in(text), Some("thumbv7em-none-eabihf"));
        assert_eq!(target_in("[build]\n"), None);
    }
}
