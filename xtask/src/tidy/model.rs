//! Rules on the models that the repository holds.

use sha2::{Digest, Sha256};
use toml::Table;

/// The model card.
pub(super) const CARD: &str = "model.toml";
/// What a model folder holds beside its card, the last one but for networks over sequences, of
/// whose layers ONNX has none in integers.
const FILES: [&str; 3] = ["model.bin", "model.onnx", "model.int8.onnx"];

/// What one of a network that segments holds beside its card.
const SEGMENTATION_FILES: [&str; 3] = ["model.bin", "model.onnx", "model.record.onnx"];

/// Whether a card is of a network that segments.
fn segments(card: &Table) -> bool {
    card.get("kind").and_then(|kind| kind.as_str()) == Some("segmentation")
}

/// The files that the folder `models/<name>` should hold, by its card if it has one, and does not.
pub(super) fn files_missing(name: &str, files: &[&str], card: &str) -> Vec<String> {
    let card: Option<Table> = card.parse().ok();
    let architecture = card
        .as_ref()
        .and_then(|card| card.get("tower")?.get("architecture")?.as_str());
    let is_recurrent = architecture == Some("recurrent");
    let [artifact, float, int8] = match card.as_ref().is_some_and(segments) {
        true => SEGMENTATION_FILES,
        false => FILES,
    };
    let needed = [CARD, artifact, float].into_iter();
    needed
        .chain((!is_recurrent).then_some(int8))
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
    let files = match segments(&card) {
        true => SEGMENTATION_FILES,
        false => FILES,
    };
    files
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
        assert!(files_missing("omniglot", &whole, "").is_empty());
        let missing = ["models/omniglot: expected model.int8.onnx, found none"];
        let conv4 = "[tower]\narchitecture = \"conv4\"\n";
        for card in ["", conv4, "[tower"] {
            assert_eq!(files_missing("omniglot", &whole[..3], card), missing);
        }
        let recurrent = "[tower]\narchitecture = \"recurrent\"\n";
        assert!(files_missing("pen", &whole[..3], recurrent).is_empty());
        assert_eq!(files_missing("pen", &whole[..2], recurrent).len(), 1);
        let segments = "kind = \"segmentation\"\n";
        let missing = ["models/cells: expected model.record.onnx, found none"];
        assert_eq!(files_missing("cells", &whole, segments), missing);
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
