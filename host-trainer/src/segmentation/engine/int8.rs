//! The device's int8 engine.

use anyhow::{Context, Result, ensure};
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::engine::{Engine, SegmentationEngine};
use edge_runtime::kernels::InstructionSet;
use shared::artifact::Artifact;
use shared::segmentation::References;

use super::{Reference, Segmenter};

/// The device's int8 engine.
#[derive(Debug)]
pub struct Int8Network<'a> {
    engine: PackedInt8Engine<'a>,
    zero_point: u8,
    record_len: usize,
    output_len: usize,
    records: Vec<i8>,
}

impl<'a> Int8Network<'a> {
    /// Runs an artifact.
    ///
    /// # Errors
    /// When it is damaged or does not segment.
    pub fn new(artifact: &'a [u8]) -> Result<Self> {
        let artifact = Artifact::parse(artifact).context("the artifact is refused")?;
        let plan = artifact.plan();
        ensure!(
            plan.reference_len() > 0,
            "expected a network that segments, found one that gives embeddings: verify with it"
        );
        Ok(Self {
            zero_point: artifact.contract().comparison.embedding.zero_point,
            record_len: plan.reference_len(),
            output_len: plan.output().len(),
            records: vec![],
            engine: PackedInt8Engine::new(artifact, InstructionSet::fastest())?,
        })
    }

    fn fill(&mut self, picture: &[u8]) -> Result<()> {
        let input = self.engine.memory().input;
        ensure!(
            input.len() == picture.len(),
            "expected a picture of {} bytes, found {}",
            input.len(),
            picture.len()
        );
        input.copy_from_slice(picture);
        Ok(())
    }
}

impl Segmenter for Int8Network<'_> {
    fn enroll(&mut self, references: &[Reference<'_>]) -> Result<()> {
        self.records.clear();
        let mut record = vec![0; self.record_len];
        for (picture, mask) in references {
            self.fill(picture)?;
            self.engine.reference_in_place(mask, &mut record)?;
            self.records.extend_from_slice(&record);
        }
        Ok(())
    }

    fn mask(&mut self, picture: &[u8]) -> Result<Vec<u8>> {
        self.fill(picture)?;
        let mut output = vec![0; self.output_len];
        let references = References::new(&self.records, self.record_len);
        self.engine.segment_in_place(references, &mut output)?;
        let zero_point = self.zero_point;
        Ok(output
            .iter()
            .map(|&byte| (byte > zero_point).into())
            .collect())
    }
}
