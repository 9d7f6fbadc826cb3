//! Finds out what instructions the processor of a board has, which the compiler does not
//! tell.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Two products of 16-bit numbers added at once, and a floating-point unit: Cortex-M4F
    // and M7F, and those of Armv8-M that are named.
    println!("cargo::rustc-check-cfg=cfg(dsp, armv8m, no_float)");
    let has_dsp = match env::var("TARGET").as_deref() {
        Ok("thumbv7em-none-eabihf") => true,
        Ok("thumbv8m.main-none-eabihf") => {
            let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
            let named = ["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"];
            !flags.contains("-dsp")
                && named
                    .iter()
                    .any(|name| flags.contains(&format!("target-cpu={name}")))
        }
        _ => false,
    };
    let target = env::var("TARGET").unwrap_or_default();
    let integers = ["riscv32i-", "riscv32im-", "riscv32imc-", "riscv32imac-"];
    let no_float = target.starts_with("thumb") && target.ends_with("eabi")
        || integers.iter().any(|start| target.starts_with(start));
    if no_float {
        println!("cargo::rustc-cfg=no_float");
    }
    if has_dsp {
        println!("cargo::rustc-cfg=dsp");
        if env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv8m")) {
            println!("cargo::rustc-cfg=armv8m");
        }
    }
}
