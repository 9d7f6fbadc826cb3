//! The AT&T Database of Faces, formerly ORL (Samaria and Harter, "Parameterisation of a
//! stochastic model for human face identification", 1994): 40 people, ten photographs
//! each of 92 x 112 grey pixels. The archive as the public has it, or its folders.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};
use shared::Preprocess;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};

use super::archive::for_each_entry;
use super::tree::entries;
use super::{Class, Dataset, Kind, Part, Sample, Source, Split};

/// Subjects above this number always judge: "the last five" of Chopra, Hadsell and
/// LeCun, "Learning a similarity metric discriminatively", 2005.
const LAST_LEARNT: u32 = 35;

/// How many of the first 35 subjects choose, and how many judge.
const JUDGING: usize = 6;

const TERMS: &str = "AT&T Database of Faces; credit to Olivetti Research Laboratory; Samaria and Harter 1994; \
    photographs of real people, no formal licence";

/// 46 x 56: half of each side, so that the aspect ratio stays.
fn preprocess() -> Preprocess {
    PicturePreprocess {
        width: 46,
        height: 56,
        colour: Colour::Grey,
        tone: Tone::Keep,
        crop: Crop::Whole,
        fit: Fit::Stretch,
        quantization: Quantization {
            scale: 1.0 / 255.0,
            zero_point: 0,
        },
    }
    .into()
}

/// Photographs by subject and number.
type Photographs = BTreeMap<(u32, u32), Source>;

/// Reads archives `att_faces*.zip` in `data` or its folder `orl_faces`, or pictures
/// `sN/M.pgm` there or in a folder `att_faces`; `data` may be the archive itself. Any
/// subjects will do. Classes are ordered by number.
///
/// Subjects 36 to 40 judge. Of the others, ordered by the SHA-256 of their names, the
/// first six judge, the next six choose, all others teach; which subjects are present
/// changes nothing of this.
///
/// # Errors
/// When there are no such files, or an archive is damaged.
pub fn load(data: &Path) -> Result<Dataset> {
    let photographs = find(data)?;
    let (mut classes, mut samples) = (Vec::<Class>::new(), vec![]);
    for ((subject, number), source) in photographs {
        let name = format!("s{subject}");
        if classes.last().is_none_or(|last| last.name != name) {
            classes.push(Class {
                group: name.clone(),
                name: name.clone(),
            });
        }
        samples.push(Sample {
            class: u32::try_from(classes.len() - 1)?,
            kind: Kind::Genuine,
            name: format!("{name}/{number}.pgm"),
            source,
        });
    }
    Ok(Dataset {
        name: "orl-faces".into(),
        terms: TERMS.into(),
        split: Split::by_class(&classes, |class| part(&class.name)),
        classes,
        samples,
        pairs: vec![],
        preprocess: preprocess(),
    })
}

fn part(subject: &str) -> Part {
    let mut order: Vec<String> = (1..=LAST_LEARNT)
        .map(|number| format!("s{number}"))
        .collect();
    order.sort_by_key(|name| Sha256::digest(name.as_bytes()));
    match order.iter().position(|name| name == subject) {
        None => Part::Test,
        Some(place) if place < JUDGING => Part::Test,
        Some(place) if place < 2 * JUDGING => Part::Validation,
        Some(_) => Part::Train,
    }
}

fn find(data: &Path) -> Result<Photographs> {
    let mut photographs = Photographs::new();
    if data.is_file() {
        read_archive(data, &mut photographs)?;
    }
    for folder in ["", "orl_faces", "att_faces"].map(|name| data.join(name)) {
        if !photographs.is_empty() || !folder.is_dir() {
            continue;
        }
        for path in entries(&folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("att_faces") && name.ends_with(".zip") {
                read_archive(&path, &mut photographs)?;
            } else if path.is_dir() && subject(&name).is_some() {
                let pictures = entries(&path)?.into_iter().filter_map(|picture| {
                    Some((place(&picture.to_string_lossy())?, Source::File(picture)))
                });
                photographs.extend(pictures);
            }
        }
    }
    ensure!(
        !photographs.is_empty(),
        "expected the AT&T Database of Faces in {}, its folder orl_faces or att_faces, found none: get att_faces.zip \
         (formerly of AT&T Laboratories Cambridge) and name the folder that holds it, or its folders s1, s2 and so \
         on, by --data or SEMBLANCE_DATA",
        data.display()
    );
    Ok(photographs)
}

fn read_archive(archive: &Path, photographs: &mut Photographs) -> Result<()> {
    for_each_entry(archive, |name, bytes| {
        if let Some(place) = place(name) {
            photographs.insert(place, Source::Encoded(bytes.into()));
        }
    })
}

/// Subject and number of a path that ends in `sN/M.pgm`.
fn place(path: &str) -> Option<(u32, u32)> {
    let (folder, file) = path.rsplit_once('/')?;
    let number = file.strip_suffix(".pgm")?.parse().ok()?;
    let folder = folder.rsplit_once('/').map_or(folder, |(_, last)| last);
    Some((subject(folder)?, number))
}

fn subject(folder: &str) -> Option<u32> {
    folder.strip_prefix('s')?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;

    use super::*;

    /// A photograph of one grey, with a comment and odd white space in its header.
    fn pgm(grey: u8) -> Vec<u8> {
        let header = "P5\n# made by hand\n  92\t112\n# another\n255\n";
        [header.as_bytes(), &vec![grey; 92 * 112]].concat()
    }

    fn folder(subjects: &[u32]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for subject in subjects {
            let place = folder.path().join(format!("s{subject}"));
            fs::create_dir(&place).unwrap();
            for number in [10, 2, 1] {
                fs::write(place.join(format!("{number}.pgm")), pgm(*subject as u8)).unwrap();
            }
        }
        fs::write(folder.path().join("README"), "").unwrap();
        folder
    }

    #[test]
    fn subjects_and_photographs_are_in_order_of_their_numbers() {
        let folder = folder(&[10, 9, 36]);
        let dataset = load(folder.path()).unwrap();
        let classes: Vec<_> = dataset.classes.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(classes, ["s9", "s10", "s36"]);
        let samples: Vec<_> = dataset.samples.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(
            samples[..4],
            ["s9/1.pgm", "s9/2.pgm", "s9/10.pgm", "s10/1.pgm"]
        );
        let picture = dataset.samples[0].picture().unwrap();
        let grey = image::DynamicImage::from(picture).into_luma8();
        assert_eq!(grey.dimensions(), (92, 112));
        assert!(grey.pixels().all(|pixel| pixel.0 == [9]));
    }

    #[test]
    fn parts_do_not_depend_on_who_is_present() {
        let all: Vec<u32> = (1..=40).collect();
        let (all, few) = (folder(&all), folder(&[3, 20, 38]));
        let (all, few) = (load(all.path()).unwrap(), load(few.path()).unwrap());
        for (index, class) in (0u32..).zip(&few.classes) {
            let place = all.classes.iter().position(|other| other == class).unwrap();
            assert_eq!(few.split.part(index), all.split.part(place as u32));
        }
        let count = |part| {
            (0..40)
                .filter(|&class| all.split.part(class) == part)
                .count()
        };
        assert_eq!(
            [Part::Train, Part::Validation, Part::Test].map(count),
            [23, 6, 11]
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let refused = load(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("att_faces.zip"), "{refused}");
    }
}
