//! Preprocessing in a run's table and a card's: the entries alone say of which kind it is.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared::Preprocess;
use shared::preprocess::{PenPreprocess, PicturePreprocess};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entries {
    Picture(PicturePreprocess),
    Pen(PenPreprocess),
}

/// Writes the entries.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(preprocess: &Preprocess, serializer: S) -> Result<S::Ok, S::Error> {
    match *preprocess {
        Preprocess::Picture(picture) => Entries::Picture(picture),
        Preprocess::Pen(pen) => Entries::Pen(pen),
    }
    .serialize(serializer)
}

/// Reads the entries.
///
/// # Errors
/// When they are of no kind.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Preprocess, D::Error> {
    Ok(match Entries::deserialize(deserializer)? {
        Entries::Picture(picture) => picture.into(),
        Entries::Pen(pen) => pen.into(),
    })
}
