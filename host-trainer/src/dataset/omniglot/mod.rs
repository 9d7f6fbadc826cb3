//! Omniglot (Lake, Salakhutdinov, Tenenbaum, 2015): handwritten characters of 50
//! alphabets, each drawn by 20 people. The official archives, as they are.
//!
//! Three data sets are made of them: the background and evaluation sets as their
//! authors part them (here), [`vinyals`] and [`koch`].

pub mod koch;
mod runs;
pub mod vinyals;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use runs::{Run, all_runs};

use anyhow::{Result, bail, ensure};
use sha2::{Digest, Sha256};
use shared::Preprocess;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};

use super::archive::for_each_entry;
use super::{Class, Dataset, Kind, Part, Sample, Source, Split};

/// The 30 alphabets to learn from.
pub const BACKGROUND: &str = "images_background.zip";
/// The 20 alphabets that only judge.
pub const EVALUATION: &str = "images_evaluation.zip";
/// The official one-shot test.
pub const ALL_RUNS: &str = "all_runs.zip";

/// Alphabets of the background set that choose instead of teaching.
const VALIDATION_ALPHABETS: usize = 5;

const TERMS: &str = "Omniglot, Lake, Salakhutdinov, Tenenbaum 2015, MIT licence";

/// 28 x 28, ink as signal.
pub fn preprocess() -> Preprocess {
    PicturePreprocess {
        width: 28,
        height: 28,
        colour: Colour::Grey,
        tone: Tone::Invert,
        crop: Crop::Whole,
        fit: Fit::Stretch,
        quantization: Quantization {
            scale: 1.0 / 255.0,
            zero_point: 0,
        },
    }
    .into()
}

/// Reads both image archives. Test: the evaluation set; validation: the five
/// alphabets of the background set whose names have the smallest SHA-256;
/// training: the others.
///
/// # Errors
/// When an archive is missing, damaged, or not laid out as Omniglot is.
pub fn load(data: &Path) -> Result<Dataset> {
    let Archives {
        background,
        evaluation,
    } = Archives::read(data)?;
    let alphabets: BTreeSet<&str> = background.keys().map(|name| alphabet(name)).collect();
    let mut by_hash: Vec<&str> = alphabets.into_iter().collect();
    by_hash.sort_by_key(|name| Sha256::digest(name.as_bytes()));
    let validation: BTreeSet<String> = by_hash
        .into_iter()
        .take(VALIDATION_ALPHABETS)
        .map(str::to_owned)
        .collect();

    let (mut classes, mut samples, mut evaluation_classes) = (vec![], vec![], BTreeSet::new());
    evaluation_classes.extend(evaluation.keys().cloned());
    for (name, images) in background.into_iter().chain(evaluation) {
        let class = u32::try_from(classes.len())?;
        samples.extend(images.into_iter().map(|drawing| drawing.sample(class)));
        classes.push(Class {
            group: alphabet(&name).to_owned(),
            name,
        });
    }
    let split = Split::by_class(&classes, |class| {
        if evaluation_classes.contains(&class.name) {
            Part::Test
        } else if validation.contains(&class.group) {
            Part::Validation
        } else {
            Part::Train
        }
    });
    Ok(Dataset {
        name: "omniglot".into(),
        terms: TERMS.into(),
        classes,
        samples,
        split,
        pairs: vec![],
        preprocess: preprocess(),
    })
}

fn alphabet(class: &str) -> &str {
    class
        .split_once('/')
        .map_or(class, |(alphabet, _)| alphabet)
}

/// Finds an archive in `data`, in `data/omniglot`, or beside `data` when that is
/// one of the archives.
///
/// # Errors
/// When it is nowhere; the message says where it was looked for and where the
/// public gets it.
pub fn locate(data: &Path, archive: &str) -> Result<PathBuf> {
    let beside = data.parent().unwrap_or(Path::new("."));
    let folder = if data.is_file() { beside } else { data };
    let candidates = [folder.join(archive), folder.join("omniglot").join(archive)];
    if let Some(found) = candidates.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    bail!(
        "expected Omniglot's {archive} in {}, found none: the public gets it from the repository \
         brendenlake/omniglot on GitHub, folder python; put {BACKGROUND}, {EVALUATION} and \
         {ALL_RUNS} into one folder and name it by --data or SEMBLANCE_DATA",
        folder.display()
    )
}

/// Both image archives.
struct Archives {
    background: Drawings,
    evaluation: Drawings,
}

impl Archives {
    fn read(data: &Path) -> Result<Self> {
        Ok(Self {
            background: drawings(&locate(data, BACKGROUND)?, "images_background")?,
            evaluation: drawings(&locate(data, EVALUATION)?, "images_evaluation")?,
        })
    }
}

/// Drawings by class `Alphabet/characterNN`, in the order of their drawers.
type Drawings = BTreeMap<String, Vec<Drawing>>;

/// One drawing of a character.
#[derive(Clone, Debug)]
struct Drawing {
    /// Its path in the archive.
    name: String,
    /// Which of the alphabet's drawers made it, from 1.
    drawer: u8,
    /// The PNG file.
    png: Source,
}

impl Drawing {
    fn sample(self, class: u32) -> Sample {
        Sample {
            class,
            kind: Kind::Genuine,
            name: self.name,
            source: self.png,
        }
    }
}

fn drawings(archive: &Path, top: &str) -> Result<Drawings> {
    let mut drawings = Drawings::new();
    for_each_entry(archive, |name, bytes| {
        let parts: Vec<&str> = name.split('/').collect();
        if let [folder, alphabet, character, file] = parts[..]
            && folder == top
            && let Some(drawer) = drawer(file)
        {
            let class = format!("{alphabet}/{character}");
            drawings.entry(class).or_default().push(Drawing {
                name: name.to_owned(),
                drawer,
                png: Source::Encoded(bytes.into()),
            });
        }
    })?;
    for class in drawings.values_mut() {
        class.sort_by(|a, b| a.name.cmp(&b.name));
    }
    ensure!(
        !drawings.is_empty(),
        "{}: expected {top}/Alphabet/characterNN/NNNN_NN.png, found none: is this the official archive?",
        archive.display()
    );
    Ok(drawings)
}

/// The drawer in a drawing's name, `0907_12.png`, with or without its folder.
pub(crate) fn drawer(file: &str) -> Option<u8> {
    let (_, drawer) = file.strip_suffix(".png")?.rsplit_once('_')?;
    drawer.parse().ok()
}
