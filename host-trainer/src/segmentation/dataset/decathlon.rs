//! Tasks of the Medical Segmentation Decathlon (Antonelli et al., "The Medical Segmentation
//! Decathlon", Nature Communications 13, 2022): volumes in `imagesTr`, their labels in
//! `labelsTr`, names of the classes in `dataset.json`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Deserialize;

use super::nifti::Volume;
use super::{
    Case, Entry, Folders, Pair, Task, by_folder, folder_name, insert_once, paired, slices,
};
use crate::dataset::tree::Tree;

const PICTURES: &str = "imagesTr";
const LABELS: &str = "labelsTr";

/// The file that names classes.
const NAMES: &str = "dataset.json";

/// The largest file of a volume.
const MAX_FILE: u64 = 512 << 20;

/// What [`NAMES`] says; it says more.
#[derive(Default, Deserialize)]
struct Described {
    name: Option<String>,
    #[serde(default)]
    labels: BTreeMap<u8, String>,
}

/// The tasks in a tree.
///
/// # Errors
/// When a volume has no partner or is damaged; the message names it.
pub(super) fn tasks(tree: &Tree) -> Result<Vec<Task>> {
    let folders = by_folder(tree);
    let bases = folders.keys().filter_map(|folder| match *folder {
        PICTURES => Some(""),
        folder => folder.strip_suffix(PICTURES)?.strip_suffix('/'),
    });
    bases.map(|base| task(tree, &folders, base)).collect()
}

fn task(tree: &Tree, folders: &Folders<'_>, base: &str) -> Result<Task> {
    let inside = |folder: &str| match base {
        "" => folders.get(folder),
        base => folders.get(format!("{base}/{folder}").as_str()),
    };
    let described = match folders.get(base).and_then(|files| files.get(NAMES)) {
        None => Described::default(),
        Some(entry) => {
            let bytes = entry.source.bytes();
            let described = bytes.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
            described.with_context(|| {
                let expected = r#"expected {"name": "NAME", "labels": {"1": "NAME", ...}, ...}"#;
                format!("{}: {expected}", tree.place(entry.path))
            })?
        }
    };
    let name = word(
        &described
            .name
            .unwrap_or_else(|| without_number(&folder_name(tree, base))),
    );
    let classes = described.labels.into_iter();
    let classes = classes.map(|(class, label)| (class, format!("{name}_{}", word(&label))));
    let volumes = |folder: &str| volumes(tree, inside(folder));
    let pairs = paired(tree, volumes(PICTURES)?, volumes(LABELS)?)?;
    let cases: Result<Vec<Vec<Case>>> = pairs.par_iter().map(|pair| cases(tree, pair)).collect();
    let cases = cases?.into_iter().flatten().collect();
    Ok(Task::new(name.clone(), cases, &classes.collect()))
}

/// `Task04_Hippocampus` without what stands before the name.
fn without_number(folder: &str) -> String {
    match folder.split_once('_') {
        Some((number, name)) if number.starts_with("Task") => name.to_owned(),
        _ => folder.to_owned(),
    }
}

fn word(name: &str) -> String {
    name.trim().to_lowercase().replace(' ', "_")
}

/// Volumes by what stands before `.nii`.
fn volumes<'a>(
    tree: &Tree,
    files: Option<&BTreeMap<&str, Entry<'a>>>,
) -> Result<BTreeMap<String, Entry<'a>>> {
    let mut volumes = BTreeMap::new();
    for (name, entry) in files.into_iter().flatten() {
        let stem = name.strip_suffix(".nii.gz").or(name.strip_suffix(".nii"));
        if let Some(stem) = stem {
            insert_once(tree, &mut volumes, stem, *entry)?;
        }
    }
    Ok(volumes)
}

/// Some slices of a volume, named `SUBJECT_zINDEX`.
fn cases(tree: &Tree, pair: &Pair<'_>) -> Result<Vec<Case>> {
    let volume = |entry: &Entry<'_>| {
        let bytes = entry.source.bytes_up_to(MAX_FILE);
        let volume = bytes.and_then(|bytes| Volume::read(&bytes));
        volume.with_context(|| tree.place(entry.path))
    };
    let place = tree.place(pair.labels.path);
    let slices = slices::slices(&volume(&pair.picture)?, &volume(&pair.labels)?);
    let slices = slices.with_context(|| place.clone())?;
    let subject = subject(&pair.name);
    let case = |slice: slices::Slice| {
        let name = format!("{subject}_z{:02}", slice.index);
        let case = Case::new(&name, slice.picture, slice.labels, &place)?;
        Ok(Case {
            subject: subject.to_owned(),
            ..case
        })
    };
    slices.into_iter().map(case).collect()
}

/// The number of `hippocampus_001`; the whole name where none stands at its end.
fn subject(stem: &str) -> &str {
    let last = stem.rsplit('_').next().unwrap_or(stem);
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { last } else { stem }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;

    use super::super::nifti::tests::{file, gzip};
    use super::super::tests::folder;
    use super::*;
    use crate::segmentation::dataset::load;

    const DESCRIBED: &str = r#"{"name": "Some Organ",
        "labels": {"0": "background", "1": "Head", "2": "Long tail"}, "numTraining": 2}"#;

    /// Two subjects with four slices each, of which the last two have labels.
    fn files() -> Vec<(&'static str, Vec<u8>)> {
        let values: Vec<f32> = (0..16).map(|n| n as f32).collect();
        let labels: Vec<f32> = (0..16).map(|n| (n / 4 - 1).max(0) as f32).collect();
        let [values, labels] = [values, labels].map(|values| file([2, 2, 4], &values));
        vec![
            ("Task09_Organ/dataset.json", DESCRIBED.into()),
            ("Task09_Organ/imagesTr/organ_007.nii.gz", gzip(&values)),
            ("Task09_Organ/imagesTr/organ_010.nii", values),
            ("Task09_Organ/imagesTr/._organ_010.nii.gz", vec![]),
            ("Task09_Organ/imagesTs/organ_011.nii.gz", vec![]),
            ("Task09_Organ/labelsTr/organ_007.nii.gz", gzip(&labels)),
            ("Task09_Organ/labelsTr/organ_010.nii.gz", gzip(&labels)),
        ]
    }

    fn tar(path: &Path, files: &[(&str, Vec<u8>)]) {
        let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            // As the public archives name theirs, in part.
            tar.append_data(&mut header, format!("./{name}"), &bytes[..])
                .unwrap();
        }
        tar.finish().unwrap();
    }

    fn check(tasks: &[Task]) {
        let [task] = tasks else {
            panic!("{} tasks", tasks.len());
        };
        assert_eq!(task.name, "some_organ");
        let names = |of: fn(&Case) -> &str| task.cases.iter().map(of).collect::<Vec<_>>();
        assert_eq!(
            names(|case| &case.name),
            ["007_z02", "007_z03", "010_z02", "010_z03"]
        );
        assert_eq!(names(|case| &case.subject), ["007", "007", "010", "010"]);
        let structures: Vec<&str> = task.structures.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(
            structures,
            ["some_organ", "some_organ_head", "some_organ_long_tail"]
        );
        assert_eq!(task.cases[1].labels.values, [2; 4]);
    }

    #[test]
    fn a_task_is_the_same_from_its_folder_and_from_its_archive() {
        let data = folder(&files());
        check(&load(Some(data.path())).unwrap());
        check(&load(Some(&data.path().join("Task09_Organ"))).unwrap());
        let other = folder(&[]);
        let archive = other.path().join("Task09_Organ.tar");
        tar(&archive, &files());
        check(&load(Some(&archive)).unwrap());
        check(&load(Some(other.path())).unwrap());
    }

    #[test]
    fn a_task_without_a_description_is_named_by_its_folder() {
        let mut files = files();
        files.remove(0);
        let tasks = load(Some(folder(&files).path())).unwrap();
        assert_eq!(tasks[0].name, "organ");
        assert_eq!(tasks[0].structures[1].name, "class-1");
    }

    #[test]
    fn files_that_do_not_go_together_are_named() {
        let picture = "Task09_Organ/imagesTr/organ_007.nii.gz";
        let labels = "Task09_Organ/labelsTr/organ_007.nii.gz";
        let names = "Task09_Organ/dataset.json";
        let wide = gzip(&file([4, 2, 2], &[1.0; 16]));
        for (path, instead, named, expected) in [
            (picture, None, labels, "a picture of the same name"),
            (labels, None, picture, "labels of the same name"),
            (labels, Some(wide), labels, "[4, 2, 2]"),
            (labels, Some(gzip(&[0; 400])), labels, "NIfTI-1"),
            (picture, Some(gzip(&[1; 9])), picture, "header"),
            (names, Some(b"{".to_vec()), names, "\"labels\""),
        ] {
            let mut files = files();
            files.retain(|(name, _)| *name != path);
            files.extend(instead.map(|bytes| (path, bytes)));
            let refused = format!("{:#}", load(Some(folder(&files).path())).unwrap_err());
            assert!(refused.contains(named), "{refused}");
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn damaged_archives_are_refused() {
        let data = folder(&[]);
        let archive = data.path().join("any.tar");
        tar(&archive, &files());
        let whole = std::fs::read(&archive).unwrap();
        for length in [0, 300, 700, whole.len() / 2] {
            std::fs::write(&archive, &whole[..length]).unwrap();
            let refused = format!("{:#}", load(Some(&archive)).unwrap_err());
            assert!(refused.contains("any.tar"), "{refused}");
        }
        // A file that claims to be longer than any archive.
        let mut long = whole.clone();
        long[124..136].copy_from_slice(b"77777777777\0");
        std::fs::write(&archive, &long).unwrap();
        assert!(load(Some(&archive)).is_err());
    }
}
