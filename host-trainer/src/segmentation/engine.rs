//! What segments, behind one trait: the device's int8 engine, and the float network in tract.

use anyhow::{Context, Result, ensure};
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::engine::{Engine, SegmentationEngine};
use edge_runtime::kernels::InstructionSet;
use shared::artifact::Artifact;
use shared::segmentation::References;

use super::float::{Files, FloatNetwork};

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

/// The float network in tract.
#[derive(Debug)]
pub struct FloatSegmenter {
    files: Files,
    network: Option<(usize, FloatNetwork)>,
    records: Vec<f32>,
}

impl FloatSegmenter {
    /// Runs a network.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            network: None,
            records: vec![],
        }
    }

    fn network(&mut self, references: usize) -> Result<&FloatNetwork> {
        if self
            .network
            .as_ref()
            .is_none_or(|(count, _)| *count != references)
        {
            let network = FloatNetwork::new(&self.files, references)?;
            self.network = Some((references, network));
        }
        let network = self.network.as_ref().map(|(_, network)| network);
        network.context("expected a network that was loaded")
    }
}

impl Segmenter for FloatSegmenter {
    fn enroll(&mut self, references: &[Reference<'_>]) -> Result<()> {
        let network = self.network(references.len())?;
        let records = references
            .iter()
            .map(|(picture, mask)| network.record(picture, mask));
        self.records = records.collect::<Result<Vec<_>>>()?.concat();
        Ok(())
    }

    fn mask(&mut self, picture: &[u8]) -> Result<Vec<u8>> {
        let (_, network) = self.network.as_ref().context("expected references first")?;
        let outputs = network.query(picture, &self.records)?;
        Ok(outputs[0]
            .iter()
            .map(|&logit| (logit > 0.0).into())
            .collect())
    }
}
