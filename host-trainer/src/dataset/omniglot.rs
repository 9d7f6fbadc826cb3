//! Omniglot (Lake, Salakhutdinov, Tenenbaum, 2015): handwritten characters of 50
//! alphabets, each drawn by 20 people. The official archives, as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use shared::Preprocess;
use shared::preprocess::{Crop, Fit, Quantization, Tone};

use super::{Class, Dataset, Kind, Part, Sample, Source, Split};

/// The 30 alphabets to learn from.
pub const BACKGROUND: &str = "images_background.zip";
/// The 20 alphabets that only judge.
pub const EVALUATION: &str = "images_evaluation.zip";
/// The official one-shot test.
pub const ALL_RUNS: &str = "all_runs.zip";

/// Alphabets of the background set that choose instead of teaching.
const VALIDATION_ALPHABETS: usize = 5;

/// Far above any drawing's real size.
const MAX_ENTRY: u64 = 1 << 20;

const TERMS: &str = "Omniglot, Lake, Salakhutdinov, Tenenbaum 2015, MIT licence";

/// 28 x 28, ink as signal.
pub fn preprocess() -> Preprocess {
    Preprocess {
        width: 28,
        height: 28,
        tone: Tone::Invert,
        crop: Crop::Whole,
        fit: Fit::Stretch,
        quantization: Quantization {
            scale: 1.0 / 255.0,
            zero_point: 0,
        },
    }
}

/// Reads both image archives. Test: the evaluation set; validation: the five
/// alphabets of the background set whose names have the smallest SHA-256;
/// training: the others.
///
/// # Errors
/// When an archive is missing, damaged, or not laid out as Omniglot is.
pub fn load(data: &Path) -> Result<Dataset> {
    let background = drawings(&locate(data, BACKGROUND)?, "images_background")?;
    let evaluation = drawings(&locate(data, EVALUATION)?, "images_evaluation")?;
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
        samples.extend(images.into_iter().map(|(file, bytes)| Sample {
            class,
            kind: Kind::Genuine,
            name: file,
            source: Source::Encoded(bytes.into()),
        }));
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

type Drawings = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// Drawings by class `Alphabet/characterNN`, then by file name.
fn drawings(archive: &Path, top: &str) -> Result<Drawings> {
    let mut drawings = Drawings::new();
    for_each_entry(archive, |name, bytes| {
        let parts: Vec<&str> = name.split('/').collect();
        if let [folder, alphabet, character, file] = parts[..]
            && folder == top
            && file.ends_with(".png")
        {
            let class = drawings
                .entry(format!("{alphabet}/{character}"))
                .or_default();
            class.insert(name.to_owned(), bytes);
        }
    })?;
    ensure!(
        !drawings.is_empty(),
        "{}: expected {top}/Alphabet/characterNN/*.png, found none: is this the official archive?",
        archive.display()
    );
    Ok(drawings)
}

/// Calls `visit` with name and bytes of every file in a zip archive.
pub(super) fn for_each_entry(archive: &Path, mut visit: impl FnMut(&str, Vec<u8>)) -> Result<()> {
    let context = || format!("{}: expected a whole zip archive", archive.display());
    let mut zip =
        zip::ZipArchive::new(File::open(archive).with_context(context)?).with_context(context)?;
    for index in 0..zip.len() {
        let entry = zip.by_index(index).with_context(context)?;
        if !entry.is_file() || entry.size() > MAX_ENTRY {
            continue;
        }
        let name = entry.name().with_context(context)?.into_owned();
        let mut bytes = Vec::new();
        entry
            .take(MAX_ENTRY)
            .read_to_end(&mut bytes)
            .with_context(context)?;
        visit(&name, bytes);
    }
    Ok(())
}

/// One trial of the official test: a drawing to be matched with one of a run's 20.
#[derive(Clone, Debug)]
pub struct Run {
    /// The 20 reference drawings.
    pub references: Vec<Source>,
    /// Drawings to classify, each with the index of its reference.
    pub trials: Vec<(Source, usize)>,
}

/// Reads the official test: 20 runs of 20 trials, 20-way 1-shot within alphabet.
///
/// # Errors
/// When the archive is missing, damaged or incomplete.
pub fn all_runs(data: &Path) -> Result<Vec<Run>> {
    let archive = locate(data, ALL_RUNS)?;
    let mut files: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
    for_each_entry(&archive, |name, bytes| {
        files.insert(name.to_owned(), bytes.into());
    })?;
    let runs: BTreeSet<String> = files
        .keys()
        .filter_map(|name| name.split_once('/'))
        .map(|(run, _)| run.to_owned())
        .filter(|run| run.starts_with("run"))
        .collect();
    ensure!(
        !runs.is_empty(),
        "{}: expected runNN folders, found none",
        archive.display()
    );
    runs.iter()
        .map(|run| read_run(run, &files).with_context(|| archive.display().to_string()))
        .collect()
}

fn read_run(run: &str, files: &BTreeMap<String, Arc<[u8]>>) -> Result<Run> {
    let file = |name: &str| {
        files
            .get(name)
            .with_context(|| format!("expected {name} in the archive, found none"))
    };
    let labels = file(&format!("{run}/class_labels.txt"))?;
    let labels = std::str::from_utf8(labels).context("class_labels.txt is not text")?;
    let prefix = format!("{run}/training/");
    let names: Vec<&String> = files
        .keys()
        .filter(|name| name.starts_with(&prefix) && name.ends_with(".png"))
        .collect();
    let references = names
        .iter()
        .map(|name| Ok(Source::Encoded(file(name)?.clone())))
        .collect::<Result<_>>()?;
    let trials = labels
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let (probe, reference) = line
                .split_once(' ')
                .with_context(|| format!("expected two file names, found {line:?}"))?;
            let index = names
                .iter()
                .position(|name| name.as_str() == reference.trim())
                .with_context(|| format!("expected {reference} in the archive, found none"))?;
            Ok((Source::Encoded(file(probe)?.clone()), index))
        })
        .collect::<Result<_>>()?;
    Ok(Run { references, trials })
}
