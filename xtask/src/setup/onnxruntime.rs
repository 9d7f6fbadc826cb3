//! ONNX Runtime: the reference that our int8 engines are compared with.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use super::wheel::{self, Wheel};
use super::{cache, link};
use crate::workspace::{Workspace, shown, variable};

/// What the `ort` of our `Cargo.toml` runs. Up to 1.24, integer convolutions come out
/// wrong on processors with AMX (microsoft/onnxruntime, issue 26324, mended by pull
/// request 27671).
const VERSION: &str = "1.25.1";
const FOLDER: &str = "onnxruntime-1.25.1";
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
    let is_this_version = std::fs::read_link(&link).is_ok_and(|place| place.ends_with(FOLDER));
    if ours.is_file() && is_this_version {
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
            "ONNX Runtime {VERSION}: not there; fetching its wheel: 18 MB download, 23 MB kept in {}",
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
        ("linux", "x86_64") => "79162f873cdfa38cfc8d53d59a8dc7a71a14074df3d565b2f8ce24289545ddc0",
        ("linux", "aarch64") => "fa7d4daa78a18b8f3b410e31e82dab8580363c85cac644179a853f2748618e89",
        (system, architecture) => bail!(
            "no ONNX Runtime is pinned for {system} {architecture}: export ORT_DYLIB_PATH with the path of its library, version {VERSION}"
        ),
    };
    Ok(Wheel {
        requirement: "onnxruntime==1.25.1",
        sha256,
    })
}

/// Where a file of the wheel goes, if it is wanted at all.
fn kept(member: &str) -> Option<PathBuf> {
    match member {
        "onnxruntime/capi/libonnxruntime.so.1.25.1" => Some(LIBRARY.into()),
        "onnxruntime/LICENSE" => Some("LICENSE".into()),
        _ => None,
    }
}
