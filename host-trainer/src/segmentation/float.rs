//! The real-numbered network in tract: records of references, masks of queries.

use std::sync::Arc;

use anyhow::{Context, Result};
use shared::Preprocess;
use tract_onnx::prelude::*;

use crate::export::onnx::{encode, float, layer, record};
use crate::quantize::fused::FusedGraph;

/// A network that segments as two ONNX files.
#[derive(Clone, Debug)]
pub struct Files {
    /// From a reference's picture and mask to its record.
    pub record: Vec<u8>,
    /// From a query and records to its mask.
    pub query: Vec<u8>,
    /// Rows and columns of the input.
    pub size: [usize; 2],
    /// Numbers of a record.
    pub record_len: usize,
}

impl Files {
    /// Those of a fused network; `metadata` goes into both.
    pub fn new(fused: &FusedGraph, preprocess: &Preprocess, metadata: &[(&str, &str)]) -> Self {
        Self {
            record: encode(&record(fused, preprocess, metadata)),
            query: encode(&float(fused, preprocess, metadata)),
            size: [fused.input.height, fused.input.width],
            record_len: fused.reference_len(),
        }
    }
}

/// Both graphs, the one of queries for so many references.
#[derive(Clone, Debug)]
pub struct FloatNetwork {
    record: Arc<TypedRunnableModel>,
    query: Arc<TypedRunnableModel>,
    size: [usize; 2],
    references: usize,
    len: usize,
}

impl FloatNetwork {
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
        Self::load(&Files::new(fused, preprocess, &[]), references, Some(names))
    }

    fn load(files: &Files, references: usize, outputs: Option<Vec<String>>) -> Result<Self> {
        let Files {
            size, record_len, ..
        } = *files;
        let picture = || u8::fact([1, 1, size[0], size[1]]).into();
        let load = || -> TractResult<_> {
            let mut model = onnx().model_for_read(&mut &files.record[..])?;
            model.set_input_fact(0, picture())?;
            model.set_input_fact(1, picture())?;
            let record = model.into_optimized()?.into_runnable()?;
            let mut model = onnx().model_for_read(&mut &files.query[..])?;
            model.set_input_fact(0, picture())?;
            model.set_input_fact(1, f32::fact([references, record_len]).into())?;
            if let Some(names) = &outputs {
                model.select_outputs_by_name(names)?;
            }
            Ok((record, model.into_optimized()?.into_runnable()?))
        };
        let (record, query) = load()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the float network does not load")?;
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

fn numbers(value: &TValue) -> TractResult<Vec<f32>> {
    Ok(value.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
}
