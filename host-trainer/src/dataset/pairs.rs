//! A list of pairs of pictures with labels: anybody's own test.
//!
//! ```text
//! img1,img2,label             may be left out; a column `same` or `forged` says what 1 is
//! anna/1.png,anna/2.png,1     1: of one class
//! anna/1.png,anna_forg/3.png,0
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::csv::{One, Row, rows};
use super::folder::{forged_of, preprocess};
use super::{Class, Dataset, Kind, Pair, PairList, Sample, Source, Split};

/// The list in a folder.
const LIST: &str = "pairs.csv";

/// Reads the list `data`, or `pairs.csv` in it; pictures are named from the list's
/// folder.
///
/// A picture's class is the folder that it lies in, forged in a folder `CLASS_forg`.
/// Where all lie in one folder, pictures are of one class when pairs say so.
///
/// # Errors
/// When the list cannot be read or names a picture that is not there.
pub fn load(data: &Path) -> Result<Dataset> {
    let list = match data.is_dir() {
        true => data.join(LIST),
        false => data.to_owned(),
    };
    let context = || {
        format!(
            "{}: expected a list of pairs, lines `picture,picture,label`",
            list.display()
        )
    };
    let text = fs::read_to_string(&list).with_context(context)?;
    let rows = rows(&text, One::Same).with_context(context)?;
    ensure!(!rows.is_empty(), "{}, found nothing", context());
    let names = names(&rows);
    let (classes, of) = match folders(&names) {
        folders if folders.len() > 1 => by_folder(&folders, &names),
        _ => by_pairs(&rows, &names),
    };
    let beside = list.parent().unwrap_or(Path::new("."));
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&name| (of[name], names[name]));
    let (mut samples, mut places) = (vec![], BTreeMap::new());
    for (place, name) in (0u32..).zip(order) {
        let (class, kind) = of[name];
        places.insert(names[name], place);
        samples.push(Sample {
            class,
            kind,
            name: names[name].to_owned(),
            source: Source::File(existing(beside, names[name])?),
        });
    }
    let pair = |([left, right], same): &Row<'_>| Pair {
        samples: [places[left], places[right]],
        same: *same,
    };
    let pairs = PairList {
        name: "pairs".into(),
        pairs: rows.iter().map(pair).collect(),
    };
    Ok(Dataset {
        name: "pairs".into(),
        terms: "the user's own pictures, under the terms that hold for them".into(),
        split: Split::by_hash(&classes),
        classes,
        samples,
        pairs: vec![pairs],
        preprocess: preprocess(),
    })
}

/// The pictures, each once, by name.
fn names<'a>(rows: &[Row<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = rows.iter().flat_map(|(names, _)| *names).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn folders<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut folders: Vec<&str> = names.iter().map(|name| folder(name)).collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// Classes, and class and kind of each picture.
type Classified = (Vec<Class>, Vec<(u32, Kind)>);

fn by_folder(folders: &[&str], names: &[&str]) -> Classified {
    let class_of = |folder| match forged_of(folder) {
        Some(class) if folders.contains(&class) => (class, Kind::Forged),
        _ => (folder, Kind::Genuine),
    };
    let mut classes: Vec<&str> = folders.iter().map(|folder| class_of(folder).0).collect();
    classes.dedup();
    classes.sort_unstable();
    classes.dedup();
    let of = names.iter().map(|name| {
        let (class, kind) = class_of(folder(name));
        let place = classes.binary_search(&class).unwrap_or_default();
        (place as u32, kind)
    });
    let of = of.collect();
    (classes.into_iter().map(named).collect(), of)
}

/// Pictures that a chain of pairs of one class connects are of one class.
fn by_pairs(rows: &[Row<'_>], names: &[&str]) -> Classified {
    let place = |name: &str| names.binary_search(&name).unwrap_or_default();
    let mut parent: Vec<usize> = (0..names.len()).collect();
    fn root(parent: &[usize], mut node: usize) -> usize {
        while parent[node] != node {
            node = parent[node];
        }
        node
    }
    for ([left, right], _) in rows.iter().filter(|(_, same)| *same) {
        let [a, b] = [left, right].map(|name| root(&parent, place(name)));
        parent[a.max(b)] = a.min(b);
    }
    let roots: Vec<usize> = (0..names.len()).map(|node| root(&parent, node)).collect();
    let mut firsts = roots.clone();
    firsts.sort_unstable();
    firsts.dedup();
    let of = roots.iter().map(|root| {
        let class = firsts.binary_search(root).unwrap_or_default();
        (class as u32, Kind::Genuine)
    });
    let of = of.collect();
    (
        firsts
            .into_iter()
            .map(|first| named(names[first]))
            .collect(),
        of,
    )
}

fn named(name: &str) -> Class {
    Class {
        name: name.to_owned(),
        group: name.to_owned(),
    }
}

fn existing(beside: &Path, name: &str) -> Result<PathBuf> {
    let path = beside.join(name);
    ensure!(
        path.is_file(),
        "{}: expected the picture that the list of pairs names, found none",
        path.display()
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn list(text: &str) -> (tempfile::TempDir, Result<Dataset>) {
        let data = tempfile::tempdir().unwrap();
        for picture in [
            "a/1.png",
            "a/2.png",
            "b/1.png",
            "a_forg/1.png",
            "1.png",
            "2.png",
            "3.png",
        ] {
            let path = data.path().join(picture);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::write(data.path().join(LIST), text).unwrap();
        let loaded = load(data.path());
        (data, loaded)
    }

    #[test]
    fn folders_are_classes() {
        let text = "a/2.png,a/1.png,1\na/1.png,b/1.png,0\na/1.png,a_forg/1.png,0\n";
        let dataset = list(text).1.unwrap();
        let classes: Vec<_> = dataset
            .classes
            .iter()
            .map(|class| class.name.as_str())
            .collect();
        assert_eq!(classes, ["a", "b"]);
        let samples = dataset
            .samples
            .iter()
            .map(|s| (s.name.as_str(), s.class, s.kind));
        let genuine = Kind::Genuine;
        assert_eq!(
            samples.collect::<Vec<_>>(),
            [
                ("a/1.png", 0, genuine),
                ("a/2.png", 0, genuine),
                ("a_forg/1.png", 0, Kind::Forged),
                ("b/1.png", 1, genuine)
            ]
        );
        let pairs = &dataset.pairs[0].pairs;
        assert_eq!(
            pairs[0],
            Pair {
                samples: [1, 0],
                same: true
            }
        );
        assert_eq!(
            pairs[2],
            Pair {
                samples: [0, 2],
                same: false
            }
        );
    }

    #[test]
    fn pairs_make_classes_where_folders_do_not() {
        let dataset = list("1.png,2.png,1\n2.png,3.png,0\n").1.unwrap();
        let classes: Vec<u32> = dataset.samples.iter().map(|sample| sample.class).collect();
        assert_eq!(classes, [0, 0, 1]);
        let refused = list("1.png,9.png,1\n").1.unwrap_err().to_string();
        assert!(refused.contains("9.png"), "{refused}");
        assert!(list("").1.is_err());
    }
}
