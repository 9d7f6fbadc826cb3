//! Elements of SVG as values. Attributes and texts are escaped when they are written, so
//! a figure may go into a page as it is, whatever classes are called.

use std::fmt::{self, Display};

use askama::filters::{Html, HtmlSafe, escape};

/// An element with its attributes and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Vec<Content>,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Text(String),
    Element(Element),
}

/// An element without attributes.
pub fn element(name: &'static str) -> Element {
    Element {
        name,
        attributes: vec![],
        content: vec![],
    }
}

/// A picture of `width` x `height` units that scales to its place, with words for those
/// who do not see it.
pub fn picture(width: f64, height: f64, words: &str) -> Element {
    element("svg")
        .with(
            "viewBox",
            format!("0 0 {} {}", number(width), number(height)),
        )
        .with("role", "img")
        .with("aria-label", words)
}

/// A coordinate: at most two decimals.
pub fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // Adding zero makes -0 positive.
    format!("{}", rounded + 0.0)
}

/// A straight line.
pub fn line(from: [f64; 2], to: [f64; 2], class: &str) -> Element {
    element("line")
        .at("x1", from[0])
        .at("y1", from[1])
        .at("x2", to[0])
        .at("y2", to[1])
        .with("class", class)
}

/// A rectangle by its upper left corner and size.
pub fn rectangle(corner: [f64; 2], size: [f64; 2], class: &str) -> Element {
    element("rect")
        .at("x", corner[0])
        .at("y", corner[1])
        .at("width", size[0])
        .at("height", size[1])
        .with("class", class)
}

/// A text at a place; its class says how it is aligned.
pub fn text(place: [f64; 2], words: impl Into<String>, class: &str) -> Element {
    element("text")
        .at("x", place[0])
        .at("y", place[1])
        .with("class", class)
        .text(words)
}

/// Straight lines through points.
pub fn path(points: &[[f64; 2]], class: &str) -> Element {
    let mut commands = String::new();
    for (index, [x, y]) in points.iter().enumerate() {
        commands += if index == 0 { "M" } else { "L" };
        commands += &format!("{} {}", number(*x), number(*y));
    }
    element("path").with("d", commands).with("class", class)
}

impl Element {
    /// Adds an attribute.
    pub fn with(mut self, attribute: &'static str, value: impl Display) -> Self {
        self.attributes.push((attribute, value.to_string()));
        self
    }

    /// Adds an attribute that is a coordinate.
    pub fn at(self, attribute: &'static str, value: f64) -> Self {
        self.with(attribute, number(value))
    }

    /// Puts a text into it.
    pub fn text(mut self, words: impl Into<String>) -> Self {
        self.content.push(Content::Text(words.into()));
        self
    }

    /// Puts a title into it, which is shown where a pointer rests.
    pub fn titled(self, words: impl Into<String>) -> Self {
        self.child(element("title").text(words))
    }

    /// Puts an element into it.
    pub fn child(mut self, child: Self) -> Self {
        self.content.push(Content::Element(child));
        self
    }

    /// Puts elements into it.
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        let children = children.into_iter().map(Content::Element);
        self.content.extend(children);
        self
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"")?;
            write_escaped(f, value)?;
            f.write_str("\"")?;
        }
        f.write_str(">")?;
        for content in &self.content {
            match content {
                Content::Text(text) => write_escaped(f, text)?,
                Content::Element(element) => element.fmt(f)?,
            }
        }
        write!(f, "</{}>", self.name)
    }
}

impl HtmlSafe for Element {}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    match escape(text, Html) {
        Ok(escaped) => write!(f, "{}", escaped.0),
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_attributes_and_texts() {
        let hostile = "\"><script>alert('&')</script>";
        let written = element("g")
            .with("class", hostile)
            .text(hostile)
            .titled(hostile)
            .to_string();
        assert!(!written.contains("<script"), "{written}");
        assert_eq!(written.matches('<').count(), 4);
        assert_eq!(written.matches('"').count(), 2);
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(number(1.0 / 3.0), "0.33");
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(12.0), "12");
        let drawn = path(&[[0.0, 1.0], [2.5, -3.0]], "c").to_string();
        assert_eq!(drawn, r#"<path d="M0 1L2.5 -3" class="c"></path>"#);
    }
}
