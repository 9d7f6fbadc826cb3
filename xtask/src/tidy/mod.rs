//! `tidy`: the rules of ARCHITECTURE.md that the compiler cannot check.
//!
//! This file reads; the rules are pure functions in the files beside it, each
//! returning what it finds wrong.

mod manifest;
mod model;
mod source;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// A file larger than this has no place in the repository.
const LARGEST: u64 = 4 << 20;

/// Checks every tracked file, and every new one that git would not ignore.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = files(workspace)?;
    let mut found = Vec::new();
    let mut warnings = Vec::new();
    for path in &files {
        check_file(workspace, path, &mut found, &mut warnings)?;
    }
    found.extend(models(workspace, &files)?);
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if found.is_empty() {
        eprintln!("{} files are tidy", files.len());
        return Ok(());
    }
    for fault in &found {
        eprintln!("tidy: {fault}");
    }
    bail!("{} faults, listed above", found.len())
}

fn check_file(
    workspace: &Workspace,
    path: &str,
    found: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let file = workspace.root.join(path);
    let size = file.metadata().with_context(|| path.to_owned())?.len();
    if size > LARGEST {
        found.push(format!(
            "{path}: expected at most {LARGEST} bytes, found {size}: large files do not belong in the repository"
        ));
    }
    let content = fs::read(&file).with_context(|| path.to_owned())?;
    // What is no text is data, and only its size counts.
    let Ok(text) = String::from_utf8(content) else {
        return Ok(());
    };
    found.extend(words::forbidden(path, &text));
    if path.ends_with(".rs") {
        found.extend(source::too_long(path, &text));
        found.extend(source::unfinished(path, &text));
        warnings.extend(source::growing(path, &text));
    }
    if path == "shared/src/lib.rs" {
        found.extend(source::attributes_missing(path, &text));
    }
    if path.starts_with("shared/src/") {
        found.extend(source::allocates(path, &text));
    }
    if path.ends_with("Cargo.toml") {
        found.extend(manifest::forbidden_dependencies(path, &text));
    }
    Ok(())
}

/// Checks the folders below `models/`.
fn models(workspace: &Workspace, files: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut models: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in files {
        if let Some((name, file)) = path
            .strip_prefix("models/")
            .and_then(|path| path.split_once('/'))
        {
            models.entry(name).or_default().push(file);
        }
    }
    let mut found = Vec::new();
    for (name, files) in models {
        let folder = workspace.root.join("models").join(name);
        let card = match files.contains(&model::CARD) {
            true => fs::read_to_string(folder.join(model::CARD))?,
            false => String::new(),
        };
        found.extend(model::files_missing(name, &files, &card));
        if !card.is_empty() {
            found.extend(model::sums_wrong(name, &card, |file| {
                fs::read(folder.join(file)).ok()
            }));
        }
    }
    Ok(found)
}

/// The files that git tracks or would add, by their path from the root.
fn files(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let mut list = process::command(workspace, "git");
    list.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listed = process::ask(&mut list).context(
        "`git ls-files` failed: tidy checks what git tracks, so it needs a git checkout",
    )?;
    Ok(listed
        .split('\0')
        .filter(|path| !path.is_empty() && workspace.root.join(path).is_file())
        .map(str::to_owned)
        .collect())
}
