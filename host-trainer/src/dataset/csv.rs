//! Lists of pairs as comma-separated values: two pictures and a label on each line.

use anyhow::{Result, bail, ensure};

/// What a label that is a number says when it is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum One {
    /// Both are of one class.
    Same,
    /// They are not: one is of another class, or a forgery.
    Different,
}

/// Two pictures, and whether they are of one class.
pub(super) type Row<'a> = ([&'a str; 2], bool);

/// Names of a label's column that say what 1 means.
const SAYS_SAME: [&str; 3] = ["same", "match", "genuine"];
const SAYS_DIFFERENT: [&str; 5] = ["different", "forged", "forgery", "imposter", "impostor"];

/// The rows. A first line whose label is none is a header; the name of its third column
/// may say what 1 means, else `usual` does. Labels are 0 and 1, or `false` and `true`.
///
/// # Errors
/// When a line has another form; the message has its number.
pub(super) fn rows(text: &str, usual: One) -> Result<Vec<Row<'_>>> {
    let (mut one, mut rows) = (usual, vec![]);
    // Some programs begin files with a byte order mark.
    let lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(field).collect();
        let [left, right, label] = fields[..] else {
            bail!("line {number}: expected `picture,picture,label`, found {line:?}");
        };
        match is_same(label, one) {
            Some(same) => rows.push(([left, right], same)),
            None => {
                ensure!(
                    rows.is_empty() && number == 1,
                    "line {number}: expected the label 0 or 1, found {label:?}"
                );
                one = header(label, usual);
            }
        }
    }
    Ok(rows)
}

fn field(text: &str) -> &str {
    text.trim().trim_matches('"').trim()
}

fn is_same(label: &str, one: One) -> Option<bool> {
    let label = label.to_ascii_lowercase();
    match label.as_str() {
        "1" | "1.0" | "true" => Some(one == One::Same),
        "0" | "0.0" | "false" => Some(one == One::Different),
        _ => None,
    }
}

fn header(column: &str, usual: One) -> One {
    let column = column.to_ascii_lowercase();
    let says = |names: &[&str]| names.iter().any(|name| column.contains(name));
    match (says(&SAYS_SAME), says(&SAYS_DIFFERENT)) {
        (true, false) => One::Same,
        (false, true) => One::Different,
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn labels(text: &str, usual: One) -> Vec<bool> {
        let rows = rows(text, usual).unwrap();
        rows.into_iter().map(|(_, same)| same).collect()
    }

    #[test]
    fn headers_say_what_one_means() {
        let lines = "a/1.png, \"a/2.png\",1\r\n\na/1.png,b/1.png,0\r\n";
        assert_eq!(labels(lines, One::Same), [true, false]);
        assert_eq!(labels(lines, One::Different), [false, true]);
        assert_eq!(rows(lines, One::Same).unwrap()[0].0, ["a/1.png", "a/2.png"]);
        for (column, same) in [("target", true), ("is_same", true), ("Forged", false)] {
            let text = format!("\u{feff}img1,img2,{column}\n{lines}");
            assert_eq!(labels(&text, One::Same), [same, !same]);
        }
    }

    #[test]
    fn other_lines_are_refused_by_number() {
        for (text, line) in [
            ("a,b,1\na,b\n", 2),
            ("a,b,1\na,b,x\n", 2),
            ("h,h,h\na,b,2\n", 2),
        ] {
            let refused = rows(text, One::Same).unwrap_err().to_string();
            assert!(refused.contains(&format!("line {line}")), "{refused}");
        }
    }
}
