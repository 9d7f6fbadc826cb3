//! A folder per writer, files of pen events in it: anybody's own data.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edge_runtime::pen::{self, is_pen_file};

use super::{Class, Dataset, Kind, Sample, Source, Split, susig};

/// What the name of a forgery has in it, before its number or at its end.
const FORGED: [&str; 2] = ["_forg", "forged"];

/// The fewest writers that make three parts of at least two.
const LEAST_CLASSES: usize = 6;

/// Reads the files (`.csv`, `.sig`; see [`pen::read`]) of folders, one for each writer. A file
/// whose name has `_forg` in it, or begins with `forged`, imitates the writer.
///
/// Writers are split by the hash of their names, [`Split::by_hash`].
///
/// # Errors
/// When a folder or a file cannot be read, or fewer than six folders have files.
pub fn load(data: &Path) -> Result<Dataset> {
    let (mut classes, mut samples) = (vec![], vec![]);
    for folder in entries(data)?.into_iter().filter(|path| path.is_dir()) {
        let mut files = entries(&folder)?;
        files.retain(|path| path.is_file() && is_pen_file(path));
        if files.is_empty() {
            continue;
        }
        let class = u32::try_from(classes.len())?;
        for file in files {
            samples.push(sample(class, &file)?);
        }
        let name = file_name(&folder);
        classes.push(Class {
            group: name.clone(),
            name,
        });
    }
    ensure!(
        classes.len() >= LEAST_CLASSES,
        "{}: expected at least {LEAST_CLASSES} folders with files of pen events ({}), one per writer, found {}: \
         --data names the folder that holds the writers' folders",
        data.display(),
        pen::EXTENSIONS.join(", "),
        classes.len()
    );
    Ok(Dataset {
        name: "pen-folder".into(),
        terms: "the user's own signatures, under the terms that hold for them".into(),
        split: Split::by_hash(&classes),
        classes,
        samples,
        pairs: vec![],
        preprocess: susig::preprocess().into(),
    })
}

fn sample(class: u32, file: &Path) -> Result<Sample> {
    let name = file_name(file).to_ascii_lowercase();
    let [within, first] = FORGED;
    let context = || file.display().to_string();
    let bytes = edge_runtime::file::read(file, pen::MAX_LEN as u64).with_context(context)?;
    Ok(Sample {
        class,
        kind: match name.contains(within) || name.starts_with(first) {
            true => Kind::Forged,
            false => Kind::Genuine,
        },
        name: file.display().to_string(),
        source: Source::Pen(pen::read(&bytes).with_context(context)?.into()),
    })
}

/// Paths in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || {
        format!(
            "{}: expected a folder that can be read, with a folder of pen files per writer; name it by --data",
            folder.display()
        )
    };
    let entries = fs::read_dir(folder).with_context(context)?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>().with_context(context)?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn folders_are_writers_and_names_tell_forgeries() {
        let folder = tempfile::tempdir().unwrap();
        for writer in 0..6 {
            let place = folder.path().join(format!("writer-{writer}"));
            fs::create_dir(&place).unwrap();
            for file in ["1.csv", "2_forg.csv", "FORGED-3.CSV"] {
                let text = "x,y,p,t\n1,2,30,0\n4,6,40,10\n5.4,9,0,20\n7,7,35,30\n";
                fs::write(place.join(file), text).unwrap();
            }
            fs::write(place.join("notes.txt"), "").unwrap();
        }
        let dataset = load(folder.path()).unwrap();
        assert_eq!(dataset.samples.len(), 18);
        let forged = dataset.samples.iter().filter(|s| s.kind == Kind::Forged);
        assert_eq!(forged.count(), 12);
        let Source::Pen(points) = &dataset.samples[0].source else {
            panic!("expected pen events");
        };
        let ends: Vec<bool> = points.iter().map(|point| point.end_of_stroke).collect();
        // A pen without pressure is in the air.
        assert_eq!(ends, [false, true, false]);
        fs::write(folder.path().join("writer-3/9.csv"), "x,y,p,t\n1,2\n").unwrap();
        let refused = format!("{:#}", load(folder.path()).unwrap_err());
        assert!(
            refused.contains("9.csv") && refused.contains("line 2"),
            "{refused}"
        );
    }
}
