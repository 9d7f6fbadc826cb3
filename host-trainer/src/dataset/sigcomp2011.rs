//! The Dutch offline signatures of SigComp2011 (Liwicki et al., "Signature verification
//! competition for online and offline skilled forgeries", ICDAR 2011), scanned, with
//! skilled forgeries; laid out as on Kaggle: a folder of genuine signatures and a folder
//! of forgeries for each writer, writers to learn from and writers that judge apart.
//!
//! ```text
//! train/001/001_01.PNG          genuine, of writers with 24 signatures
//! train/016/01_016.png          genuine, of the others
//! train/001_forg/0119001_01.png forged, by the forger 0119
//! test/049/...  test_data.csv   pairs of the writers that judge; 1: one is a forgery
//! ```
//!
//! The writer is the folder's: files are named by two rules. The public archive has the
//! writers that judge among those to learn from too; they only judge here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use edge_runtime::picture::is_picture;

use super::csv::{One, rows};
use super::folder::forged_of;
use super::tree::{Signs, Tree};
use super::{
    Class, Dataset, Kind, Pair, PairList, Part, Sample, Source, Split, synthetic_signatures,
};

const SIGNS: Signs = Signs {
    folder: "signatures_sigcomp2011",
    archive: "sign_data",
    inside: &["test", TEST_PAIRS],
};

/// The pairs that judge.
const TEST_PAIRS: &str = "test_data.csv";

const TERMS: &str = "SigComp2011, Dutch offline signatures, Liwicki et al. 2011, IAPR TC-11; signatures of real people, \
    for research, no licence stated";

/// One signature: writer, kind and file name, small letters, say which.
type Key = (String, Kind, String);

/// Reads the archive `sign_data*.zip` or its folders. Writers in `test` judge. Of the
/// others, ordered by the SHA-256 of their names, 15 % choose and the rest teach.
///
/// # Errors
/// When there are no such files, an archive is damaged, or the list of pairs names
/// signatures that are not there.
pub fn load(data: &Path) -> Result<Dataset> {
    let tree = Tree::find(data, &SIGNS)?.with_context(|| {
        format!(
            "expected the Dutch offline signatures of SigComp2011 in {}, its folder signatures_sigcomp2011 or sign_data, \
             found none: get Kaggle's signature-verification-dataset, and name its archive or the folder that holds its \
             folders train and test by --data or SEMBLANCE_DATA",
            data.display()
        )
    })?;
    let Signatures { teach, judge } = Signatures::of(&tree);
    ensure!(
        !teach.is_empty() || !judge.is_empty(),
        "{}: expected pictures such as train/001/001_01.PNG or test/049_forg/01_0114049.PNG, found none",
        tree.root.display()
    );
    let judging: BTreeSet<String> = judge.keys().map(|(writer, ..)| writer.clone()).collect();
    let (mut classes, mut samples) = (Vec::<Class>::new(), vec![]);
    let mut places = BTreeMap::new();
    for ((writer, kind, file), (path, source)) in teach.into_iter().chain(judge) {
        if classes.last().is_none_or(|last| last.name != writer) {
            classes.push(Class {
                group: writer.clone(),
                name: writer.clone(),
            });
        }
        places.insert((writer, kind, file), u32::try_from(samples.len())?);
        samples.push(Sample {
            class: u32::try_from(classes.len() - 1)?,
            kind,
            name: path,
            source,
        });
    }
    Ok(Dataset {
        name: "sigcomp2011".into(),
        terms: TERMS.into(),
        split: split(&classes, &judging),
        pairs: pairs(&tree, &places)?,
        classes,
        samples,
        // So that a tower can go from one to the other.
        preprocess: synthetic_signatures::preprocess(),
    })
}

/// The parts of writers to learn from do not depend on who judges.
fn split(classes: &[Class], judging: &BTreeSet<String>) -> Split {
    let learn = classes
        .iter()
        .filter(|class| !judging.contains(&class.name));
    let learn: Vec<Class> = learn.cloned().collect();
    let hashed = Split::by_hash(&learn);
    let place = |name: &str| learn.iter().position(|class| class.name == name);
    Split::by_class(classes, |class| match place(&class.name) {
        None => Part::Test,
        Some(place) if hashed.part(place as u32) == Part::Validation => Part::Validation,
        Some(_) => Part::Train,
    })
}

/// Signatures by writer, genuine ones first, then by file.
#[derive(Default)]
struct Signatures {
    teach: BTreeMap<Key, (String, Source)>,
    judge: BTreeMap<Key, (String, Source)>,
}

impl Signatures {
    fn of(tree: &Tree) -> Self {
        let mut found = Self::default();
        for (path, source) in tree.files().filter(|(path, _)| is_picture(Path::new(path))) {
            let folders: Vec<&str> = path.rsplit('/').collect();
            let (Some(key), Some(part)) = (key(path), folders.get(2)) else {
                continue;
            };
            let signatures = match *part {
                "train" => &mut found.teach,
                "test" => &mut found.judge,
                _ => continue,
            };
            signatures.insert(key, (path.to_owned(), source.clone()));
        }
        let judging: BTreeSet<String> = found.judge.keys().map(|key| key.0.clone()).collect();
        found
            .teach
            .retain(|(writer, ..), _| !judging.contains(writer));
        found
    }
}

/// Which signature a path ends in, `049/01_049.png` or `049_forg/01_0114049.PNG`: the
/// lists and the files do not agree on small and capital letters.
fn key(path: &str) -> Option<Key> {
    let (folders, file) = path.rsplit_once('/')?;
    let folder = folders.rsplit('/').next()?;
    let (writer, kind) = match forged_of(folder) {
        Some(writer) => (writer, Kind::Forged),
        None => (folder, Kind::Genuine),
    };
    Some((writer.to_owned(), kind, file.to_ascii_lowercase()))
}

/// The pairs of the writers that judge; none where the list is missing.
fn pairs(tree: &Tree, places: &BTreeMap<Key, u32>) -> Result<Vec<PairList>> {
    let Some(text) = tree.text(TEST_PAIRS)? else {
        return Ok(vec![]);
    };
    let context = || tree.place(TEST_PAIRS);
    let place = |path: &str| {
        let found = key(path).and_then(|key| places.get(&key).copied());
        found.with_context(|| format!("{}: expected the signature {path}, found none", context()))
    };
    let pair = |([left, right], same): ([&str; 2], bool)| {
        Ok(Pair {
            samples: [place(left)?, place(right)?],
            same,
        })
    };
    let rows = rows(&text, One::Different).with_context(context)?;
    Ok(vec![PairList {
        name: "test pairs".into(),
        pairs: rows.into_iter().map(pair).collect::<Result<_>>()?,
    }])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;

    use super::*;

    /// Writers 001 to 012 to learn from, 020 and 021 that judge; 020 is among the
    /// others too, as in the public archive.
    fn sign_data() -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        let write = |path: String| {
            let path = data.path().join("sign_data").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        for writer in (1..=12).chain([20]) {
            write(format!("train/{writer:03}/{writer:03}_01.PNG"));
            write(format!("train/{writer:03}/02_{writer:03}.png"));
            write(format!("train/{writer:03}_forg/0119{writer:03}_01.png"));
        }
        for writer in [20, 21] {
            write(format!("test/{writer:03}/01_{writer:03}.png"));
            write(format!("test/{writer:03}/02_{writer:03}.PNG"));
            write(format!("test/{writer:03}_forg/03_0113{writer:03}.PNG"));
        }
        data
    }

    fn with_pairs(text: &str) -> Result<Dataset> {
        let data = sign_data();
        fs::write(data.path().join("sign_data/test_data.csv"), text).unwrap();
        load(data.path())
    }

    #[test]
    fn writers_are_folders_and_judge_or_teach() {
        let data = sign_data();
        let dataset = load(data.path()).unwrap();
        assert_eq!(dataset.classes.len(), 14);
        // Two genuine signatures and a forgery of each; 020's of `train` are left out.
        assert_eq!(dataset.samples.len(), 3 * 14);
        let of = |part| dataset.split.samples(&dataset, part);
        let judge = of(Part::Test);
        assert_eq!(judge.len(), 6);
        for sample in judge.iter().map(|&index| &dataset.samples[index as usize]) {
            assert!(sample.name.starts_with("test/"), "{}", sample.name);
            let is_forged = sample.name.contains("_forg/");
            assert_eq!(sample.kind == Kind::Forged, is_forged);
        }
        assert_eq!(of(Part::Validation).len(), 6);
        assert!(dataset.pairs.is_empty());
    }

    #[test]
    fn a_label_of_one_is_a_forgery() {
        let lines = "020/01_020.png,020/02_020.png,0\n021/01_021.PNG,021_forg/03_0113021.png,1\n";
        for text in [lines.to_owned(), format!("img1,img2,target\n{lines}")] {
            let dataset = with_pairs(&text).unwrap();
            let pairs = &dataset.pairs[0].pairs;
            assert_eq!([pairs[0].same, pairs[1].same], [true, false]);
            let [left, right] = pairs[1]
                .samples
                .map(|index| &dataset.samples[index as usize]);
            assert_eq!((left.kind, right.kind), (Kind::Genuine, Kind::Forged));
            assert_eq!(left.class, right.class);
        }
        let refused = with_pairs("020/01_020.png,022/02_022.png,0\n").unwrap_err();
        assert!(
            format!("{refused:#}").contains("022/02_022.png"),
            "{refused:#}"
        );
    }
}
