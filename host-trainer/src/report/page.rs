//! The page: sections of notes, figures, pairs and tables. The template and its style
//! sheet are in `templates/`; the template engine escapes every text.

use askama::Template;

use super::svg::{self, Element, element};

/// The whole page.
#[derive(Clone, Debug, PartialEq, Template)]
#[template(path = "report.html")]
pub struct Page {
    /// The model's name.
    pub title: String,
    /// One sentence below it.
    pub subtitle: String,
    /// The main figures, large.
    pub tiles: Vec<Tile>,
    /// Facts by name.
    pub facts: Vec<Fact>,
    /// The parts, in order.
    pub sections: Vec<Section>,
}

/// One of the main figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// The figure with its unit.
    pub value: String,
    /// What it is.
    pub label: String,
    /// Its interval, or on what it rests.
    pub note: String,
}

/// A fact by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// The fact.
    pub value: String,
}

/// One part of the page; what is empty is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Its name in links.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Paragraphs.
    pub notes: Vec<String>,
    /// Figures beside each other.
    pub figures: Vec<Figure>,
    /// Figures over the whole width.
    pub wide: Vec<Figure>,
    /// Pairs of samples.
    pub galleries: Vec<Gallery>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Commands.
    pub commands: Vec<String>,
}

/// A picture with its legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its heading.
    pub title: String,
    /// The picture.
    pub picture: Element,
    /// The legend.
    pub keys: Vec<Key>,
    /// What to see in it.
    pub words: String,
}

/// An entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// What it looks like.
    pub swatch: Element,
    /// What it is.
    pub label: String,
}

/// Pairs of samples beside each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Gallery {
    /// Its heading.
    pub title: String,
    /// What the pairs are.
    pub words: String,
    /// The pairs.
    pub pairs: Vec<ShownPair>,
}

/// Two samples and how far apart they are.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownPair {
    /// One.
    pub left: Shown,
    /// The other.
    pub right: Shown,
    /// Their distance.
    pub distance: String,
}

/// A sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its class and what it is called there.
    pub name: String,
    /// A `data:` address, where pictures may be shown.
    pub picture: Option<String>,
}

/// Rows and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// What stands in it.
    pub words: String,
    /// Heads of the columns; those of numbers are aligned to the right.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What stands in it.
    pub title: &'static str,
    /// `text`, `number` or `code`.
    pub class: &'static str,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// Second line, less important.
    pub note: String,
    /// A `data:` address.
    pub picture: Option<String>,
}

impl Key {
    /// A line.
    pub fn line(class: &str, label: impl Into<String>) -> Self {
        let line = svg::line([0.0, 6.0], [22.0, 6.0], &format!("line {class}"));
        Self::new(line, label)
    }

    /// An area.
    pub fn area(class: &str, label: impl Into<String>) -> Self {
        let area = svg::rectangle([1.0, 1.0], [20.0, 10.0], &format!("area {class}"));
        Self::new(area, label)
    }

    /// A marked place.
    pub fn dot(class: &str, label: impl Into<String>) -> Self {
        let dot = element("circle").at("cx", 11.0).at("cy", 6.0).at("r", 4.0);
        Self::new(element("g").with("class", class).child(dot), label)
    }

    /// Anything that fits into 22 x 12 units.
    pub fn new(swatch: Element, label: impl Into<String>) -> Self {
        let swatch = element("svg")
            .with("viewBox", "0 0 22 12")
            .with("class", "swatch")
            .with("aria-hidden", "true")
            .child(swatch);
        Self {
            swatch,
            label: label.into(),
        }
    }
}

impl Fact {
    /// A fact.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

impl Column {
    /// A column of words.
    pub fn text(title: &'static str) -> Self {
        let class = "text";
        Self { title, class }
    }

    /// A column of numbers.
    pub fn number(title: &'static str) -> Self {
        let class = "number";
        Self { title, class }
    }

    /// A column of what people copy.
    pub fn code(title: &'static str) -> Self {
        let class = "code";
        Self { title, class }
    }
}

impl Table {
    /// The cells of a row with the classes of their columns.
    fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (&'a Cell, &'static str)> {
        let classes = self.columns.iter().map(|column| column.class);
        row.iter().zip(classes)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    /// A text with a less important one below it.
    pub fn noted(text: impl Into<String>, note: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            note: note.into(),
            picture: None,
        }
    }
}

/// A rate in percent, with three digits that count where it is small.
pub fn percent(rate: f64) -> String {
    let percent = 100.0 * rate;
    let decimals = match percent {
        p if p == 0.0 || p >= 99.995 => 0,
        p if p < 0.001 => 5,
        p if p < 0.01 => 4,
        p if p < 0.1 => 3,
        _ => 2,
    };
    let text = format!("{percent:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text.as_str(),
    };
    format!("{text}\u{a0}%")
}

/// A 95 % interval of a rate.
pub fn interval([low, high]: [f64; 2]) -> String {
    let low = percent(low);
    format!("{} to {}", low.trim_end_matches("\u{a0}%"), percent(high))
}

/// A count with its digits in groups of three.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(percent(0.0224), "2.24\u{a0}%");
        assert_eq!(percent(0.03), "3\u{a0}%");
        assert_eq!(percent(f64::from(0.03f32)), "3\u{a0}%");
        assert_eq!(percent(0.0), "0\u{a0}%");
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(percent(0.000_012_3), "0.0012\u{a0}%");
        assert_eq!(interval([0.5, 0.75]), "50 to 75\u{a0}%");
        assert_eq!(grouped(9_815_040), "9\u{202f}815\u{202f}040");
        assert_eq!(grouped(999), "999");
    }
}
