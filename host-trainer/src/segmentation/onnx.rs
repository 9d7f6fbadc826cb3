//! A network that segments as ONNX files.

use std::path::Path;

use anyhow::{Context, Result};
use shared::Preprocess;

use super::network::SegmentationNetwork;
use crate::engine::Precision;
use crate::export::onnx::{Format, encode, float, int8, int8_record, record};
use crate::export::{FLOAT_ONNX, INT8_ONNX};
use crate::import;
use crate::quantize::fused::FusedGraph;
use crate::quantize::int8::QuantizedGraph;

/// The real-numbered file that makes the record of a reference.
pub const RECORD_ONNX: &str = "model.record.onnx";

/// The quantized one.
pub const RECORD_INT8_ONNX: &str = "model.record.int8.onnx";

/// Two files, both real-numbered or both quantized, with the same inputs and outputs.
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
    pub fn float(fused: &FusedGraph, preprocess: &Preprocess, metadata: &[(&str, &str)]) -> Self {
        Self {
            record: encode(&record(fused, preprocess, metadata)),
            query: encode(&float(fused, preprocess, metadata)),
            size: [fused.input.height, fused.input.width],
            record_len: fused.reference_len(),
        }
    }

    /// Those of a quantized network.
    ///
    /// # Errors
    /// When ONNX has no operators for it.
    pub fn int8(graph: &QuantizedGraph, metadata: &[(&str, &str)]) -> Result<Self> {
        Ok(Self {
            record: encode(&int8_record(graph, Format::Operators, metadata)?),
            query: encode(&int8(graph, Format::Operators, metadata)?),
            size: [graph.input.height, graph.input.width],
            record_len: graph.reference_len(),
        })
    }

    /// Those in a model folder.
    ///
    /// # Errors
    /// When one is not there.
    pub fn read(
        folder: &Path,
        network: &SegmentationNetwork,
        precision: Precision,
    ) -> Result<Self> {
        let [record, query] = match precision {
            Precision::Float => [RECORD_ONNX, FLOAT_ONNX],
            Precision::Int8 => [RECORD_INT8_ONNX, INT8_ONNX],
        };
        let read = |file: &str| {
            let path = folder.join(file);
            edge_runtime::file::read(&path, import::MAX_LEN as u64)
                .with_context(|| path.display().to_string())
        };
        Ok(Self {
            record: read(record)?,
            query: read(query)?,
            size: [network.side; 2],
            record_len: network.graph()?.reference_len(),
        })
    }
}
