//! ONNX files in tract, with our kernels where they are in int8: records of references, masks of
//! queries.

use std::sync::Arc;

use anyhow::{Context, Result};
use edge_runtime::engine::tract::read;
use shared::Preprocess;
use tract_onnx::prelude::*;

use super::{Reference, Segmenter};
use crate::export::onnx::layer;
use crate::quantize::fused::FusedGraph;
use crate::segmentation::onnx::Files;

/// Both graphs, the one of queries for so many references.
#[derive(Clone, Debug)]
pub struct TractNetwork {
    record: Arc<TypedRunnableModel>,
    query: Arc<TypedRunnableModel>,
    size: [usize; 2],
    references: usize,
    len: usize,
}

impl TractNetwork {
    /// Gives what the last layer gives.
    ///
    /// # Errors
    /// When tract cannot run the network.
    pub fn new(files: &Files, references: usize) -> Result<Self> {
        Self::load(files, references, None)
    }

    /// Gives what every node gives.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_values(
        fused: &FusedGraph,
        preprocess: &Preprocess,
        references: usize,
    ) -> Result<Self> {
        let names = fused.nodes.iter().map(|node| layer(&node.name)).collect();
        Self::load(
            &Files::float(fused, preprocess, &[]),
            references,
            Some(names),
        )
    }

    fn load(files: &Files, references: usize, outputs: Option<Vec<String>>) -> Result<Self> {
        let Files {
            size, record_len, ..
        } = *files;
        let picture = || u8::fact([1, 1, size[0], size[1]]).into();
        let load = || -> TractResult<_> {
            let mut model = read(&files.record)?;
            model.set_input_fact(0, picture())?;
            model.set_input_fact(1, picture())?;
            let record = model.into_optimized()?.into_runnable()?;
            let mut model = read(&files.query)?;
            model.set_input_fact(0, picture())?;
            model.set_input_fact(1, f32::fact([references, record_len]).into())?;
            if let Some(names) = &outputs {
                model.select_outputs_by_name(names)?;
            }
            Ok((record, model.into_optimized()?.into_runnable()?))
        };
        let (record, query) = load()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the network does not load")?;
        Ok(Self {
            record,
            query,
            size,
            references,
            len: record_len,
        })
    }

    /// What a reference says: a preprocessed picture and its mask of 0 and 1.
    ///
    /// # Errors
    /// When one of them has another size than the network's input.
    pub fn record(&self, picture: &[u8], mask: &[u8]) -> Result<Vec<f32>> {
        let run = || -> TractResult<Vec<f32>> {
            let inputs = [picture, mask].map(|bytes| self.picture(bytes));
            let [picture, mask] = inputs;
            let outputs = self.record.run(tvec!(picture?, mask?))?;
            numbers(&outputs[0])
        };
        run()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the encoder does not run")
    }

    /// The outputs for a preprocessed picture and the records of references.
    ///
    /// # Errors
    /// When something has another size than the network's inputs.
    pub fn query(&self, picture: &[u8], records: &[f32]) -> Result<Vec<Vec<f32>>> {
        let run = || -> TractResult<Vec<Vec<f32>>> {
            let records = Tensor::from_shape(&[self.references, self.len], records)?;
            let inputs = tvec!(self.picture(picture)?, records.into_tvalue());
            self.query.run(inputs)?.iter().map(numbers).collect()
        };
        run()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the network does not run")
    }

    fn picture(&self, bytes: &[u8]) -> TractResult<TValue> {
        let shape = [1, 1, self.size[0], self.size[1]];
        Ok(Tensor::from_shape(&shape, bytes)?.into_tvalue())
    }
}

/// A network in tract, loaded anew for each number of references.
#[derive(Debug)]
pub struct TractSegmenter {
    files: Files,
    network: Option<(usize, TractNetwork)>,
    records: Vec<f32>,
}

impl TractSegmenter {
    /// Runs a network.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            network: None,
            records: vec![],
        }
    }

    fn network(&mut self, references: usize) -> Result<&TractNetwork> {
        if self
            .network
            .as_ref()
            .is_none_or(|(count, _)| *count != references)
        {
            let network = TractNetwork::new(&self.files, references)?;
            self.network = Some((references, network));
        }
        let network = self.network.as_ref().map(|(_, network)| network);
        network.context("expected a network that was loaded")
    }
}

impl Segmenter for TractSegmenter {
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

fn numbers(value: &TValue) -> TractResult<Vec<f32>> {
    Ok(value.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
}
