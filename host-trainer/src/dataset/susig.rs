//! SUSIG (Kholmatov and Yanikoglu, "SUSIG: an on-line signature database, associated protocols
//! and benchmark results", Pattern Analysis and Applications 12, 2009): what pens did, genuine
//! signatures and skilled forgeries. Its archives as the public has them, or their folders.
//!
//! Its clocks step back in some files, many strokes have no marked end, units and pressures
//! differ between its two tablets: preprocessing takes all of it as it comes. Nobody knows
//! whether the two corpora have writers in common, so they are data sets of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edge_runtime::pen;
use shared::preprocess::pen::{PenPoint, PenPreprocess, Sampling, Scale};

use super::archive::for_each_entry;
use super::{Class, Dataset, Kind, Part, Sample, Source, Split};

/// Genuine signatures of the first session that are enrolled, in the set's own protocol.
const ENROLLED: u32 = 5;

const TERMS: &str = "SUSIG, Sabanci University; Kholmatov and Yanikoglu 2009; signatures of real people, for research, \
    no formal licence";

/// Which tablet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corpus {
    /// Written on a display, in two sessions.
    Visual,
    /// Written on a tablet that shows nothing.
    Blind,
}

impl Corpus {
    fn folder(self) -> &'static str {
        match self {
            Self::Visual => "VisualSubCorpus",
            Self::Blind => "BlindSubCorpus",
        }
    }

    fn dataset(self) -> &'static str {
        match self {
            Self::Visual => "susig",
            Self::Blind => "susig-blind",
        }
    }
}

/// Steps of 25 milliseconds, or longer ones where more than 200 were needed, measured by the
/// whole signature.
pub(super) fn preprocess() -> PenPreprocess {
    PenPreprocess {
        steps: 200,
        sampling: Sampling::Time(25),
        scale: Scale::Signature { upright: false },
    }
}

/// Which signature a file holds. The order is that of a writer's samples: genuine ones by
/// session, then forgeries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    writer: u32,
    is_forged: bool,
    session: u32,
    number: u32,
}

type Signatures = BTreeMap<Entry, Vec<PenPoint>>;

/// Reads `VisualSubCorpus.zip` or `BlindSubCorpus.zip` in `data` or its folder
/// `susig_online`, or a folder of that name; `data` may be the archive itself.
///
/// Writers are split by the hash of their numbers, [`Split::by_hash`]. Of those who choose or
/// judge, genuine signatures of the first session beyond the fifth are left out where there is
/// a second one: the set's protocol enrols five of the first session and judges by the second.
/// Files with the very same events as an earlier one of the same writer are left out.
///
/// # Errors
/// When there are no such files, or one is damaged.
pub fn load(corpus: Corpus, data: &Path) -> Result<Dataset> {
    let signatures = find(corpus, data)?;
    let writers: BTreeSet<u32> = signatures.keys().map(|entry| entry.writer).collect();
    let of_second: BTreeSet<u32> = signatures
        .keys()
        .filter(|e| e.session == 2)
        .map(|e| e.writer)
        .collect();
    let name = |writer: u32| format!("writer-{writer:03}");
    let classes: Vec<Class> = writers
        .iter()
        .map(|&writer| Class {
            name: name(writer),
            group: name(writer),
        })
        .collect();
    let split = Split::by_hash(&classes);
    let places: BTreeMap<u32, u32> = writers.iter().copied().zip(0..).collect();
    let mut seen = BTreeSet::new();
    let mut samples = vec![];
    for (entry, points) in signatures {
        let class = places[&entry.writer];
        let is_spare = !entry.is_forged && entry.session == 1 && entry.number > ENROLLED;
        let judges = split.part(class) != Part::Train && of_second.contains(&entry.writer);
        let events: Vec<_> = points.iter().map(|p| (p.x, p.y, p.t, p.pressure)).collect();
        if is_spare && judges || !seen.insert((entry.writer, events)) {
            continue;
        }
        let kind = if entry.is_forged { "forged" } else { "genuine" };
        samples.push(Sample {
            class,
            kind: if entry.is_forged {
                Kind::Forged
            } else {
                Kind::Genuine
            },
            name: format!(
                "{}/{kind}-{}-{:02}",
                name(entry.writer),
                entry.session,
                entry.number
            ),
            source: Source::Pen(points.into()),
        });
    }
    Ok(Dataset {
        name: corpus.dataset().into(),
        terms: TERMS.into(),
        classes,
        samples,
        split,
        pairs: vec![],
        preprocess: preprocess().into(),
    })
}

fn find(corpus: Corpus, data: &Path) -> Result<Signatures> {
    let folder = corpus.folder();
    let archive = format!("{folder}.zip");
    let mut found = Signatures::new();
    let places = ["", "susig_online"].map(|place| data.join(place));
    let archives = places.iter().map(|place| place.join(&archive));
    let archive = std::iter::once(data.to_owned())
        .chain(archives)
        .find(|path| path.is_file());
    let folders = places.iter().map(|place| place.join(folder));
    if let Some(archive) = archive {
        let mut damaged = None;
        for_each_entry(&archive, |name, bytes| {
            let read = add(corpus, name, &bytes, &mut found);
            damaged = damaged.take().or(read.err());
        })?;
        damaged.map_or(Ok(()), Err)?;
    } else if let Some(folder) = folders.into_iter().find(|path| path.is_dir()) {
        for path in files(&folder)? {
            let bytes = edge_runtime::file::read(&path, pen::MAX_LEN as u64)
                .with_context(|| path.display().to_string())?;
            add(corpus, &path.to_string_lossy(), &bytes, &mut found)?;
        }
    }
    ensure!(
        !found.is_empty(),
        "expected {folder}.zip of SUSIG, or the folder {folder}, in {} or its folder susig_online, found none: \
         get it from Sabanci University and name the folder that holds it by --data or SEMBLANCE_DATA",
        data.display()
    );
    Ok(found)
}

/// Adds the signature of a file, where its name says that it is one.
fn add(corpus: Corpus, path: &str, bytes: &[u8], found: &mut Signatures) -> Result<()> {
    if let Some(entry) = entry(corpus, path) {
        let points = pen::read(bytes).with_context(|| path.to_owned())?;
        found.insert(entry, points);
    }
    Ok(())
}

/// What the end of a path says: `GENUINE/SESSION1/001_1_10.sig`, `FORGERY/001_f_3.sig`,
/// `GENUINE/001_g_1.sig`.
fn entry(corpus: Corpus, path: &str) -> Option<Entry> {
    let (folder, file) = path.rsplit_once('/')?;
    let mut folders = folder.rsplit('/');
    let last = folders.next()?;
    let (is_forged, session) = match (corpus, last) {
        (_, "FORGERY") => (true, 0),
        (Corpus::Visual, "SESSION1") if folders.next() == Some("GENUINE") => (false, 1),
        (Corpus::Visual, "SESSION2") if folders.next() == Some("GENUINE") => (false, 2),
        (Corpus::Blind, "GENUINE") => (false, 0),
        _ => return None,
    };
    if !folder.split('/').any(|folder| folder == corpus.folder()) {
        return None;
    }
    let mut parts = file.strip_suffix(".sig")?.split('_');
    let writer = parts.next()?.parse().ok()?;
    let _session = parts.next()?;
    let number = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(Entry {
        writer,
        is_forged,
        session,
        number,
    })
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let context = || format!("{}: expected a folder that can be read", folder.display());
        for entry in fs::read_dir(&folder).with_context(context)? {
            let path = entry.with_context(context)?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// A signature whose first x tells it from others.
    fn sig(first: u32) -> String {
        let mut text = String::from("X, Y, TStamp, Pres., EndPts\nDataSize: 40\n");
        for index in 0..40 {
            // A clock that steps back once, and no marked end.
            let t = if index == 20 {
                10 * index - 20
            } else {
                10 * index
            };
            text += &format!("{} {} {t} 50 0\n", first + 7 * index, (index * index) % 90);
        }
        text
    }

    fn corpus(writers: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |place: &str, file: String, text: String| {
            let place = folder.path().join("VisualSubCorpus").join(place);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(file), text).unwrap();
        };
        for writer in 1..=writers {
            for number in 1..=10 {
                for session in [1, 2] {
                    let place = format!("GENUINE/SESSION{session}");
                    let file = format!("{writer:03}_{session}_{number}.sig");
                    write(&place, file, sig(1000 * session + number));
                }
                // The second and the first forgery are the same.
                let file = format!("{writer:03}_f_{number}.sig");
                write("FORGERY", file, sig(5000 + number.max(2)));
            }
        }
        write("", "ReadMe.txt".into(), "not a signature".into());
        folder
    }

    #[test]
    fn writers_who_judge_have_five_of_the_first_session_and_all_of_the_second() {
        let folder = corpus(12);
        let dataset = load(Corpus::Visual, folder.path()).unwrap();
        assert_eq!(dataset.classes.len(), 12);
        for (class, name) in (0u32..).zip(&dataset.classes) {
            let of = |kind| {
                let samples = dataset.samples.iter();
                let samples = samples.filter(move |s| s.class == class && s.kind == kind);
                samples
                    .map(|sample| sample.name.clone())
                    .collect::<Vec<_>>()
            };
            let genuine = of(Kind::Genuine);
            let first = match dataset.split.part(class) {
                Part::Train => 10,
                _ => 5,
            };
            assert_eq!(genuine.len(), first + 10, "{}", name.name);
            assert!(genuine[first - 1].contains("genuine-1-"), "{genuine:?}");
            assert!(genuine[first].contains("genuine-2-01"), "{genuine:?}");
            // One was there twice.
            assert_eq!(of(Kind::Forged).len(), 9);
        }
    }

    #[test]
    fn what_is_not_there_or_damaged_is_told() {
        let folder = corpus(6);
        assert!(load(Corpus::Blind, folder.path()).is_err());
        let file = folder.path().join("VisualSubCorpus/FORGERY/001_f_3.sig");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, &text[..text.len() - 20]).unwrap();
        let refused = format!("{:#}", load(Corpus::Visual, folder.path()).unwrap_err());
        assert!(refused.contains("001_f_3.sig"), "{refused}");
    }
}
