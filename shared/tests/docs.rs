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

/// `vectors` in the order in which the document has them.
fn check(document: &str, vectors: &[Vec<u8>]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(document);
    let text = fs::read_to_string(&path).unwrap();
    let mut pieces = text.split(OPEN);
    let mut written = pieces.next().unwrap().to_owned();
    let mut vectors = vectors.iter();
    for piece in pieces {
        let (_, after) = piece.split_once(CLOSE).unwrap();
        let vector = hex(vectors.next().unwrap());
        written += &format!("{OPEN}{vector}{CLOSE}{after}");
    }
    assert!(vectors.next().is_none(), "{document}");
    if std::env::var("SEMBLANCE_GOLDEN").as_deref() == Ok("rewrite") {
        fs::write(&path, written).unwrap();
        return;
    }
    assert_eq!(text, written, "{document}");
}

#[test]
fn golden_vectors_of_the_documents() {
    let artifacts = [
        samples::artifact(),
        samples::artifact_with_quality(),
        samples::artifact_with_cohort(None),
        samples::signature_block(),
        samples::trailer(),
    ];
    check("artifact-format.md", &artifacts);
    let templates = [
        samples::sealed(),
        samples::template(),
        samples::learned_template(),
    ];
    check("template-format.md", &templates);
    check("wire-format.md", &[samples::frame()]);
    check("segmentation.md", &samples::reference());
}
