//! Pictures and masks of the same names in one folder: `NNN.bmp` and `NNN.png`.
//!
//! A mask has some grey value for each class, such as 128 and 255. The values of the whole
//! set, in ascending order, are the classes 1, 2, and so on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use edge_runtime::picture::is_picture;
use rayon::prelude::*;

use super::{Case, Entry, Folders, LabelMap, Pair, Task, by_folder, by_stem, folder_name, paired};
use crate::dataset::tree::{Tree, entries};

/// The most grey values of a set: with more, masks were smoothed or compressed.
const MOST_CLASSES: usize = 32;

/// How the name of a file begins that lies beside folders of white blood cells, in the set of
/// Zheng et al., "Fast and robust segmentation of white blood cell images by self-supervised
/// learning", Micron 107, 2018.
const CELLS_LIST: &str = "Class Labels of Dataset";

/// What 128 and 255 mean in that set.
const CELLS: [(u8, &str); 2] = [(128, "wbc_cytoplasm"), (255, "wbc_nucleus")];

/// The tasks in a tree. In a folder, whose files may be anything, only pairs at its top or
/// beside the list of white blood cells count.
///
/// # Errors
/// When a file has no partner, is damaged or no mask; the message names it.
pub(super) fn tasks(tree: &Tree) -> Result<Vec<Task>> {
    let folders = by_folder(tree);
    let is_archive = tree.root.is_file();
    let mut tasks = vec![];
    for (folder, files) in &folders {
        let are_cells = are_cells(tree, &folders, folder);
        let is_meant = is_archive || folder.is_empty() || are_cells;
        if is_meant && has_pairs(files) {
            tasks.push(task(tree, folder, files, are_cells)?);
        }
    }
    Ok(tasks)
}

/// Whether some picture and some mask have a name in common.
fn has_pairs(files: &BTreeMap<&str, Entry<'_>>) -> bool {
    let mut names = files.keys().map(|name| Path::new(*name));
    names.any(|path| {
        let mask = path.with_extension("png");
        let mask = mask.to_str().unwrap_or_default();
        is_picture(path) && !is_mask(path) && files.contains_key(mask)
    })
}

fn is_mask(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("png")
}

/// Whether the list of white blood cells lies above a folder, or above a folder that is the
/// tree itself.
fn are_cells(tree: &Tree, folders: &Folders<'_>, folder: &str) -> bool {
    if folder.is_empty() {
        let above = entries(&tree.root.join("..")).unwrap_or_default();
        let mut names = above.iter().filter_map(|path| path.file_name()?.to_str());
        return !tree.root.is_file() && names.any(|name| name.starts_with(CELLS_LIST));
    }
    let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
    let mut names = folders.get(above).into_iter().flat_map(BTreeMap::keys);
    names.any(|name| name.starts_with(CELLS_LIST))
}

fn task(
    tree: &Tree,
    folder: &str,
    files: &BTreeMap<&str, Entry<'_>>,
    are_cells: bool,
) -> Result<Task> {
    let of_kind = |of_masks: bool| {
        let files = files.iter().filter(move |(name, _)| {
            let path = Path::new(**name);
            is_picture(path) && is_mask(path) == of_masks
        });
        by_stem(tree, files)
    };
    let pairs = paired(tree, of_kind(false)?, of_kind(true)?)?;
    let cases: Result<Vec<Case>> = pairs.par_iter().map(|pair| case(tree, pair)).collect();
    let mut cases = cases?;
    let name = folder_name(tree, folder);
    let values = cases.iter().flat_map(|case| &case.labels.values);
    let values: BTreeSet<u8> = values.copied().filter(|&value| value != 0).collect();
    ensure!(
        values.len() <= MOST_CLASSES,
        "{}: expected masks with a grey value for each of at most {MOST_CLASSES} classes, found {} values: \
         save masks without smoothing",
        tree.place(folder),
        values.len()
    );
    let mut classes = [0; 256];
    for (class, &value) in (1u8..).zip(&values) {
        classes[usize::from(value)] = class;
    }
    for value in cases.iter_mut().flat_map(|case| &mut case.labels.values) {
        *value = classes[usize::from(*value)];
    }
    let name = match name.strip_prefix("Dataset ") {
        Some(number) if are_cells => format!("wbc{number}"),
        _ => name,
    };
    let cells = CELLS.iter().filter(|_| are_cells);
    let names = cells.map(|&(value, name)| (classes[usize::from(value)], name.to_owned()));
    Ok(Task::new(name, cases, &names.collect()))
}

fn case(tree: &Tree, pair: &Pair<'_>) -> Result<Case> {
    let picture = pair.picture.picture(tree)?;
    let place = tree.place(pair.labels.path);
    let mask = pair.labels.source.picture(&place)?;
    let mask = mask.image().with_context(|| place.clone())?;
    let [width, height] = mask.size();
    let pixels = mask.pixels().chunks_exact(usize::from(mask.channels()));
    let values: Option<Vec<u8>> = pixels
        .map(|pixel| {
            let is_grey = pixel.iter().all(|&value| value == pixel[0]);
            is_grey.then_some(pixel[0])
        })
        .collect();
    let values = values.with_context(|| {
        format!("{place}: expected a mask of grey values, found colours: save it as grey")
    })?;
    let labels = LabelMap {
        width,
        height,
        values,
    };
    Case::new(&pair.name, picture, labels, &place)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

    use super::super::tests::{bytes, folder, zip};
    use super::*;
    use crate::segmentation::dataset::load;

    fn mask(values: [u8; 3]) -> Vec<u8> {
        let mask = GrayImage::from_raw(3, 1, values.into()).unwrap();
        bytes(mask, ImageFormat::Png)
    }

    fn bmp() -> Vec<u8> {
        bytes(RgbImage::new(3, 1), ImageFormat::Bmp)
    }

    /// Cells as in the public archive: the second mask has colours that are all grey.
    fn cells() -> Vec<(&'static str, Vec<u8>)> {
        let grey = GrayImage::from_raw(3, 1, vec![0, 0, 255]).unwrap();
        let grey = DynamicImage::from(grey).into_rgb8();
        vec![
            ("top/Class Labels of Dataset 1.csv", vec![]),
            ("top/README.rst", vec![]),
            ("top/Dataset 1/001.bmp", bmp()),
            ("top/Dataset 1/001.png", mask([0, 128, 255])),
            ("top/Dataset 1/002.bmp", bmp()),
            ("top/Dataset 1/002.png", bytes(grey, ImageFormat::Png)),
        ]
    }

    fn check(tasks: &[Task], name: &str, classes: [&str; 2]) {
        assert_eq!(tasks.len(), 1);
        let values = |case: usize| &tasks[0].cases[case].labels.values[..];
        // The same class in both, though one mask lacks the other.
        assert_eq!([values(0), values(1)], [[0, 1, 2], [0, 0, 2]]);
        assert_eq!(tasks[0].cases[1].subject, "002");
        let structures = tasks[0].structures.iter();
        let structures: Vec<(&str, &[u8])> = structures
            .map(|structure| (structure.name.as_str(), &structure.labels[..]))
            .collect();
        let expected: [(&str, &[u8]); 3] =
            [(name, &[1, 2]), (classes[0], &[1]), (classes[1], &[2])];
        assert_eq!(structures, expected);
    }

    #[test]
    fn white_blood_cells_are_named_wherever_they_lie() {
        let names = ["wbc_cytoplasm", "wbc_nucleus"];
        let data = folder(&cells());
        let cells_of = |place: &str| load(Some(&data.path().join(place))).unwrap();
        for place in ["", "top", "top/Dataset 1"] {
            check(&cells_of(place), "wbc1", names);
        }
        let other = folder(&[]);
        let archive = other.path().join("segmentation_WBC_dataset1.zip");
        zip(&archive, &cells());
        check(&load(Some(&archive)).unwrap(), "wbc1", names);
        check(&load(Some(other.path())).unwrap(), "wbc1", names);
    }

    #[test]
    fn other_sets_have_numbered_classes() {
        let mut files = cells();
        files.retain(|(path, _)| !path.contains("Class Labels"));
        let data = folder(&files);
        let place = data.path().join("top/Dataset 1");
        check(
            &load(Some(&place)).unwrap(),
            "Dataset 1",
            ["class-1", "class-2"],
        );
        // Pairs somewhere in a folder may be anything; in an archive they are meant.
        assert!(load(Some(data.path())).is_err());
        let archive = data.path().join("any.zip");
        zip(&archive, &files);
        check(
            &load(Some(&archive)).unwrap(),
            "Dataset 1",
            ["class-1", "class-2"],
        );
    }

    #[test]
    fn files_that_are_no_pairs_are_named() {
        let [bmp_file, png_file] = ["a.bmp", "a.png"];
        let colour = bytes(
            RgbImage::from_pixel(3, 1, image::Rgb([9, 9, 8])),
            ImageFormat::Png,
        );
        let jpeg = bytes(RgbImage::new(3, 1), ImageFormat::Jpeg);
        for (path, content, named, expected) in [
            ("b.bmp", bmp(), "b.bmp", "labels of the same name"),
            ("b.png", mask([0; 3]), "b.png", "a picture of the same name"),
            ("a.jpg", jpeg, "a.jpg", "one file named a"),
            (png_file, colour, png_file, "found colours"),
            (
                bmp_file,
                bytes(RgbImage::new(1, 3), ImageFormat::Bmp),
                png_file,
                "3 x 1",
            ),
        ] {
            let mut files = vec![(bmp_file, bmp()), (png_file, mask([0, 7, 7]))];
            files.retain(|(name, _)| *name != path);
            files.push((path, content));
            let refused = format!("{:#}", load(Some(folder(&files).path())).unwrap_err());
            assert!(refused.contains(named), "{refused}");
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn smoothed_masks_are_refused() {
        let smooth = GrayImage::from_fn(64, 1, |x, _| image::Luma([x as u8]));
        let data = folder(&[
            ("a.bmp", bytes(RgbImage::new(64, 1), ImageFormat::Bmp)),
            ("a.png", bytes(smooth, ImageFormat::Png)),
        ]);
        let refused = load(Some(data.path())).unwrap_err().to_string();
        assert!(refused.contains("found 63 values"), "{refused}");
    }
}
