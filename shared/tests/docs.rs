//! The test vectors of `shared/docs` are what the code writes.
//!
//! With `SEMBLANCE_GOLDEN=rewrite` (`cargo xtask golden`) they are written anew.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use std::fmt::Write;
use std::fs;
use std::path::Path;

const OPEN: &str = "```hex\n";
const CLOSE: &str = "```";

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(16).fold(String::new(), |mut text, line| {
        let line: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{}", line.join(" ")).unwrap();
        text
    })
}

fn check(document: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(document);
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find(OPEN).unwrap() + OPEN.len();
    let end = start + text[start..].find(CLOSE).unwrap();
    if std::env::var("SEMBLANCE_GOLDEN").as_deref() == Ok("rewrite") {
        fs::write(
            &path,
            format!("{}{}{}", &text[..start], hex(bytes), &text[end..]),
        )
        .unwrap();
        return;
    }
    assert_eq!(&text[start..end], hex(bytes), "{document}");
}

#[test]
fn golden_vectors_of_the_documents() {
    check("artifact-format.md", &samples::artifact());
    check("template-format.md", &samples::template());
    check("wire-format.md", &samples::frame());
}
