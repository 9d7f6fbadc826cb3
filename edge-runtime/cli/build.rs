//! Links the program that ships without what it cannot use: small boards have little flash.

use std::env;
use std::process::Command;

/// The first C library whose loader reads packed relocations.
const GLIBC_WITH_PACKED_RELOCATIONS: [u32; 2] = [2, 36];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=no-unwinding.ld");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let is_linux = variable("CARGO_CFG_TARGET_OS") == "linux";
    if !is_linux || variable("PROFILE") != "release" {
        return;
    }
    // The profile aborts on panic, and symbols are stripped: tables to unwind by tell nobody
    // anything, and are a tenth of the program.
    let script = format!("{}/no-unwinding.ld", variable("CARGO_MANIFEST_DIR"));
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{script}");
    println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    // The program then asks for such a C library where it runs; it is sure of no older one than
    // that of the machine that links it in any case. An older linker passes it over.
    let is_native = variable("TARGET") == variable("HOST");
    if is_native && glibc().is_some_and(|found| found >= GLIBC_WITH_PACKED_RELOCATIONS) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's C library, if it is glibc.
fn glibc() -> Option<[u32; 2]> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some([major.parse().ok()?, minor.parse().ok()?])
}
