//! ONNX files in ONNX Runtime, the independent reference.

use anyhow::Result;
use ort::session::Session;
use ort::value::TensorRef;

use super::{Reference, Segmenter};
use crate::engine::Precision;
use crate::engine::ort::session;
use crate::export::onnx::{LOGITS, RECORD};
use crate::segmentation::onnx::Files;

/// A network in ONNX Runtime.
#[derive(Debug)]
pub struct OrtSegmenter {
    record: Session,
    query: Session,
    size: [usize; 2],
    record_len: usize,
    records: Vec<f32>,
}

impl OrtSegmenter {
    /// Loads both files of a network of that precision.
    ///
    /// # Errors
    /// As [`session`].
    pub fn new(files: &Files, precision: Precision) -> Result<Self> {
        Ok(Self {
            record: session(&files.record, precision)?,
            query: session(&files.query, precision)?,
            size: files.size,
            record_len: files.record_len,
            records: vec![],
        })
    }

    /// What a reference says: a preprocessed picture and its mask of 0 and 1.
    ///
    /// # Errors
    /// When one of them has another size than the network's input.
    pub fn record(&mut self, (picture, mask): &Reference<'_>) -> Result<Vec<f32>> {
        let shape = [1, 1, self.size[0], self.size[1]];
        let outputs = self.record.run(ort::inputs![
            TensorRef::from_array_view((shape, *picture))?,
            TensorRef::from_array_view((shape, mask.as_slice()))?
        ])?;
        Ok(outputs[RECORD].try_extract_tensor::<f32>()?.1.to_vec())
    }

    /// Positive where the structure is, by what the references said.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn logits(&mut self, picture: &[u8]) -> Result<Vec<f32>> {
        let shape = [1, 1, self.size[0], self.size[1]];
        let references = [self.records.len() / self.record_len.max(1), self.record_len];
        let outputs = self.query.run(ort::inputs![
            TensorRef::from_array_view((shape, picture))?,
            TensorRef::from_array_view((references, self.records.as_slice()))?
        ])?;
        Ok(outputs[LOGITS].try_extract_tensor::<f32>()?.1.to_vec())
    }
}

impl Segmenter for OrtSegmenter {
    fn enroll(&mut self, references: &[Reference<'_>]) -> Result<()> {
        let records = references.iter().map(|reference| self.record(reference));
        self.records = records.collect::<Result<Vec<_>>>()?.concat();
        Ok(())
    }

    fn mask(&mut self, picture: &[u8]) -> Result<Vec<u8>> {
        let logits = self.logits(picture)?;
        Ok(logits.iter().map(|&logit| (logit > 0.0).into()).collect())
    }
}
