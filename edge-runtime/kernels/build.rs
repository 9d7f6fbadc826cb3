//! Finds out what instructions the processor of a board has, which the compiler does not
//! tell.

use std::env;

/// Processors of Armv8-M that may have the DSP extension, and those that may have Helium.
const WITH_DSP: [&str; 4] = ["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"];
const WITH_MVE: [&str; 2] = ["cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(mve, dsp, armv8m, no_float)");
    let target = env::var("TARGET").unwrap_or_default();
    let integers = ["riscv32i-", "riscv32im-", "riscv32imc-", "riscv32imac-"];
    let no_float = target.starts_with("thumb") && target.ends_with("eabi")
        || integers.iter().any(|start| target.starts_with(start));
    if no_float {
        println!("cargo::rustc-cfg=no_float");
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_named = |names: &[&str]| {
        let mut names = names.iter();
        names.any(|name| flags.contains(&format!("target-cpu={name}")))
    };
    match target.as_str() {
        // Two products of 16-bit numbers added at once, and a floating-point unit: Cortex-M4F
        // and M7F.
        "thumbv7em-none-eabihf" => println!("cargo::rustc-cfg=dsp"),
        // Vectors of bytes and of real numbers.
        "thumbv8m.main-none-eabihf" if is_named(&WITH_MVE) && !flags.contains("-mve") => {
            println!("cargo::rustc-cfg=mve");
        }
        "thumbv8m.main-none-eabihf" if is_named(&WITH_DSP) && !flags.contains("-dsp") => {
            println!("cargo::rustc-cfg=dsp");
            println!("cargo::rustc-cfg=armv8m");
        }
        _ => {}
    }
}
