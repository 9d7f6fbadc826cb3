//! Words that no file may hold: places on somebody's machine, hosts that
//! packages come from.

/// Split, so that this file does not hold them either.
const FORBIDDEN: [(&str, &str); 10] = [
    (concat!("/ho", "me/"), MACHINE),
    (concat!("/ro", "ot/"), MACHINE),
    (concat!("/wo", "rk/"), MACHINE),
    (concat!("/Us", "ers/"), MACHINE),
    (concat!("pypi", ".org"), HOST),
    (concat!("python", "hosted"), HOST),
    (concat!("static.crates", ".io"), HOST),
    (concat!("index.crates", ".io"), HOST),
    (concat!("debian", ".org"), HOST),
    (concat!("download.pytorch", ".org"), HOST),
];
const MACHINE: &str = "a path of one machine means nothing on another";
const HOST: &str = "which host packages come from is the package manager's matter";

/// The places in a file where a forbidden word stands.
pub(super) fn forbidden(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (word, why) in FORBIDDEN {
            if starts_a_word(line, word) {
                found.push(format!("{path}:{}: found `{word}`: {why}", number + 1));
            }
        }
    }
    found
}

/// Whether the word is there, and is not the middle of another path or name.
fn starts_a_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_and_hosts_are_found_with_their_line() {
        let text = format!("fine\nsee {}someone/x\n", FORBIDDEN[0].0);
        let found = forbidden("a.md", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.md:2: "), "{found:?}");
        for (word, _) in FORBIDDEN {
            assert_eq!(forbidden("a", &format!("\"{word}\"")).len(), 1, "{word}");
        }
    }

    #[test]
    fn other_paths_are_left_alone() {
        assert!(forbidden("a", "team/work/plan, ~/.cache, framework/").is_empty());
    }
}
