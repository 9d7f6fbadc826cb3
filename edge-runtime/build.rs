//! Finds out what instructions the processor of a board has, which the compiler does not
//! tell.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Two products of 16-bit numbers added at once, and a floating-point unit: Cortex-M4F
    // and M7F, and those of Armv8-M that are named.
    println!("cargo::rustc-check-cfg=cfg(dsp, armv8m)");
    let has_dsp = match env::var("TARGET").as_deref() {
        Ok("thumbv7em-none-eabihf") => true,
        Ok("thumbv8m.main-none-eabihf") => {
            let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
            let named = ["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"];
            named
                .iter()
                .any(|name| flags.contains(&format!("target-cpu={name}")))
        }
        _ => false,
    };
    if has_dsp {
        println!("cargo::rustc-cfg=dsp");
        if env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv8m")) {
            println!("cargo::rustc-cfg=armv8m");
        }
    }
}
