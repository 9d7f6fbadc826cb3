//! Finds out what instructions the processor of a board has, which the compiler does not
//! tell.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cortex-M4F and M7F: two products of 16-bit numbers added at once, and a
    // floating-point unit.
    println!("cargo::rustc-check-cfg=cfg(dsp)");
    if env::var("TARGET").is_ok_and(|target| target == "thumbv7em-none-eabihf") {
        println!("cargo::rustc-cfg=dsp");
    }
}
