//! Tasks as folders `images` and `labels`, with files of the same names.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use edge_runtime::picture::Picture;
use rayon::prelude::*;
use serde::Deserialize;

use super::{Case, Entry, Folders, LabelMap, Pair, Task, by_folder, by_stem, folder_name, paired};
use crate::dataset::tree::Tree;

/// The file that names classes.
const NAMES: &str = "tasks.json";

/// What [`NAMES`] says of a task; it says more.
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    labels: BTreeMap<u8, String>,
}

/// The tasks in a tree.
///
/// # Errors
/// When a file has no partner, is damaged or no map of classes; the message names it.
pub(super) fn tasks(tree: &Tree) -> Result<Vec<Task>> {
    let folders = by_folder(tree);
    let mut tasks = vec![];
    for (folder, pictures) in &folders {
        let Some(base) = folder.strip_suffix("images") else {
            continue;
        };
        let is_whole_name = base.is_empty() || base.ends_with('/');
        if let Some(labels) = folders.get(format!("{base}labels").as_str())
            && is_whole_name
        {
            let base = base.trim_end_matches('/');
            tasks.push(task(tree, &folders, base, [pictures, labels])?);
        }
    }
    Ok(tasks)
}

fn task(
    tree: &Tree,
    folders: &Folders<'_>,
    base: &str,
    [pictures, labels]: [&BTreeMap<&str, Entry<'_>>; 2],
) -> Result<Task> {
    let name = folder_name(tree, base);
    let names = names(tree, folders, base, &name)?;
    let pairs = paired(
        tree,
        by_stem(tree, pictures.iter())?,
        by_stem(tree, labels.iter())?,
    )?;
    let cases: Result<Vec<Case>> = pairs.par_iter().map(|pair| case(tree, pair)).collect();
    Ok(Task::new(name, cases?, &names))
}

fn case(tree: &Tree, pair: &Pair<'_>) -> Result<Case> {
    let picture = pair.picture.picture(tree)?;
    let place = tree.place(pair.labels.path);
    let bytes = pair.labels.source.bytes().with_context(|| place.clone())?;
    let labels = label_map(&bytes, &place)?;
    Case::new(&pair.name, picture, labels, &place)
}

/// The class numbers in a PNG file.
///
/// # Errors
/// When it is not of 8 bits and grey: others would be converted, and classes no longer be what
/// they were.
fn label_map(bytes: &[u8], place: &str) -> Result<LabelMap> {
    /// Where a PNG file's first chunk says how many bits a channel has and which there are.
    const FORMAT: std::ops::Range<usize> = 24..26;
    const GREY_8: [u8; 2] = [8, 0];
    let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    let format = bytes.get(FORMAT).filter(|_| is_png);
    ensure!(
        format == Some(&GREY_8[..]),
        "{place}: expected a PNG file of 8 bits, grey, whose values are class numbers, found {}: save it so",
        match format {
            Some([bits, 0]) => format!("{bits} bits, grey"),
            Some([bits, 3]) => format!("{bits} bits, a palette"),
            Some([bits, _]) => format!("{bits} bits, with colour or transparency"),
            _ => "another format".into(),
        }
    );
    let picture = Picture::decode(bytes).with_context(|| place.to_owned())?;
    let image = picture.image().with_context(|| place.to_owned())?;
    let [width, height] = image.size();
    Ok(LabelMap {
        width,
        height,
        values: image.pixels().to_vec(),
    })
}

/// Names of a task's classes, from the first file that has some: beside its folders, above, or
/// above a folder that is the tree itself.
fn names(
    tree: &Tree,
    folders: &Folders<'_>,
    base: &str,
    task: &str,
) -> Result<BTreeMap<u8, String>> {
    let above = base.rsplit_once('/').map_or("", |(above, _)| above);
    for folder in [base, above] {
        if let Some(entry) = folders.get(folder).and_then(|files| files.get(NAMES)) {
            let place = tree.place(entry.path);
            let bytes = entry.source.bytes().with_context(|| place.clone())?;
            return described(&bytes, task, &place);
        }
    }
    let above = tree.root.join("..").join(NAMES);
    if base.is_empty() && above.is_file() {
        let place = above.display().to_string();
        let bytes = fs::read(&above).with_context(|| place.clone())?;
        return described(&bytes, task, &place);
    }
    Ok(BTreeMap::new())
}

fn described(bytes: &[u8], task: &str, place: &str) -> Result<BTreeMap<u8, String>> {
    let tasks: BTreeMap<String, Described> =
        serde_json::from_slice(bytes).with_context(|| {
            format!(
                "{place}: expected {{\"TASK\": {{\"labels\": {{\"1\": \"NAME\", ...}}}}, ...}}, found something else"
            )
        })?;
    let own = tasks.into_iter().find(|(name, _)| name == task);
    Ok(own.map(|(_, task)| task.labels).unwrap_or_default())
}
