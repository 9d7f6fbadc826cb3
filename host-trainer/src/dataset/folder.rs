//! A folder per class, pictures in it: anybody's own data.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edge_runtime::picture::{EXTENSIONS, is_picture};
use shared::Preprocess;
use shared::preprocess::{Colour, Crop, Fit, Quantization, Tone};

use super::{Class, Dataset, Kind, Sample, Source, Split};

/// Names of pictures that imitate their class begin with this.
const FORGED: &str = "forged";

/// The fewest classes that make three parts of at least two.
const LEAST_CLASSES: usize = 6;

/// The usual input: 64 x 64 grey, the middle of the picture.
fn preprocess() -> Preprocess {
    Preprocess {
        width: 64,
        height: 64,
        colour: Colour::Grey,
        tone: Tone::Keep,
        crop: Crop::CentreSquare,
        fit: Fit::Stretch,
        quantization: Quantization {
            scale: 1.0 / 255.0,
            zero_point: 0,
        },
    }
}

/// Reads the folder's structure; pictures are decoded when they are asked for.
///
/// The classes are split by the hash of their names, [`Split::by_hash`].
///
/// # Errors
/// When the folder cannot be read or has fewer than six classes with pictures.
pub fn load(data: &Path) -> Result<Dataset> {
    let (classes, samples) = classes(data)?;
    ensure!(
        classes.len() >= LEAST_CLASSES,
        "{}: expected at least {LEAST_CLASSES} folders with pictures ({}), one per class, found {}: \
         --data names the folder that holds the classes' folders",
        data.display(),
        EXTENSIONS.join(", "),
        classes.len()
    );
    Ok(Dataset {
        name: "folder".into(),
        terms: "the user's own pictures, under the terms that hold for them".into(),
        split: Split::by_hash(&classes),
        classes,
        samples,
        preprocess: preprocess(),
    })
}

/// The classes that have pictures, by name, and their samples in that order.
///
/// # Errors
/// When the folder cannot be read.
pub fn classes(data: &Path) -> Result<(Vec<Class>, Vec<Sample>)> {
    let (mut classes, mut samples) = (vec![], vec![]);
    for folder in entries(data)? {
        let pictures = match folder.is_dir() {
            true => pictures(&folder)?,
            false => continue,
        };
        if pictures.is_empty() {
            continue;
        }
        let class = u32::try_from(classes.len())?;
        let name = file_name(&folder);
        samples.extend(pictures.into_iter().map(|path| Sample {
            class,
            kind: match file_name(&path).starts_with(FORGED) {
                true => Kind::Forged,
                false => Kind::Genuine,
            },
            name: path.display().to_string(),
            source: Source::File(path),
        }));
        classes.push(Class {
            group: name.clone(),
            name,
        });
    }
    Ok((classes, samples))
}

/// The pictures in a folder, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut pictures = entries(folder)?;
    pictures.retain(|path| path.is_file() && is_picture(path));
    Ok(pictures)
}

/// Paths in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || {
        format!(
            "{}: expected a folder that can be read, with a folder of pictures per class; name it by --data",
            folder.display()
        )
    };
    let mut paths = fs::read_dir(folder)
        .with_context(context)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()
        .with_context(context)?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::dataset::Part;

    fn people(count: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for person in 0..count {
            let place = folder.path().join(format!("person-{person}"));
            fs::create_dir(&place).unwrap();
            for picture in ["b.PNG", "a.jpg", "forged-1.png", "notes.txt"] {
                fs::write(place.join(picture), "").unwrap();
            }
        }
        fs::write(folder.path().join("README"), "").unwrap();
        folder
    }

    #[test]
    fn folders_are_classes_and_forged_pictures_imitations() {
        let folder = people(7);
        let dataset = load(folder.path()).unwrap();
        assert_eq!(dataset.classes.len(), 7);
        assert_eq!(dataset.samples.len(), 21);
        let forged = dataset.samples.iter().filter(|s| s.kind == Kind::Forged);
        assert_eq!(forged.count(), 7);
        for part in [Part::Validation, Part::Test] {
            assert_eq!(dataset.split.samples(&dataset, part).len(), 6);
        }
    }

    #[test]
    fn too_few_classes_are_told() {
        let folder = people(5);
        let refused = load(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("found 5"), "{refused}");
        assert!(load(&folder.path().join("none")).is_err());
    }
}
