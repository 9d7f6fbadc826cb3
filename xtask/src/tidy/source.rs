//! Rules on Rust source files.

const MOST_LINES: usize = 500;
const MANY_LINES: usize = 400;

/// A file that a reader can no longer keep in mind.
pub(super) fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MOST_LINES)
        .then(|| format!("{path}: expected at most {MOST_LINES} lines, found {lines}: split it"))
}

/// A file that is about to become too long.
pub(super) fn growing(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (MANY_LINES < lines && lines <= MOST_LINES)
        .then(|| format!("{path}: {lines} lines; above {MOST_LINES} tidy fails"))
}

/// Macros that stand for something not done yet, or left from debugging.
pub(super) fn unfinished(path: &str, text: &str) -> Vec<String> {
    let macros = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("db", "g!("),
    ];
    lines_with(path, text, &macros, "finish it")
}

/// What makes the compiler hold `shared` to its promises.
pub(super) fn attributes_missing(path: &str, text: &str) -> Vec<String> {
    ["#![no_std]", "#![forbid(unsafe_code)]"]
        .into_iter()
        .filter(|attribute| !text.lines().any(|line| line.trim() == *attribute))
        .map(|attribute| format!("{path}: expected `{attribute}`, found none"))
        .collect()
}

/// An allocator or the standard library asked for in spite of `no_std`.
pub(super) fn allocates(path: &str, text: &str) -> Vec<String> {
    let crates = ["extern crate alloc", "extern crate std"];
    let advice = "`shared` allocates nothing";
    lines_with(path, text, &crates, advice)
}

fn lines_with(path: &str, text: &str, unwanted: &[&str], advice: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in unwanted.iter().filter(|word| line.contains(**word)) {
            found.push(format!("{path}:{}: found `{word}`: {advice}", number + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_bounded_and_warned_about_before() {
        let lines = |count| "x\n".repeat(count);
        assert_eq!(too_long("a.rs", &lines(500)), None);
        assert_eq!(growing("a.rs", &lines(400)), None);
        assert!(growing("a.rs", &lines(401)).is_some());
        assert!(growing("a.rs", &lines(501)).is_none());
        assert_eq!(
            too_long("a.rs", &lines(501)),
            Some("a.rs: expected at most 500 lines, found 501: split it".to_owned())
        );
    }

    #[test]
    fn unfinished_code_is_found_with_its_line() {
        let text = concat!("fn f() {\n    to", "do!()\n}\n");
        let found = unfinished("a.rs", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:2: "), "{found:?}");
        assert!(unfinished("a.rs", "let todo = 1;").is_empty());
    }

    #[test]
    fn attributes_must_stand_as_attributes() {
        assert!(attributes_missing("l", "#![no_std]\n#![forbid(unsafe_code)]\n").is_empty());
        assert_eq!(attributes_missing("l", "// #![no_std]\n").len(), 2);
        assert_eq!(attributes_missing("l", "#![no_std]\n").len(), 1);
    }

    #[test]
    fn an_allocator_is_found() {
        assert_eq!(allocates("a.rs", "extern crate alloc;\n").len(), 1);
        assert!(allocates("a.rs", "use core::mem;\n").is_empty());
    }
}
