//! The split of Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra, "Matching
//! networks for one shot learning", 2016, as Snell, Swersky and Zemel, "Prototypical
//! networks for few-shot learning", 2017, published it: 1,028 characters to learn from,
//! 172 that choose, 423 that judge, from both archives, each with its four quarter turns
//! as separate classes: 4,112, 688 and 1,692.
//!
//! It mixes alphabets of all three parts, so that it says how well new characters are
//! told apart, not how well new alphabets are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Archives, Drawing, TERMS, alphabet, preprocess};
use crate::dataset::{Class, Dataset, Part, Split, Turn};

/// The folder of the lists, beside the archives.
pub const LISTS: &str = "splits_vinyals";

/// A list for each part.
const PARTS: [(&str, Part); 3] = [
    ("train.txt", Part::Train),
    ("val.txt", Part::Validation),
    ("test.txt", Part::Test),
];

/// Reads both image archives and the lists. Classes are the lists' lines in their order,
/// `Alphabet/characterNN/rot090` for a character turned by 90 degrees anticlockwise. The
/// drawing is turned, then preprocessed.
///
/// # Errors
/// When an archive or a list is missing or damaged, a listed character is not in the
/// archives, or one is in two parts.
pub fn load(data: &Path) -> Result<Dataset> {
    let folder = locate(data)?;
    let mut characters = Archives::read(data)?;
    characters.background.append(&mut characters.evaluation);
    let (mut classes, mut samples, mut parts) = (vec![], vec![], vec![]);
    for (file, part) in PARTS {
        let path = folder.join(file);
        for (line, name) in (1..).zip(read(&path)?.lines()) {
            let place = || format!("{}, line {line}", path.display());
            let (character, turn) = parse(name).with_context(place)?;
            let drawings = characters.background.get(character).with_context(|| {
                format!(
                    "{}: expected a character of the archives, found {character}",
                    place()
                )
            })?;
            let class = u32::try_from(classes.len())?;
            let turned = |drawing: &Drawing| {
                let mut sample = drawing.clone().sample(class);
                sample.name = format!("{}, turned by {} degrees", sample.name, turn.degrees());
                sample.source = sample.source.turned(turn);
                sample
            };
            samples.extend(drawings.iter().map(turned));
            classes.push(Class {
                name: name.to_owned(),
                group: alphabet(name).to_owned(),
            });
            parts.push(part);
        }
    }
    check_disjoint(&classes, &parts)?;
    let mut parts = parts.into_iter();
    Ok(Dataset {
        name: "omniglot-vinyals".into(),
        terms: format!("{TERMS}; split lists of Snell et al. 2017, MIT licence"),
        split: Split::by_class(&classes, |_| parts.next().unwrap_or(Part::Train)),
        classes,
        samples,
        pairs: vec![],
        preprocess: preprocess(),
    })
}

/// The character and the turn of a line.
fn parse(line: &str) -> Result<(&str, Turn)> {
    let parsed = line.rsplit_once('/').and_then(|(character, turn)| {
        let turn = Turn::ALL
            .into_iter()
            .find(|known| turn == format!("rot{:03}", known.degrees()))?;
        Some((character, turn))
    });
    parsed.with_context(|| {
        format!(
            "expected Alphabet/characterNN/rotDDD with rot000, rot090, rot180 or rot270, found {line:?}"
        )
    })
}

/// No class twice, and no character in two parts, however turned.
fn check_disjoint(classes: &[Class], parts: &[Part]) -> Result<()> {
    let names: BTreeSet<&str> = classes.iter().map(|class| class.name.as_str()).collect();
    ensure!(
        names.len() == classes.len(),
        "expected each class once in the lists of {LISTS}, found {} lines of {} classes",
        classes.len(),
        names.len()
    );
    let placed = classes.iter().zip(parts).map(|(class, &part)| {
        let (character, _) = class.name.rsplit_once('/').unwrap_or((&class.name, ""));
        (character, part)
    });
    let mut part_of = std::collections::BTreeMap::new();
    for (character, part) in placed {
        let first = *part_of.entry(character).or_insert(part);
        ensure!(
            first == part,
            "expected each character in one list of {LISTS}, found {character} in two: take the published lists"
        );
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .with_context(|| format!("{}: expected a list of classes", path.display()))
}

/// Finds the lists in `data` or in `data/omniglot`.
fn locate(data: &Path) -> Result<PathBuf> {
    let folder = match data.is_file() {
        true => data.parent().unwrap_or(Path::new(".")),
        false => data,
    };
    let candidates = [
        folder.join(LISTS),
        folder.join("omniglot").join(LISTS),
        folder.to_owned(),
    ];
    let has_all = |folder: &&PathBuf| PARTS.iter().all(|(file, _)| folder.join(file).is_file());
    match candidates.iter().find(has_all) {
        Some(found) => Ok(found.clone()),
        None => bail!(
            "expected {LISTS}/train.txt, val.txt and test.txt in {} or its folder omniglot, found none: the public              gets them from the repository jakesnell/prototypical-networks on GitHub, folder              data/omniglot/splits/vinyals; put them into a folder {LISTS} beside Omniglot's archives and name the              folder that holds all of it by --data or SEMBLANCE_DATA",
            folder.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_line_is_a_character_and_a_turn() {
        let (character, turn) = parse("Greek/character07/rot270").unwrap();
        assert_eq!((character, turn.degrees()), ("Greek/character07", 270));
        for line in ["", "Greek", "Greek/character07", "Greek/character07/rot45"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_character_in_two_parts_is_refused() {
        let class = |name: &str| Class {
            name: name.into(),
            group: "Greek".into(),
        };
        let classes = ["Greek/character01/rot000", "Greek/character01/rot090"].map(class);
        assert!(check_disjoint(&classes, &[Part::Train; 2]).is_ok());
        let refused = check_disjoint(&classes, &[Part::Train, Part::Test]).unwrap_err();
        assert!(refused.to_string().contains("character01"), "{refused}");
        let twice = [classes[0].clone(), classes[0].clone()];
        assert!(check_disjoint(&twice, &[Part::Train; 2]).is_err());
    }

    #[test]
    fn missing_lists_are_told_where_to_get() {
        let folder = tempfile::tempdir().unwrap();
        let refused = load(folder.path()).unwrap_err().to_string();
        assert!(
            refused.contains("jakesnell/prototypical-networks"),
            "{refused}"
        );
    }
}
