//! Finds out what vector instructions the processor of a board has, which the compiler does
//! not tell.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Multiplies two pairs of 16-bit numbers and adds both products: Cortex-M4 and M7.
    println!("cargo::rustc-check-cfg=cfg(dsp)");
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("thumbv7em-") {
        println!("cargo::rustc-cfg=dsp");
    }
}
