//! A folder per class, pictures in it: anybody's own data.
//!
//! ```text
//! anna/1.png  anna/2.png    genuine
//! anna/forged-1.png         a skilled imitation
//! anna_forg/1.png           another one
//! faces.csv                 where the face is on each picture, where that is known
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edge_runtime::picture::{EXTENSIONS, Faces, is_picture};
use shared::Preprocess;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};

use super::{Class, Dataset, Kind, Sample, Source, Split, tree};

/// Names of pictures that imitate their class begin with this.
const FORGED: &str = "forged";

/// Names of folders with such pictures are those of their classes with this.
const FORGED_FOLDER: &str = "_forg";

/// The list of [`Faces`].
const FACES: &str = "faces.csv";

/// The fewest classes that make three parts of at least two.
const LEAST_CLASSES: usize = 6;

/// The usual input: 64 x 64 grey, the middle of the picture.
pub(super) fn preprocess() -> Preprocess {
    PicturePreprocess {
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
    .into()
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
        pairs: vec![],
        preprocess: preprocess(),
    })
}

/// The classes that have pictures, by name, and their samples in that order.
///
/// # Errors
/// When the folder cannot be read, or there is a list of faces that leaves a picture out.
pub fn classes(data: &Path) -> Result<(Vec<Class>, Vec<Sample>)> {
    let mut folders = entries(data)?;
    folders.retain(|folder| folder.is_dir());
    let list = Some(data.join(FACES)).filter(|list| list.is_file());
    let faces = list.as_deref().map(Faces::read).transpose()?;
    let source = |path: PathBuf| -> Result<Source> {
        let face = faces.as_ref().map(|faces| faces.of(&path)).transpose()?;
        let whole = Source::File(path);
        Ok(match face {
            Some(face) => Source::Face(Box::new(whole), face),
            None => whole,
        })
    };
    let (mut classes, mut samples) = (vec![], vec![]);
    for folder in &folders {
        let name = file_name(folder);
        if forged_of(&name).is_some_and(|class| folders.contains(&data.join(class))) {
            continue;
        }
        let imitations = data.join(format!("{name}{FORGED_FOLDER}"));
        let mut own = pictures(folder)?;
        if folders.contains(&imitations) {
            own.extend(pictures(&imitations)?);
        }
        if own.is_empty() {
            continue;
        }
        let class = u32::try_from(classes.len())?;
        for path in own {
            samples.push(Sample {
                class,
                kind: match file_name(&path).starts_with(FORGED) || path.starts_with(&imitations) {
                    true => Kind::Forged,
                    false => Kind::Genuine,
                },
                name: path.display().to_string(),
                source: source(path)?,
            });
        }
        classes.push(Class {
            group: name.clone(),
            name,
        });
    }
    Ok((classes, samples))
}

/// The class that the pictures of a folder of that name imitate.
pub(super) fn forged_of(folder: &str) -> Option<&str> {
    folder.strip_suffix(FORGED_FOLDER)
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
    tree::entries(folder)
        .context("expected a folder with a folder of pictures per class; name it by --data")
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;

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
    fn a_folder_of_imitations_is_its_class_s() {
        let folder = people(7);
        let write = |place: &str| {
            let place = folder.path().join(place);
            fs::create_dir(&place).unwrap();
            fs::write(place.join("1.png"), "").unwrap();
        };
        write("person-3_forg");
        // Nobody's imitations: a class whose name ends so.
        write("somebody_forg");
        let (classes, samples) = classes(folder.path()).unwrap();
        assert_eq!(classes.len(), 8);
        assert_eq!(classes[7].name, "somebody_forg");
        let of = |class: u32, kind: Kind| {
            let own = samples
                .iter()
                .filter(|s| s.class == class && s.kind == kind);
            own.count()
        };
        assert_eq!([of(3, Kind::Genuine), of(3, Kind::Forged)], [2, 2]);
        assert_eq!([of(7, Kind::Genuine), of(7, Kind::Forged)], [1, 0]);
        // Samples of one class are contiguous.
        assert!(samples.is_sorted_by_key(|sample| sample.class));
    }

    #[test]
    fn faces_are_where_a_list_says() {
        let folder = people(7);
        let (_, samples) = classes(folder.path()).unwrap();
        let line = |sample: &Sample| {
            let path = Path::new(&sample.name).strip_prefix(folder.path()).unwrap();
            format!("{},1,2,3,4\n", path.display())
        };
        let mut list: String = samples.iter().map(line).collect();
        fs::write(folder.path().join("faces.csv"), &list).unwrap();
        let (_, samples) = classes(folder.path()).unwrap();
        let is_face = |sample: &Sample| matches!(sample.source, Source::Face(..));
        assert!(samples.iter().all(is_face));
        // A picture that it leaves out is told.
        list = list
            .lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect();
        fs::write(folder.path().join("faces.csv"), &list).unwrap();
        let refused = classes(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("faces.csv"), "{refused}");
    }

    #[test]
    fn too_few_classes_are_told() {
        let folder = people(5);
        let refused = load(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("found 5"), "{refused}");
        assert!(load(&folder.path().join("none")).is_err());
    }
}
