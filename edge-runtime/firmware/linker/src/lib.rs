//! For the build scripts of boards: tells the linker what memory there is.

use std::path::PathBuf;
use std::{env, fs};

/// Has a program linked with this `memory.x`, before the scripts named. It is copied to where
/// the build's products are, so that those outlive the checkout they were built in.
///
/// # Panics
/// Where it cannot be written; a build script has no better way to say so.
#[allow(clippy::expect_used, reason = "for build scripts")]
pub fn link(memory: &[u8], scripts: &[&str]) {
    let folder = env::var_os("OUT_DIR").map(PathBuf::from);
    let folder = folder.expect("expected to be called by a build script");
    fs::write(folder.join("memory.x"), memory).expect("expected to write memory.x");
    println!("cargo::rustc-link-search={}", folder.display());
    for script in scripts {
        println!("cargo::rustc-link-arg-bins={script}");
    }
    println!("cargo::rerun-if-changed=memory.x");
}
