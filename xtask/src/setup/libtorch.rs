//! libtorch, PyTorch's C++ library: what `host-trainer` trains on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::wheel::{self, Wheel};
use super::{cache, link};
use crate::process;
use crate::workspace::{Workspace, shown, variable};

/// What the `tch` of our `Cargo.toml` is made for.
const VERSION: &str = "2.11.0";
const FOLDER: &str = "libtorch-2.11.0-cpu";

/// PyTorch's wheel, and the two CUDA libraries that even its CPU part loads.
const WHEELS: &[Wheel] = &[
    Wheel {
        requirement: "torch==2.11.0",
        sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
    },
    Wheel {
        requirement: "nvidia-cuda-runtime==13.0.96",
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    },
    Wheel {
        requirement: "nvidia-cuda-cupti==13.0.85",
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    },
];

/// The libraries of those wheels that a program without a GPU loads.
const LIBRARIES: &[&str] = &[
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "torch/lib/libtorch.so",
    "torch/lib/libtorch_cpu.so",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
];

pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let link = workspace.link("libtorch");
    if let Some(exported) = exported(&link) {
        check_exported(&exported)?;
        eprintln!(
            "libtorch {VERSION}: the exported LIBTORCH, {}",
            exported.display()
        );
        // So that a later shell without the variable finds it too.
        if !fits(&link) {
            link::point(&link, &exported.canonicalize()?)?;
        }
        return Ok(());
    }
    if fits(&link) {
        eprintln!(
            "libtorch {VERSION}: already there, {}",
            shown(&link, workspace)
        );
        return Ok(());
    }
    if let Some(torch) = installed_pytorch(workspace) {
        eprintln!(
            "libtorch {VERSION}: of the installed PyTorch, {}",
            torch.display()
        );
        return link::point(&link, &torch);
    }
    if !fits(&workspace.cache.join(FOLDER)) {
        cache::discard(workspace, FOLDER)?;
    }
    let place = cache::piece(workspace, FOLDER, |work, content| {
        fetch(workspace, work, content)
    })?;
    link::point(&link, &place)?;
    eprintln!("libtorch {VERSION}: ready, {}", place.display());
    Ok(())
}

fn fetch(workspace: &Workspace, work: &Path, content: &Path) -> Result<()> {
    if (std::env::consts::OS, std::env::consts::ARCH) != ("linux", "x86_64") {
        bail!(
            "no libtorch is pinned for {} {}: install PyTorch {VERSION} for python3 (pip install torch=={VERSION}) or export LIBTORCH, then run setup again; it takes either",
            std::env::consts::OS,
            std::env::consts::ARCH
        );
    }
    eprintln!(
        "libtorch {VERSION}: not there; fetching PyTorch's wheel: 544 MB download, 1.1 GB on disk meanwhile, 0.5 GB kept in {}",
        workspace.cache.display()
    );
    wheel::fetch(workspace, WHEELS, work, content, kept)?;
    match version(content) {
        Some(found) if found == VERSION => Ok(()),
        found => bail!(
            "expected libtorch {VERSION} in PyTorch's wheel, found {}",
            found.as_deref().unwrap_or("none")
        ),
    }
}

/// Where a file of the wheels goes, if it is wanted at all.
fn kept(member: &str) -> Option<PathBuf> {
    if LIBRARIES.contains(&member) {
        let name = member.rsplit('/').next()?;
        return Some(Path::new("lib").join(name));
    }
    if member.ends_with(".dist-info/licenses/LICENSE") {
        return Some("LICENSE".into());
    }
    let header = member.strip_prefix("torch/include/")?;
    Some(Path::new("include").join(header))
}

/// A `LIBTORCH` that the user exported; cargo sets ours where he has not.
fn exported(link: &Path) -> Option<PathBuf> {
    variable("LIBTORCH").filter(|exported| exported != link)
}

/// Cargo lets the exported value win, so one that does not fit must go.
fn check_exported(exported: &Path) -> Result<()> {
    if fits(exported) {
        return Ok(());
    }
    let found =
        version(exported).map_or("no libtorch".to_owned(), |found| format!("version {found}"));
    bail!(
        "LIBTORCH is exported as {}: expected libtorch {VERSION} there, found {found}. Unset it, and setup provides the right one",
        exported.display()
    )
}

/// The folder of the PyTorch that python3 would import, if its version fits.
fn installed_pytorch(workspace: &Workspace) -> Option<PathBuf> {
    // Importing it would take seconds, and fails when a GPU library is missing.
    let find = "import importlib.util; print(importlib.util.find_spec('torch').submodule_search_locations[0])";
    let printed = process::ask(process::command(workspace, "python3").args(["-c", find]))?;
    let torch = PathBuf::from(printed.trim());
    fits(&torch).then_some(torch)
}

fn fits(folder: &Path) -> bool {
    version(folder).is_some_and(|found| found == VERSION)
        && folder.join("lib/libtorch_cpu.so").is_file()
}

/// The version that a libtorch's headers state.
fn version(folder: &Path) -> Option<String> {
    ["torch/headeronly", "torch/csrc/api/include/torch"]
        .iter()
        .filter_map(|header| {
            fs::read_to_string(folder.join("include").join(header).join("version.h")).ok()
        })
        .find_map(|text| version_in(&text))
}

fn version_in(header: &str) -> Option<String> {
    let number = |name: &str| {
        header.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let defined = words.next() == Some("#define") && words.next() == Some(name);
            words.next().filter(|_| defined)?.parse::<u32>().ok()
        })
    };
    let major = number("TORCH_VERSION_MAJOR")?;
    let minor = number("TORCH_VERSION_MINOR")?;
    let patch = number("TORCH_VERSION_PATCH")?;
    Some(format!("{major}.{minor}.{patch}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const HEADER: &str = "/// Major\n#define TORCH_VERSION_MAJOR 2\n\n#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 0\n#define TORCH_VERSION \\\n  \"2.11.0\"\n";

    fn libtorch(folder: &Path, header: &str) -> PathBuf {
        let headers = folder.join("include/torch/headeronly");
        fs::create_dir_all(&headers).unwrap();
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::write(headers.join("version.h"), header).unwrap();
        fs::write(folder.join("lib/libtorch_cpu.so"), "").unwrap();
        folder.to_path_buf()
    }

    #[test]
    fn the_version_is_read_from_the_header() {
        assert_eq!(version_in(HEADER).as_deref(), Some("2.11.0"));
        assert_eq!(version_in("#define TORCH_VERSION_MAJOR two"), None);
        assert_eq!(version_in(""), None);
    }

    #[test]
    fn an_exported_libtorch_is_taken_or_refused_by_its_version() {
        let folder = tempfile::tempdir().unwrap();
        check_exported(&libtorch(&folder.path().join("new"), HEADER)).unwrap();

        let old = HEADER.replace("MINOR 11", "MINOR 4");
        let refused = check_exported(&libtorch(&folder.path().join("old"), &old)).unwrap_err();
        assert!(
            refused.to_string().contains("found version 2.4.0"),
            "{refused}"
        );

        let refused = check_exported(&folder.path().join("absent")).unwrap_err();
        assert!(
            refused.to_string().contains("found no libtorch"),
            "{refused}"
        );
    }

    #[test]
    fn headers_and_cpu_libraries_are_kept_and_nothing_else() {
        let place = |member| kept(member).map(|path| path.to_str().unwrap().to_owned());
        assert_eq!(
            place("torch/lib/libc10.so").as_deref(),
            Some("lib/libc10.so")
        );
        assert_eq!(
            place("nvidia/cu13/lib/libcudart.so.13").as_deref(),
            Some("lib/libcudart.so.13")
        );
        assert_eq!(
            place("torch/include/ATen/ATen.h").as_deref(),
            Some("include/ATen/ATen.h")
        );
        assert_eq!(place("torch/lib/libtorch_cuda.so"), None);
        assert_eq!(place("torch/nn/functional.py"), None);
    }
}
