//! What segments, behind one trait: the device's int8 engine, and a model's ONNX files in tract and
//! in ONNX Runtime.

pub mod int8;
#[cfg(feature = "ort")]
pub mod ort;
pub mod tract;

mod open;

use anyhow::Result;

pub use int8::Int8Network;
pub use open::{Opened, open};
pub use tract::{TractNetwork, TractSegmenter};

/// A preprocessed picture and its mask of 0 and 1.
pub type Reference<'a> = (&'a [u8], Vec<u8>);

/// Segments preprocessed pictures.
pub trait Segmenter {
    /// Makes the given references those of all queries to come.
    ///
    /// # Errors
    /// When something has another size than the network's input.
    fn enroll(&mut self, references: &[Reference<'_>]) -> Result<()>;

    /// The mask, 0 and 1, of a preprocessed picture.
    ///
    /// # Errors
    /// As [`enroll`](Self::enroll).
    fn mask(&mut self, picture: &[u8]) -> Result<Vec<u8>>;

    /// Both.
    ///
    /// # Errors
    /// As [`enroll`](Self::enroll).
    fn segment(&mut self, picture: &[u8], references: &[Reference<'_>]) -> Result<Vec<u8>> {
        self.enroll(references)?;
        self.mask(picture)
    }
}
