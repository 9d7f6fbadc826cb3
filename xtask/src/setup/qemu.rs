//! QEMU, which runs firmware for boards that are not at hand.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::apt;
use crate::process;
use crate::workspace::Workspace;

/// Programs, and the packages they come in.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-arm", "qemu-system-arm"),
    ("qemu-system-riscv32", "qemu-system-riscv"),
];
/// The release that our boards are known to boot in.
const MAJOR: u32 = 10;
const BACKPORTS: &str = "/etc/apt/sources.list.d/bookworm-backports.list";

pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    for (program, package) in PROGRAMS {
        provide(workspace, program, package)?;
    }
    Ok(())
}

/// Whether all boards can be emulated here.
pub(crate) fn is_there() -> bool {
    let recent = |program| installed(program).is_some_and(|major| major >= MAJOR);
    PROGRAMS.iter().all(|(program, _)| recent(program))
}

fn provide(workspace: &Workspace, program: &str, package: &str) -> Result<()> {
    match installed(program) {
        Some(major) if major >= MAJOR => {
            eprintln!("{program} {MAJOR}: already there");
            return Ok(());
        }
        Some(older) => eprintln!("{program} {MAJOR}: only {older} is there"),
        None => eprintln!("{program} {MAJOR}: not there"),
    }
    apt::ensure_can_install(&[package])?;
    // Debian 12's own release is too old.
    let release = is_bookworm().then_some("bookworm-backports");
    if release.is_some() {
        add_backports()?;
    }
    apt::install(workspace, &[package], release)?;
    let major = installed(program).context("apt installed it, but it does not run")?;
    ensure!(
        major >= MAJOR,
        "expected {program} {MAJOR} or later, found {major}: this system offers no newer one"
    );
    Ok(())
}

fn installed(program: &str) -> Option<u32> {
    major_in(&process::ask(Command::new(program).arg("--version"))?)
}

/// The release in `QEMU emulator version 10.0.2 (Debian ...)`.
fn major_in(printed: &str) -> Option<u32> {
    let version = printed.split("version ").nth(1)?;
    version.split('.').next()?.parse().ok()
}

fn is_bookworm() -> bool {
    fs::read_to_string("/etc/os-release")
        .is_ok_and(|text| text.contains("VERSION_CODENAME=bookworm"))
}

/// Adds Debian's backports, from the mirror that this machine uses already.
fn add_backports() -> Result<()> {
    let policy = process::ask(Command::new("apt-cache").arg("policy")).unwrap_or_default();
    if policy.contains("bookworm-backports/main") {
        return Ok(());
    }
    let mirror = mirror_in(&policy)
        .context("apt's sources name no mirror of Debian 12: add `bookworm-backports` to them")?;
    let line = format!("deb {mirror} bookworm-backports main\n");
    eprintln!("writing {BACKPORTS}: {line}");
    fs::write(BACKPORTS, line).with_context(|| format!("cannot write {BACKPORTS}"))
}

/// The mirror in a line such as ` 500 MIRROR bookworm/main amd64 Packages`.
fn mirror_in(policy: &str) -> Option<&str> {
    policy.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (_priority, mirror, suite) = (words.next()?, words.next()?, words.next()?);
        (suite == "bookworm/main").then_some(mirror)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read() {
        let printed = "QEMU emulator version 10.0.2 (Debian 1:10.0.2)\nCopyright";
        assert_eq!(major_in(printed), Some(10));
        assert_eq!(major_in("no such thing"), None);
    }

    #[test]
    fn the_mirror_is_read() {
        let policy = "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n 500 http://mirror.test/debian bookworm/main amd64 Packages\n";
        assert_eq!(mirror_in(policy), Some("http://mirror.test/debian"));
        assert_eq!(mirror_in("Package files:\n"), None);
    }
}
