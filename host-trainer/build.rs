//! Lets programs and tests of this package find libtorch without LD_LIBRARY_PATH, and with
//! it the GPU.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Set by torch-sys when the feature `libtorch` is on.
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
        // Nobody refers to libtorch's half for GPUs by a symbol, so the linker would leave it
        // out, and libtorch would say that there is no GPU.
        let cuda = Path::new(&folder).join("libtorch_cuda.so");
        if cuda.exists() {
            let cuda = cuda.display();
            println!("cargo:rustc-link-arg=-Wl,--push-state,--no-as-needed,{cuda},--pop-state");
        }
    }
}
