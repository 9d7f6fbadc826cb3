//! Labeled Faces in the Wild (Huang, Ramesh, Berg and Learned-Miller, 2007): news
//! photographs of 5,749 people, 1,680 of them with two or more. As LFWcrop cuts out the
//! faces (Sanderson and Lovell, "Multi-region probabilistic histograms for robust and
//! scalable identity inference", 2009), from its archive or its folders; or from LFW's own
//! folders, where the same rectangle is cut out here.
//!
//! View 2 judges: lists of pairs in ten folds, people in one fold alone. View 1 is for
//! choices: another division of the same people, so that who was seen in one view may
//! judge in the other.
//!
//! Faces lie askew in their rectangles, a person has 1 to 530 photographs, and names may
//! have hyphens and more than two words: a person is a photograph's name less its last
//! `_NNNN`.

mod lists;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use edge_runtime::picture::{Face, is_picture};
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};

use self::lists::{NamedList, View};
use super::tree::{Signs, Tree};
use super::{Class, Dataset, Kind, Pair, PairList, Part, Sample, Source, Split};

const SIGNS: Signs = Signs {
    folder: "lfwcrop",
    archive: "lfw",
    inside: &["lists", "pairs.txt", "pairsDevTest.txt"],
};

const TERMS: &str = "Labeled Faces in the Wild, Huang et al. 2007, faces as cut out by Sanderson and Lovell 2009; \
    news photographs of real people, no licence, for research; not fit to show that anything is fit for use";

/// The rectangle of LFWcrop in LFW's photographs of 250 x 250 pixels: left, top, width,
/// height.
const FACE: Face = Face::Region {
    from: [83, 92],
    size: [84, 84],
};

/// 64 x 64, as LFWcrop has them.
fn preprocess() -> PicturePreprocess {
    PicturePreprocess {
        width: 64,
        height: 64,
        colour: Colour::Grey,
        tone: Tone::Keep,
        crop: Crop::Whole,
        fit: Fit::Stretch,
        quantization: Quantization {
            scale: 1.0 / 255.0,
            zero_point: 0,
        },
    }
}

/// View 2. Its last fold judges, the fold before that chooses, everybody else teaches:
/// the folds that are there, and people in no list. [`Split::by_list`] gives the other
/// divisions.
///
/// # Errors
/// When there are no such files, an archive is damaged, a list contradicts the
/// photographs or names a person of another fold.
pub fn load(data: &Path) -> Result<Dataset> {
    let dataset = read(data, View::Two)?;
    let last = dataset.pairs.len() - 1;
    Ok(Dataset {
        split: Split::by_list(&dataset, last),
        ..dataset
    })
}

/// View 1: people of its test pairs judge. Of the others, ordered by the SHA-256 of their
/// names, 15 % choose and all others teach.
///
/// # Errors
/// As [`load`].
pub fn load_view_1(data: &Path) -> Result<Dataset> {
    let dataset = read(data, View::One)?;
    let judging = dataset.listed(0);
    let hashed = Split::by_hash(&dataset.classes);
    let mut class = 0..;
    let split = Split::by_class(&dataset.classes, |_| match class.next().unwrap_or(0) {
        class if judging.contains(&class) => Part::Test,
        class if hashed.part(class) == Part::Validation => Part::Validation,
        _ => Part::Train,
    });
    Ok(Dataset {
        name: "lfwcrop-view1".into(),
        split,
        ..dataset
    })
}

/// Photographs by person and the rest of the name.
type Photographs = BTreeMap<(String, String), Source>;

fn read(data: &Path, view: View) -> Result<Dataset> {
    let tree = Tree::find(data, &SIGNS)?.with_context(|| {
        format!(
            "expected LFWcrop in {} or its folder lfwcrop, found none: get lfwcrop_grey.zip (conradsanderson.id.au/lfwcrop) \
             and name the folder that holds it by --data or SEMBLANCE_DATA; LFW's own folders with {} beside them will do",
            data.display(),
            lists::LFW_VIEW_2
        )
    })?;
    let (mut classes, mut samples) = (Vec::<Class>::new(), vec![]);
    let mut places = BTreeMap::new();
    for ((person, number), source) in photographs(&tree) {
        if classes.last().is_none_or(|last| last.name != person) {
            classes.push(Class {
                group: person.clone(),
                name: person.clone(),
            });
        }
        let name = format!("{person}_{number}");
        places.insert(name.clone(), u32::try_from(samples.len())?);
        samples.push(Sample {
            class: u32::try_from(classes.len() - 1)?,
            kind: Kind::Genuine,
            name,
            source,
        });
    }
    let pairs = lists::read(&tree, view)?
        .iter()
        .filter_map(|list| pair_list(&tree, list, &places, &samples).transpose())
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        !pairs.is_empty(),
        "{}: expected lists of pairs of {} with their photographs, found none",
        tree.root.display(),
        view.files()
    );
    let dataset = Dataset {
        name: "lfwcrop".into(),
        terms: TERMS.into(),
        split: Split::by_hash(&classes),
        classes,
        samples,
        pairs,
        preprocess: preprocess().into(),
    };
    check_disjoint(&dataset)?;
    Ok(dataset)
}

/// LFWcrop's pictures are cut out already; LFW's own are JPEG files.
fn photographs(tree: &Tree) -> Photographs {
    let mut photographs = Photographs::new();
    for (path, source) in tree.files().filter(|(path, _)| is_picture(Path::new(path))) {
        let file = path.rsplit('/').next().unwrap_or(path);
        let Some((stem, extension)) = file.rsplit_once('.') else {
            continue;
        };
        if let Some((person, number)) = person(stem) {
            let source = match extension {
                "pgm" => source.clone(),
                _ => Source::Face(Box::new(source.clone()), FACE),
            };
            photographs.insert((person.to_owned(), number.to_owned()), source);
        }
    }
    photographs
}

/// The person and the number of a photograph.
fn person(name: &str) -> Option<(&str, &str)> {
    let (person, number) = name.rsplit_once('_')?;
    let is_number = number.len() == 4 && number.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then_some((person, number))
}

/// The list with samples in place of names; `None` when no photograph of it is here: a
/// part of the folds may be kept elsewhere.
fn pair_list(
    tree: &Tree,
    list: &NamedList,
    places: &BTreeMap<String, u32>,
    samples: &[Sample],
) -> Result<Option<PairList>> {
    let names = || list.pairs.iter().flat_map(|(names, _)| names);
    if !names().any(|name| places.contains_key(name)) {
        return Ok(None);
    }
    let place = |name: &String| {
        places.get(name).copied().with_context(|| {
            format!(
                "{}: expected the photograph {name}, which the list has, found none",
                tree.place(&list.name)
            )
        })
    };
    let mut pairs = vec![];
    for ([left, right], same) in &list.pairs {
        let sides = [place(left)?, place(right)?];
        let [a, b] = sides.map(|sample| samples[sample as usize].class);
        ensure!(
            (a == b) == *same,
            "{}: expected {left} and {right} to be of {}, found otherwise",
            tree.place(&list.name),
            if *same { "one person" } else { "two people" }
        );
        pairs.push(Pair {
            samples: sides,
            same: *same,
        });
    }
    Ok(Some(PairList {
        name: list.name.clone(),
        pairs,
    }))
}

/// A person in two folds would be learnt from and judged.
fn check_disjoint(dataset: &Dataset) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (index, list) in dataset.pairs.iter().enumerate() {
        for person in dataset.listed(index) {
            ensure!(
                seen.insert(person),
                "{}: expected people of this fold alone, found {}, who is in an earlier one",
                list.name,
                dataset.classes[person as usize].name
            );
        }
    }
    Ok(())
}
