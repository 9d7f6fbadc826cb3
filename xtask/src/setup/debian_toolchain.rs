//! A rustup toolchain made of Debian's packages, where rustup may not download.
//!
//! Debian's `rustc-web` (a recent Rust, kept for its web browsers) cannot be
//! installed beside rustup, so its packages are only downloaded and unpacked into
//! the cache; the bare-metal core library is compiled from their sources. Nothing
//! is installed and no rights are needed. Apt checks the packages' signatures;
//! their version is Debian's current one, as its archive keeps no other.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::apt::{Apt, field_of};
use super::cache;
use crate::process;
use crate::workspace::Workspace;

/// How rustup knows it: `cargo +debweb`.
pub(super) const NAME: &str = "debweb";

/// Makes it, with the core library of each target.
pub(super) fn make(workspace: &Workspace, targets: &[&str]) -> Result<()> {
    let names = targets.join(", ");
    let linked = linked()?;
    let ours = workspace.cache.join(NAME);
    if let Some(other) = linked.filter(|place| place.exists() && *place != ours) {
        bail!(
            "rustup has a toolchain `{NAME}` at {}, which cannot build for all of {names}: remove it with `rustup toolchain uninstall {NAME}`, then run setup again",
            other.display()
        );
    }
    // Only reached when what is there does not work.
    cache::discard(workspace, NAME)?;
    eprintln!(
        "{names}: not all there, and not to be had from rustup; making a toolchain of Debian's packages: up to 150 MB download, 0.8 GB on disk meanwhile, 0.5 GB kept in {}",
        workspace.cache.display()
    );
    let place = cache::piece(workspace, NAME, |work, toolchain| {
        let unpacked = unpack(workspace, work)?;
        assemble(workspace, &unpacked, toolchain)?;
        for target in targets {
            compile_core(workspace, work, toolchain, target)?;
        }
        fs::remove_dir_all(toolchain.join("lib/rustlib/src"))
            .context("cannot remove the compiled sources")
    })?;
    let mut link = process::command(workspace, "rustup");
    process::run(link.args(["toolchain", "link", NAME]).arg(place))
}

/// Adds the standard library for `target`, which Debian has compiled for its own
/// `architecture`, to the toolchain.
pub(super) fn add_library(workspace: &Workspace, target: &str, architecture: &str) -> Result<()> {
    const FIRST: &str = "run `cargo xtask setup --only bare-metal`, which makes one";
    let toolchain = linked()?
        .filter(|place| place.exists())
        .with_context(|| format!("rustup has no toolchain `{NAME}`: {FIRST}"))?;
    let mut rustc = process::command(workspace, "rustc");
    rustc.arg(format!("+{NAME}")).env_remove("RUSTUP_TOOLCHAIN");
    let compiler = process::ask(rustc.arg("--version"))
        .and_then(|printed| printed.split_whitespace().nth(1).map(str::to_owned))
        .with_context(|| format!("`rustc +{NAME} --version` names no version"))?;
    let name = format!("{NAME}-{target}");
    // Only reached when what is there does not work.
    cache::discard(workspace, &name)?;
    eprintln!(
        "{target}: not there, and not to be had from rustup; adding Debian's package to the toolchain: up to 80 MB download, 0.2 GB kept in {}",
        workspace.cache.display()
    );
    let library = cache::piece(workspace, &name, |work, library| {
        let apt = Apt::new(workspace, work, Some(architecture))?;
        let package = format!("libstd-rust-web-dev:{architecture}");
        let version = apt.field(&package, "Version").unwrap_or_default();
        ensure!(
            version.starts_with(&compiler),
            "expected `{package}` of version {compiler}, found {version:?}: if Debian has a newer compiler, remove the toolchain by `rustup toolchain uninstall {NAME}` and {FIRST}"
        );
        let unpacked = work.join("unpacked");
        apt.unpack(&[package], &unpacked)?;
        take(
            &unpacked.join("usr/lib/rustlib").join(target).join("lib"),
            library,
        )
    })?;
    let link = toolchain.join("lib/rustlib").join(target);
    if link.is_symlink() {
        fs::remove_file(&link)?;
    }
    symlink(library, &link).with_context(|| format!("cannot make {}", link.display()))
}

/// Where rustup's toolchain of our name is, if it has one.
fn linked() -> Result<Option<PathBuf>> {
    let listed = process::ask(Command::new("rustup").args(["toolchain", "list", "--verbose"]))
        .context("`rustup` is missing: install Rust by rustup, or the target by your system")?;
    Ok(place_in(&listed))
}

/// The folder in a line such as `debweb (default) /path` of rustup's list.
fn place_in(listed: &str) -> Option<PathBuf> {
    let line = listed
        .lines()
        .find(|line| line.split_whitespace().next() == Some(NAME))?;
    line.find('/').map(|start| PathBuf::from(&line[start..]))
}

/// Downloads the packages and unpacks them into a folder of `work`.
fn unpack(workspace: &Workspace, work: &Path) -> Result<PathBuf> {
    let apt = Apt::new(workspace, work, None)?;
    let version = apt.field("rustc-web", "Version").context(
        "no package `rustc-web`: expected Debian 12 or later, with its security updates, in apt's sources",
    )?;
    let minor = version.split('.').take(2).collect::<Vec<_>>().join(".");
    let library = format!("libstd-rust-web-{minor}");
    let depends = apt
        .field(&library, "Depends")
        .with_context(|| format!("no package `{library}` beside rustc-web {version}"))?;
    let llvm = package_starting_with(&depends, "libllvm")
        .with_context(|| format!("`{library}` names no libllvm it depends on"))?;

    let mut packages = apt.missing(&llvm)?;
    packages.extend(["rustc-web", "libstd-rust-web-dev"].map(str::to_owned));
    packages.push(library);
    let unpacked = work.join("unpacked");
    apt.unpack(&packages, &unpacked)?;
    // Of the sources, which are large, the standard library is enough.
    for package in apt.download(&["rust-web-src".to_owned()])? {
        let mut dpkg = Command::new("dpkg-deb");
        let mut tar = Command::new("tar");
        tar.arg("--extract").arg("--directory").arg(&unpacked);
        tar.args(["--wildcards", "./usr/src/rustc-*/library"]);
        process::pipe(dpkg.arg("--fsys-tarfile").arg(package), &mut tar)?;
    }
    Ok(unpacked)
}

/// Puts the unpacked files where a toolchain has them.
fn assemble(workspace: &Workspace, unpacked: &Path, toolchain: &Path) -> Result<()> {
    let (bin, lib) = (toolchain.join("bin"), toolchain.join("lib"));
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(&lib)?;
    for program in ["rustc", "rustdoc"] {
        take(&unpacked.join("usr/bin").join(program), &bin)?;
    }
    // The compiler as a library, LLVM, and what this machine lacks of what they
    // load: rustup has the programs of a toolchain look in its `lib`.
    take(&unpacked.join("usr/lib/rustlib"), &lib)?;
    let places = ["lib", "usr/lib"].map(|place| unpacked.join(place).join(multiarch()));
    for place in places.iter().filter(|place| place.is_dir()) {
        for library in entries(place)?.iter().filter(|path| is_library(path)) {
            take(library, &lib)?;
        }
    }
    let source = entries(&unpacked.join("usr/src"))?
        .into_iter()
        .map(|version| version.join("library"))
        .find(|library| library.is_dir())
        .context("expected usr/src/rustc-*/library in rust-web-src, found none")?;
    let sources = lib.join("rustlib/src/rust");
    fs::create_dir_all(&sources)?;
    take(&source, &sources)?;
    borrow(workspace, &bin, &lib)
}

/// Links the programs that Debian's packages lack to those of the active toolchain.
fn borrow(workspace: &Workspace, bin: &Path, lib: &Path) -> Result<()> {
    let mut rustc = process::command(workspace, "rustc");
    let sysroot = process::output(rustc.args(["--print", "sysroot"]))?;
    let active = Path::new(sysroot.trim());
    for program in ["cargo", "cargo-fmt", "rustfmt"] {
        symlink(active.join("bin").join(program), bin.join(program))?;
    }
    let host = host(workspace)?;
    let linker = Path::new("rustlib").join(host).join("bin");
    Ok(symlink(
        active.join("lib").join(&linker),
        lib.join(&linker),
    )?)
}

/// Compiles core and alloc for `target` and puts them into the toolchain.
fn compile_core(workspace: &Workspace, work: &Path, toolchain: &Path, target: &str) -> Result<()> {
    let package = work.join("empty");
    fs::create_dir_all(package.join("src"))?;
    fs::write(package.join("src/lib.rs"), "#![no_std]\n")?;
    fs::write(package.join("Cargo.toml"), EMPTY_PACKAGE)?;
    let built = work.join("built");
    let mut cargo = process::cargo(workspace);
    cargo
        .current_dir(&package)
        .args(["build", "--release", "--target", target])
        .args([
            "-Zbuild-std=core,alloc",
            "-Zbuild-std-features=compiler-builtins-mem",
        ])
        .arg("--target-dir")
        .arg(&built)
        .env("RUSTC", toolchain.join("bin/rustc"))
        .env("LD_LIBRARY_PATH", toolchain.join("lib"))
        // Building the standard library is for nightly; these are its own sources.
        .env("RUSTC_BOOTSTRAP", "1")
        // As in the targets that rustup installs: firmware may link with LTO.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    process::run(&mut cargo)?;
    let rustlib = toolchain.join("lib/rustlib");
    let place = rustlib.join(target).join("lib");
    fs::create_dir_all(&place)?;
    for library in entries(&built.join(target).join("release/deps"))? {
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        let wanted = ["libcore-", "liballoc-", "libcompiler_builtins-"]
            .iter()
            .any(|crate_name| name.starts_with(crate_name));
        if wanted && name.ends_with(".rlib") {
            take(&library, &place)?;
        }
    }
    Ok(())
}

const EMPTY_PACKAGE: &str = r#"[package]
name = "empty"
version = "0.0.0"
edition = "2021"

[workspace]

[profile.release]
panic = "abort"
codegen-units = 1
"#;

/// The first package of a dependency list whose name starts so.
fn package_starting_with(depends: &str, start: &str) -> Option<String> {
    depends
        .split([',', '|'])
        .filter_map(|dependency| dependency.split_whitespace().next())
        .find(|name| name.starts_with(start))
        .map(str::to_owned)
}

/// The compiler's name for this machine.
fn host(workspace: &Workspace) -> Result<String> {
    let mut rustc = process::command(workspace, "rustc");
    let printed = process::output(rustc.arg("--version").arg("--verbose"))?;
    field_of(&printed, "host").context("`rustc -vV` names no host")
}

/// The folder that Debian keeps this machine's libraries in.
fn multiarch() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".so") || name.contains(".so.")
}

pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("expected a folder {}", folder.display()))?;
    Ok(entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?)
}

/// Moves a file or folder into another folder of the same file system.
fn take(path: &Path, into: &Path) -> Result<()> {
    let name = path.file_name().context("a path without a name")?;
    fs::rename(path, into.join(name))
        .with_context(|| format!("expected {} in Debian's packages", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linked_toolchain_is_found_in_rustups_list() {
        let listed =
            "stable-x86_64-unknown-linux-gnu (active, default) /r/stable\ndebweb /opt/debweb\n";
        assert_eq!(place_in(listed), Some("/opt/debweb".into()));
        assert_eq!(place_in("debweb (active) /a b"), Some("/a b".into()));
        assert_eq!(place_in("debweb-old /opt/old"), None);
    }

    #[test]
    fn a_dependency_is_found_by_the_start_of_its_name() {
        let depends = "libc6 (>= 2.36), libllvm22 (>= 1:22), gcc | clang";
        assert_eq!(
            package_starting_with(depends, "libllvm").as_deref(),
            Some("libllvm22")
        );
        assert_eq!(package_starting_with(depends, "libedit"), None);
    }

    #[test]
    fn shared_libraries_are_told_by_name() {
        assert!(is_library(Path::new("lib/libLLVM.so.22.1")));
        assert!(is_library(Path::new("lib/librustc_driver-0.so")));
        assert!(!is_library(Path::new("lib/libz3.a")));
    }
}
