//! Lists of pairs of photographs, as LFWcrop has them and as LFW has them.

use anyhow::{Context, Result, bail, ensure};

use super::super::tree::Tree;

/// LFW's own list of View 2, all folds in one file.
pub(super) const LFW_VIEW_2: &str = "pairs.txt";
/// LFW's own test list of View 1.
const LFW_VIEW_1: &str = "pairsDevTest.txt";
/// LFWcrop has at most so many folds.
const MOST_FOLDS: u32 = 99;

/// Which division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// For choices.
    One,
    /// Judges.
    Two,
}

/// Two names, and whether they are one person's.
pub(super) type NamedPair = ([String; 2], bool);

/// A list by its name, `fold 03` or `view 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedList {
    pub(super) name: String,
    pub(super) pairs: Vec<NamedPair>,
}

impl View {
    /// Its files, for messages.
    pub(super) fn files(self) -> &'static str {
        match self {
            Self::One => {
                "View 1 (lists/dv_test_same.txt and dv_test_diff.txt, or pairsDevTest.txt)"
            }
            Self::Two => {
                "View 2 (lists/01_test_same.txt, 01_test_diff.txt and so on, or pairs.txt)"
            }
        }
    }
}

/// The lists that judge: one of View 1, one for each fold of View 2.
///
/// # Errors
/// When a list cannot be read or has lines of another form.
pub(super) fn read(tree: &Tree, view: View) -> Result<Vec<NamedList>> {
    let own = match view {
        View::One => LFW_VIEW_1,
        View::Two => LFW_VIEW_2,
    };
    if let Some(text) = tree.text(own)? {
        return of_lfw(&text, view).with_context(|| tree.place(own));
    }
    let folds = match view {
        View::One => vec![("view 1".to_owned(), "dv".to_owned())],
        View::Two => (1..=MOST_FOLDS)
            .map(|fold| (format!("fold {fold:02}"), format!("{fold:02}")))
            .collect(),
    };
    let mut lists = vec![];
    for (name, prefix) in folds {
        let mut pairs = vec![];
        for (kind, same) in [("same", true), ("diff", false)] {
            let file = format!("{prefix}_test_{kind}.txt");
            for (number, line) in lines(&tree.text(&file)?.unwrap_or_default()) {
                let [left, right] = line[..] else {
                    bail!(
                        "{}, line {number}: expected two names of photographs, found {line:?}",
                        tree.place(&file)
                    );
                };
                pairs.push(([left.to_owned(), right.to_owned()], same));
            }
        }
        if !pairs.is_empty() {
            lists.push(NamedList { name, pairs });
        }
    }
    Ok(lists)
}

/// LFW's form: a line with the number of folds, where there are several, and of pairs of
/// a kind in each; then for each fold lines `name 1 2` of one person, `name 1 other 2` of
/// two.
fn of_lfw(text: &str, view: View) -> Result<Vec<NamedList>> {
    let mut lines = lines(text);
    let (_, header) = lines
        .next()
        .context("expected the numbers of folds and pairs, found nothing")?;
    let count = header.last().and_then(|count| count.parse::<usize>().ok());
    let count =
        count.with_context(|| format!("line 1: expected the number of pairs, found {header:?}"))?;
    ensure!(count > 0, "line 1: expected the number of pairs, found 0");
    let mut pairs = vec![];
    for (number, line) in lines {
        let pair = match line[..] {
            [name, left, right] => photograph(name, left)
                .zip(photograph(name, right))
                .map(|pair| (pair, true)),
            [name, left, other, right] => photograph(name, left)
                .zip(photograph(other, right))
                .map(|pair| (pair, false)),
            _ => None,
        };
        let ((left, right), same) = pair.with_context(|| {
            format!("line {number}: expected `name 1 2` or `name 1 other 2`, found {line:?}")
        })?;
        pairs.push(([left, right], same));
    }
    let name = |fold: usize| match view {
        View::One => "view 1".to_owned(),
        View::Two => format!("fold {fold:02}"),
    };
    let folds = (1..).zip(pairs.chunks(2 * count));
    let list = |(fold, pairs): (usize, &[NamedPair])| NamedList {
        name: name(fold),
        pairs: pairs.to_vec(),
    };
    Ok(folds.map(list).collect())
}

/// A photograph's name, of its person and number.
fn photograph(person: &str, number: &str) -> Option<String> {
    let number: u32 = number.parse().ok()?;
    Some(format!("{person}_{number:04}"))
}

/// The words of each line that has some, with the line's number.
fn lines(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let lines = (1..).zip(text.lines());
    let words = lines.map(|(number, line)| (number, line.split_whitespace().collect::<Vec<_>>()));
    words.filter(|(_, words)| !words.is_empty())
}
