//! Tells the linker what the processor's library and the log are made of.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    // It includes the others, and comes last.
    println!("cargo::rustc-link-arg-bins=-Tlinkall.x");
}
