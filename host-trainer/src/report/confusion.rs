//! Which classes are taken for which, and which classes are hard.

use std::collections::{BTreeMap, BTreeSet};

use super::identification::Identification;
use super::judged::Judged;
use super::page::{Cell, Column, Figure, Table, percent};
use super::svg::{self, Element};
use crate::dataset::Class;

/// A matrix of more rows cannot be read.
const MOST_ROWS: usize = 30;
/// Rows of the tables.
const SHOWN: usize = 15;
/// Letters of a label.
const LETTERS: usize = 20;

const CELL: f64 = 27.0;
const LEFT: f64 = 172.0;
const TOP: f64 = 138.0;

/// Errors by group of the true class and group of the one that was named; none where
/// there are too many groups to read, or too few. Classes are their own groups where the
/// data set has no others.
pub fn matrix(
    judged: &Judged,
    identification: &Identification,
    classes: &[Class],
) -> Option<Figure> {
    let group = |place: usize| classes[judged.classes[place].class as usize].group.as_str();
    let groups: BTreeSet<&str> = (0..judged.classes.len()).map(group).collect();
    let groups: Vec<&str> = groups.into_iter().collect();
    if !(2..=MOST_ROWS).contains(&groups.len()) {
        return None;
    }
    let row_of: BTreeMap<&str, usize> = groups.iter().enumerate().map(|(i, &g)| (g, i)).collect();
    let mut counts = vec![vec![0usize; groups.len()]; groups.len()];
    let mut probes = vec![0usize; groups.len()];
    for (place, answers) in identification.classes.iter().enumerate() {
        let row = row_of[group(place)];
        probes[row] += answers.probes;
        for (&other, &count) in &answers.taken_for {
            counts[row][row_of[group(other)]] += count;
        }
    }
    let grouped = groups.len() < judged.classes.len();
    let words = match grouped {
        true => {
            "Percent of each row's probes that were taken for another class, by the group of \
             that class; the diagonal is another class of the same group. Empty cells are zero."
        }
        false => {
            "Percent of each row's probes that were taken for the class of the column. Empty \
             cells are zero."
        }
    };
    Some(Figure {
        title: if grouped {
            "Confusion among groups"
        } else {
            "Confusion among classes"
        }
        .into(),
        picture: draw(&groups, &counts, &probes),
        keys: vec![],
        words: words.into(),
    })
}

fn draw(groups: &[&str], counts: &[Vec<usize>], probes: &[usize]) -> Element {
    let side = groups.len() as f64 * CELL;
    let size = [LEFT + side + 100.0, TOP + side + 8.0];
    let share = |row: usize, count: usize| count as f64 / probes[row].max(1) as f64;
    let all = counts.iter().enumerate();
    let shares = all.flat_map(|(row, counts)| counts.iter().map(move |&count| share(row, count)));
    let most = shares.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut parts = vec![];
    for (row, name) in groups.iter().enumerate() {
        let y = TOP + row as f64 * CELL;
        let label = svg::text([LEFT - 8.0, y + 18.0], shortened(name), "tick end");
        parts.push(label.titled(*name));
        let x = LEFT + row as f64 * CELL + 17.0;
        let turn = format!("translate({} {}) rotate(-50)", svg::number(x), TOP - 8.0);
        let label = svg::text([0.0, 0.0], shortened(name), "tick").with("transform", turn);
        parts.push(label.titled(*name));
        for (column, &count) in counts[row].iter().enumerate() {
            let x = LEFT + column as f64 * CELL;
            let share = share(row, count);
            parts.extend(cell([x, y], share, share / most, row == column));
        }
        let wrong: usize = counts[row].iter().sum();
        let place = [LEFT + side + 52.0, y + 18.0];
        parts.push(svg::text(place, digits(share(row, wrong)), "tick end"));
    }
    let all = [LEFT + side + 52.0, TOP - 10.0];
    parts.push(svg::text(all, "all", "tick end"));
    svg::picture(size[0], size[1], "Confusion matrix")
        .with("class", "matrix")
        .with(
            "style",
            format!("min-width:{}px", svg::number(size[0].min(700.0))),
        )
        .children(parts)
}

fn cell(corner: [f64; 2], share: f64, strength: f64, is_own: bool) -> Vec<Element> {
    let inside = [corner[0] + 0.5, corner[1] + 0.5];
    let own = if is_own { "cell own" } else { "cell" };
    let mut parts = vec![svg::rectangle(inside, [CELL - 1.0, CELL - 1.0], own)];
    if share > 0.0 {
        let heat = svg::rectangle(inside, [CELL - 1.0, CELL - 1.0], "heat");
        parts.push(heat.at("fill-opacity", 0.08 + 0.92 * strength));
        let class = if strength > 0.5 {
            "value strong"
        } else {
            "value"
        };
        let middle = [corner[0] + CELL / 2.0, corner[1] + CELL / 2.0 + 3.5];
        parts.push(svg::text(middle, digits(share), class));
    }
    parts
}

/// Percent with at most two digits that count.
fn digits(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0".into(),
        small if small < 0.095 => format!("{small:.2}").trim_start_matches('0').into(),
        small if small < 9.95 => format!("{small:.1}"),
        percent => format!("{percent:.0}"),
    }
}

fn shortened(name: &str) -> String {
    match name.chars().count() > LETTERS {
        true => name.chars().take(LETTERS - 1).chain(['\u{2026}']).collect(),
        false => name.into(),
    }
}

/// The pairs of classes that are most often taken for each other.
pub fn closest(
    judged: &Judged,
    identification: &Identification,
    name: impl Fn(usize) -> String,
    picture: impl Fn(usize) -> Option<String>,
) -> Table {
    let mut pairs: BTreeMap<(usize, usize), [usize; 2]> = BTreeMap::new();
    for (own, answers) in identification.classes.iter().enumerate() {
        for (&other, &count) in &answers.taken_for {
            let key = (own.min(other), own.max(other));
            pairs.entry(key).or_default()[usize::from(own > other)] += count;
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by_key(|(_, counts)| std::cmp::Reverse(counts[0] + counts[1]));
    let probes = |place: usize| identification.classes[place].probes;
    let class = |place: usize| Cell {
        text: name(place),
        note: String::new(),
        picture: picture(judged.classes[place].genuine[0]),
    };
    let row = |&((one, other), [there, back]): &((usize, usize), [usize; 2])| {
        vec![
            class(one),
            class(other),
            format!("{there} of {}", probes(one)).into(),
            format!("{back} of {}", probes(other)).into(),
        ]
    };
    Table {
        title: "Classes that are taken for each other".into(),
        words: "Probes of the one whose nearest class is the other, and the reverse.".into(),
        columns: vec![
            Column::text("one"),
            Column::text("other"),
            Column::number("one as other"),
            Column::number("other as one"),
        ],
        rows: pairs.iter().take(SHOWN).map(row).collect(),
    }
}

/// The classes with the most errors: rejected at the threshold, and taken for others.
pub fn worst(
    judged: &Judged,
    identification: &Identification,
    threshold: Option<f32>,
    name: impl Fn(usize) -> String,
) -> Table {
    let rejected = |place: usize| {
        let genuine = &judged.trials.classes[place].genuine;
        let above = |threshold| genuine.iter().filter(|&&d| d > threshold).count();
        [threshold.map_or(0, above), genuine.len()]
    };
    let accepted = |place: usize| {
        let attempts = judged.trials.classes[place].impostors(judged.impostors);
        let below = |threshold| attempts.iter().filter(|&&d| d <= threshold).count();
        [threshold.map_or(0, below), attempts.len()]
    };
    let rate = |[errors, all]: [usize; 2]| errors as f64 / all.max(1) as f64;
    let answers = &identification.classes;
    let wrong = |place: usize| [answers[place].wrong(), answers[place].probes];
    let badness = |place: usize| rate(rejected(place)) + rate(accepted(place)) + rate(wrong(place));
    let mut order: Vec<usize> = (0..judged.classes.len()).collect();
    order.sort_by(|&a, &b| badness(b).total_cmp(&badness(a)));
    let count = |tally: [usize; 2]| {
        let [errors, all] = tally;
        Cell::noted(format!("{errors} of {all}"), percent(rate(tally)))
    };
    let row = |&place: &usize| {
        let most = answers[place].most_often();
        let most = most.map_or(String::new(), |(other, n)| format!("{} ({n})", name(other)));
        vec![
            name(place).into(),
            count(wrong(place)),
            most.into(),
            count(rejected(place)),
            count(accepted(place)),
        ]
    };
    let bad = order.iter().filter(|&&place| badness(place) > 0.0);
    let shown: Vec<Vec<Cell>> = bad.take(SHOWN).map(row).collect();
    let without = (0..judged.classes.len()).filter(|&place| wrong(place)[0] == 0);
    let words = format!(
        "The {} hardest of {} classes, by the sum of the three rates. {} classes had no probe taken for another.",
        shown.len(),
        judged.classes.len(),
        without.count()
    );
    let mut table = Table {
        title: "Errors by class".into(),
        words,
        columns: vec![
            Column::text("class"),
            Column::number("taken for another"),
            Column::text("most often for"),
            Column::number("genuine rejected"),
            Column::number("impostors accepted"),
        ],
        rows: shown,
    };
    if threshold.is_none() {
        table.columns.truncate(3);
        table.rows.iter_mut().for_each(|row| row.truncate(3));
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::judged::tests::embedded;
    use super::*;

    fn classes(count: usize, groups: usize) -> Vec<Class> {
        let class = |index: usize| Class {
            name: format!("<i>{index}"),
            group: format!("<script>{:03}", index % groups),
        };
        (0..count).map(class).collect()
    }

    fn judged(count: u32) -> (Judged, Identification) {
        let (embedded, comparison) = embedded(count, 5, 0);
        let judged = Judged::new(&embedded, comparison, 1, &[]).unwrap();
        let identification = Identification::new(&embedded, comparison, &judged);
        (judged, identification)
    }

    #[test]
    fn a_matrix_is_drawn_where_it_can_be_read() {
        let (judged, identification) = judged(40);
        let of = |groups| matrix(&judged, &identification, &classes(40, groups));
        assert!(of(40).is_none() && of(1).is_none());
        let figure = of(4).unwrap();
        assert_eq!(figure.title, "Confusion among groups");
        assert!(!figure.picture.to_string().contains("<script"));
    }

    #[test]
    fn counts_are_those_of_the_answers() {
        let (judged, identification) = judged(40);
        let wrong: usize = identification.classes.iter().map(|c| c.wrong()).sum();
        assert!(wrong > 0, "the made-up classes must be hard");
        let name = |place: usize| place.to_string();
        let table = closest(&judged, &identification, name, |_| None);
        assert!(!table.rows.is_empty() && table.rows.len() <= SHOWN);
        let worst = worst(&judged, &identification, Some(0.1), name);
        assert_eq!(worst.rows[0].len(), 5);
        let without = super::worst(&judged, &identification, None, name);
        assert_eq!((without.columns.len(), without.rows[0].len()), (3, 3));
    }

    #[test]
    fn shares_have_few_digits() {
        assert_eq!(digits(0.0), "0");
        assert_eq!(digits(0.0004), ".04");
        assert_eq!(digits(0.0234), "2.3");
        assert_eq!(digits(0.5), "50");
        assert_eq!(shortened(&"x".repeat(30)).chars().count(), LETTERS);
    }
}
