//! ONNX Runtime: the reference that our int8 engines are compared with.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use super::wheel::{self, Wheel};
use super::{cache, link};
use crate::workspace::{Workspace, shown, variable};

/// What the `ort` of our `Cargo.toml` is made for.
const VERSION: &str = "1.24.4";
const FOLDER: &str = "onnxruntime-1.24.4";
const LIBRARY: &str = "libonnxruntime.so";

pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let link = workspace.link("onnxruntime");
    let ours = link.join(LIBRARY);
    if let Some(exported) = variable("ORT_DYLIB_PATH").filter(|exported| *exported != ours) {
        // The library names its version only once loaded; the ort crate checks it.
        ensure!(
            exported.is_file(),
            "ORT_DYLIB_PATH is exported as {}, where there is no file. Unset it, and setup provides the library",
            exported.display()
        );
        eprintln!(
            "ONNX Runtime: the exported ORT_DYLIB_PATH, {}",
            exported.display()
        );
        return Ok(());
    }
    if ours.is_file() {
        eprintln!(
            "ONNX Runtime {VERSION}: already there, {}",
            shown(&link, workspace)
        );
        return Ok(());
    }
    if !workspace.cache.join(FOLDER).join(LIBRARY).is_file() {
        cache::discard(workspace, FOLDER)?;
    }
    let place = cache::piece(workspace, FOLDER, |work, content| {
        let wheel = wheel()?;
        eprintln!(
            "ONNX Runtime {VERSION}: not there; fetching its wheel: 17 MB download, 22 MB kept in {}",
            workspace.cache.display()
        );
        wheel::fetch(workspace, &[wheel], work, content, kept)?;
        ensure!(
            content.join(LIBRARY).is_file(),
            "expected {LIBRARY} in ONNX Runtime's wheel, found none"
        );
        Ok(())
    })?;
    link::point(&link, &place)?;
    eprintln!("ONNX Runtime {VERSION}: ready, {}", place.display());
    Ok(())
}

fn wheel() -> Result<Wheel> {
    let sha256 = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "e54ad52e61d2d4618dcff8fa1480ac66b24ee2eab73331322db1049f11ccf330",
        ("linux", "aarch64") => "046ff290045a387676941a02a8ae5c3ebec6b4f551ae228711968c4a69d8f6b7",
        (system, architecture) => bail!(
            "no ONNX Runtime is pinned for {system} {architecture}: export ORT_DYLIB_PATH with the path of its library, version {VERSION}"
        ),
    };
    Ok(Wheel {
        requirement: "onnxruntime==1.24.4",
        sha256,
    })
}

/// Where a file of the wheel goes, if it is wanted at all.
fn kept(member: &str) -> Option<PathBuf> {
    match member {
        "onnxruntime/capi/libonnxruntime.so.1.24.4" => Some(LIBRARY.into()),
        "onnxruntime/LICENSE" => Some("LICENSE".into()),
        _ => None,
    }
}
