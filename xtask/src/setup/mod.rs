//! `setup`: fetches what is missing, each piece pinned, and says how large it is.

pub(crate) mod aarch64;
mod apt;
pub(crate) mod bare_metal;
mod cache;
mod debian_toolchain;
mod libtorch;
mod link;
mod onnxruntime;
pub(crate) mod qemu;
pub(crate) mod toolchain;
mod wheel;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::workspace::Workspace;

/// Fetch what the project needs and this machine lacks
///
/// Downloads come from package registries only (PyPI by pip, Debian by apt,
/// rustup). Libraries are pinned by version and content; Debian's compiler is
/// the current one, as its archive keeps no other. What is fetched is kept
/// outside the repository: in $SEMBLANCE_CACHE, else $XDG_CACHE_HOME/semblance,
/// else ~/.cache/semblance.
/// The repository only gets links, in .semblance/, where .cargo/config.toml
/// finds them: afterwards `cargo run` and `cargo test` need no variable.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Set up this piece alone
    #[arg(long, value_name = "PIECE")]
    only: Option<Piece>,
}

/// Something that setup provides.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Piece {
    /// What training runs on: an exported LIBTORCH or an installed PyTorch
    /// of the right version, else the CPU libraries of PyTorch's wheel (544 MB
    /// download, 0.5 GB on disk)
    Libtorch,
    /// The reference that int8 engines are compared with (17 MB download, 22 MB
    /// on disk)
    Onnxruntime,
    /// The compiler's core library for Cortex-M: by rustup where it may download,
    /// else a toolchain made of Debian's packages (150 MB download, 0.5 GB
    /// on disk)
    BareMetal,
    /// What runs tests for 64-bit Arm Linux: a linker and qemu-user, installed by apt,
    /// which needs root, and the standard library, by rustup or of Debian's packages
    /// (100 MB download, 0.4 GB on disk). Left out where it cannot be had
    Aarch64,
    /// QEMU 10, which runs the firmware's boards (Arm, 32-bit RISC-V), installed by apt, which
    /// needs root. Left out where it cannot be had
    Qemu,
}

/// What training and evaluation need.
pub(crate) const ENGINES: &[Piece] = &[Piece::Libtorch, Piece::Onnxruntime];
/// What the tests need.
const ALL: &[Piece] = &[Piece::Libtorch, Piece::Onnxruntime, Piece::BareMetal];

pub(crate) fn run(workspace: &Workspace, arguments: Arguments) -> Result<()> {
    match arguments.only {
        Some(piece) => ensure(workspace, &[piece]),
        None => ensure_all(workspace),
    }
}

/// Provides what tests use: what they need, and what they can do without.
pub(crate) fn ensure_all(workspace: &Workspace) -> Result<()> {
    ensure(workspace, ALL)?;
    if let Err(error) = ensure(workspace, &[Piece::Aarch64]) {
        eprintln!("{error:#}\naarch64: left out; tests on 64-bit Arm will be skipped");
    }
    if let Err(error) = ensure(workspace, &[Piece::Qemu]) {
        eprintln!("{error:#}\nqemu: left out; tests of the firmware will be skipped");
    }
    Ok(())
}

/// Provides the pieces that are missing.
pub(crate) fn ensure(workspace: &Workspace, pieces: &[Piece]) -> Result<()> {
    for piece in pieces {
        let (name, done) = match piece {
            Piece::Libtorch => ("libtorch", libtorch::ensure(workspace)),
            Piece::Onnxruntime => ("onnxruntime", onnxruntime::ensure(workspace)),
            Piece::BareMetal => ("bare-metal", bare_metal::ensure(workspace)),
            Piece::Aarch64 => ("aarch64", aarch64::ensure(workspace)),
            Piece::Qemu => ("qemu", qemu::ensure(workspace)),
        };
        done.with_context(|| format!("setup of {name}"))?;
    }
    Ok(())
}
