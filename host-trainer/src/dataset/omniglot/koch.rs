//! The parts of Koch, Zemel and Salakhutdinov, "Siamese neural networks for one-shot
//! image recognition", 2015, section 4.2: 30 alphabets and 12 drawers to learn from, 10
//! further alphabets and 4 drawers that choose, 10 and 4 that judge.
//!
//! The paper does not name them. It says that the alphabets and drawers that judge are
//! those of Lake et al.: the official runs use 10 alphabets of the evaluation set with 4
//! drawers each, [`TEST`]. So the 30 alphabets to learn from are the background set,
//! and those that choose are the evaluation set's other 10. Which drawers teach and
//! choose is ours: 1 to 12, and 13 to 16.
//!
//! Alphabets are disjoint. A drawer's number counts the drawers of one alphabet; the
//! data set does not say whether drawers of two alphabets are one person.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{Archives, TERMS, alphabet, preprocess};
use crate::dataset::{Class, Dataset, Part, Split};

/// The alphabets of the official runs, and the drawers that each has there.
pub const TEST: [(&str, [u8; 4]); 10] = [
    ("Atlantean", [2, 3, 5, 8]),
    ("Ge_ez", [2, 3, 4, 7]),
    ("Glagolitic", [2, 3, 4, 6]),
    ("Gurmukhi", [2, 3, 5, 8]),
    ("Kannada", [1, 2, 3, 8]),
    ("Malayalam", [2, 3, 4, 7]),
    ("Manipuri", [3, 4, 7, 8]),
    ("Old_Church_Slavonic_(Cyrillic)", [1, 2, 4, 8]),
    ("Tengwar", [1, 4, 7, 8]),
    ("Tibetan", [1, 3, 5, 8]),
];

/// Drawers of the alphabets to learn from.
const TRAIN_DRAWERS: std::ops::RangeInclusive<u8> = 1..=12;
/// Drawers of the alphabets that choose.
const VALIDATION_DRAWERS: std::ops::RangeInclusive<u8> = 13..=16;

/// Reads both image archives and keeps the drawings of the drawers above.
///
/// # Errors
/// When an archive is missing, damaged, or has not the alphabets of the official runs.
pub fn load(data: &Path) -> Result<Dataset> {
    let Archives {
        background,
        evaluation,
    } = Archives::read(data)?;
    let (mut classes, mut samples, mut parts) = (vec![], vec![], vec![]);
    let background = background.into_iter().map(|class| (Part::Train, class));
    let evaluation = evaluation.into_iter().map(|class| {
        let part = match test_drawers(alphabet(&class.0)) {
            Some(_) => Part::Test,
            None => Part::Validation,
        };
        (part, class)
    });
    for (part, (name, drawings)) in background.chain(evaluation) {
        let class = u32::try_from(classes.len())?;
        let is_used = |drawer: u8| match (part, test_drawers(alphabet(&name))) {
            (Part::Train, _) => TRAIN_DRAWERS.contains(&drawer),
            (_, Some(drawers)) => drawers.contains(&drawer),
            (_, None) => VALIDATION_DRAWERS.contains(&drawer),
        };
        let used = drawings
            .into_iter()
            .filter(|drawing| is_used(drawing.drawer));
        samples.extend(used.map(|drawing| drawing.sample(class)));
        classes.push(Class {
            group: alphabet(&name).to_owned(),
            name,
        });
        parts.push(part);
    }
    for (expected, _) in TEST {
        ensure!(
            classes.iter().any(|class| class.group == expected),
            "{}: expected the alphabet {expected} of the official runs, found none: is this the official archive?",
            super::EVALUATION
        );
    }
    let mut parts = parts.into_iter();
    Ok(Dataset {
        name: "omniglot-koch".into(),
        terms: TERMS.into(),
        split: Split::by_class(&classes, |_| parts.next().unwrap_or(Part::Train)),
        classes,
        samples,
        pairs: vec![],
        preprocess: preprocess(),
    })
}

fn test_drawers(alphabet: &str) -> Option<[u8; 4]> {
    let found = TEST.iter().find(|(name, _)| *name == alphabet);
    found.map(|&(_, drawers)| drawers)
}
