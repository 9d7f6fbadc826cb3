//! Rules on the models that the repository holds.

use sha2::{Digest, Sha256};
use toml::Table;

/// The model card.
pub(super) const CARD: &str = "model.toml";
/// What a model folder holds beside its card.
const FILES: [&str; 3] = ["model.bin", "model.onnx", "model.int8.onnx"];

/// The files that the folder `models/<name>` should hold and does not.
pub(super) fn files_missing(name: &str, files: &[&str]) -> Vec<String> {
    [CARD]
        .iter()
        .chain(&FILES)
        .filter(|file| !files.contains(file))
        .map(|file| format!("models/{name}: expected {file}, found none"))
        .collect()
}

/// The files whose content is not the one that the card's `[files]` table
/// states; `read` gives a file's content.
pub(super) fn sums_wrong(
    name: &str,
    card: &str,
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Vec<String> {
    let card: Table = match card.parse() {
        Ok(card) => card,
        Err(error) => return vec![format!("models/{name}/{CARD}: expected TOML: {error}")],
    };
    let stated = |file| card.get("files")?.get(file)?.as_str();
    FILES
        .iter()
        .filter_map(|file| {
            let found = sha256(&read(file)?);
            match stated(file) {
                Some(stated) if stated == found => None,
                Some(stated) => Some(format!(
                    "models/{name}/{file}: expected sha256 {stated} as {CARD} states, found {found}: quantize again, which writes both"
                )),
                None => Some(format!(
                    "models/{name}/{CARD}: expected `\"{file}\" = \"<sha256>\"` under [files], found none"
                )),
            }
        })
        .collect()
}

fn sha256(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn card(sum: &str) -> String {
        FILES
            .iter()
            .map(|file| format!("\"{file}\" = \"{sum}\"\n"))
            .fold("[files]\n".to_owned(), |card, line| card + &line)
    }

    #[test]
    fn a_missing_file_is_named() {
        let whole = [CARD, "model.bin", "model.onnx", "model.int8.onnx"];
        assert!(files_missing("omniglot", &whole).is_empty());
        assert_eq!(
            files_missing("omniglot", &whole[..3]),
            ["models/omniglot: expected model.int8.onnx, found none"]
        );
    }

    #[test]
    fn the_sums_must_be_those_of_the_card() {
        let abc = |_: &str| Some(b"abc".to_vec());
        assert!(sums_wrong("a", &card(ABC), abc).is_empty());
        assert_eq!(sums_wrong("a", &card("00"), abc).len(), FILES.len());
        assert_eq!(sums_wrong("a", "", abc).len(), FILES.len());
        let other = |_: &str| Some(b"abd".to_vec());
        assert_eq!(sums_wrong("a", &card(ABC), other).len(), FILES.len());
    }

    #[test]
    fn a_damaged_card_is_told() {
        let found = sums_wrong("a", "[files", |_| None);
        assert!(found[0].contains("expected TOML"), "{found:?}");
    }
}
