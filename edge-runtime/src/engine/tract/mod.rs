//! The tract engine: runs the quantized ONNX file of the same model.
//!
//! tract reads the file, infers shapes and orders the work; what our kernels compute, they
//! compute, and what they do not know stays tract's own. Before that, [`check`] refuses what no
//! model here holds.

mod check;
mod kernel;
mod operators;
mod recognize;

use core::panic::AssertUnwindSafe;
use std::format;
use std::panic::catch_unwind;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

use shared::ModelId;
use shared::artifact::{Artifact, Contract};
use tract_onnx::Onnx;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::planes::{planes, shape};
use super::{Engine, EngineError, Memory, check_length};

/// The graph output that holds the raw embedding bytes.
const OUTPUT: &str = "embedding_q8";

/// The metadata key of the model's identity, as tract names it.
const MODEL_ID: &str = "onnx.metadata_props.model_id";

/// A quantized ONNX model in tract, planned for one sample at a time.
#[derive(Clone, Debug)]
pub struct TractEngine {
    model_id: ModelId,
    contract: Contract,
    dim: usize,
    input: Vec<u8>,
    plan: Arc<TypedRunnableModel>,
}

impl TractEngine {
    /// Loads `onnx`, the quantized ONNX file that belongs to `artifact`. The caller
    /// has checked that its SHA-256 is the one the artifact's card states:
    /// tract's parser must not see bytes that nobody vouches for.
    ///
    /// # Errors
    /// [`EngineError::OtherModel`] when the file states another identity,
    /// [`EngineError::Tract`] when it holds what no quantized network does, takes more memory
    /// than it may, or tract cannot load it.
    pub fn load(onnx: &[u8], artifact: &Artifact<'_>) -> Result<Self, EngineError> {
        let contract = *artifact.contract();
        let model = guarded(|| {
            let reader = reader();
            let model = reader.proto_model_for_read(&mut &onnx[..])?;
            check::check(&model).map_err(TractError::msg)?;
            from_proto(&reader, model)
        })?;
        let model_id = stated_identity(&model)?;
        if model_id != artifact.model_id() {
            return Err(EngineError::OtherModel {
                expected: artifact.model_id(),
                found: model_id,
            });
        }
        let preprocess = contract.preprocess;
        let plan = guarded(|| plan(model, &shape(&preprocess, 1)))?;
        Ok(Self {
            model_id,
            contract,
            dim: usize::from(contract.comparison.embedding.dim),
            input: vec![0; preprocess.output_len()],
            plan,
        })
    }
}

/// Reads an ONNX file, ours or not; what our kernels compute is computed by them.
///
/// # Errors
/// What tract says of the file.
pub fn read(onnx: &[u8]) -> TractResult<InferenceModel> {
    let reader = reader();
    let model = reader.proto_model_for_read(&mut &onnx[..])?;
    from_proto(&reader, model)
}

/// tract's reader, which knows our operators too.
fn reader() -> Onnx {
    let mut reader = onnx();
    operators::register(&mut reader.op_register);
    reader
}

fn from_proto(reader: &Onnx, mut model: ModelProto) -> TractResult<InferenceModel> {
    if let Some(graph) = &mut model.graph {
        recognize::recognize(graph);
    }
    reader.model_for_proto_model(&model)
}

fn plan(mut model: InferenceModel, shape: &[usize]) -> TractResult<Arc<TypedRunnableModel>> {
    model.select_outputs_by_name([OUTPUT])?;
    model.set_input_fact(0, u8::fact(shape).into())?;
    let model = model.into_optimized()?;
    check::check_memory(&model)?;
    model.into_runnable()
}

/// What is strange enough makes tract panic instead of saying so.
fn guarded<T>(load: impl FnOnce() -> TractResult<T>) -> Result<T, EngineError> {
    match catch_unwind(AssertUnwindSafe(load)) {
        Ok(loaded) => loaded.map_err(tract_error),
        Err(_) => Err(EngineError::Tract("that tract gave up on it".to_string())),
    }
}

fn stated_identity(model: &InferenceModel) -> Result<ModelId, EngineError> {
    let missing = || EngineError::Tract(format!("no {MODEL_ID} in the file"));
    let property = model.properties.get(MODEL_ID).ok_or_else(missing)?;
    let text = property
        .try_as_plain_ram()
        .and_then(|plain| Ok(plain.to_scalar::<String>()?.clone()))
        .map_err(tract_error)?;
    ModelId::from_hex(&text).ok_or_else(missing)
}

impl Engine for TractEngine {
    fn model_id(&self) -> ModelId {
        self.model_id
    }

    fn contract(&self) -> &Contract {
        &self.contract
    }

    fn memory(&mut self) -> Memory<'_> {
        Memory {
            input: &mut self.input,
            idle: &mut [],
        }
    }

    fn run_in_place(&mut self, output: &mut [u8]) -> Result<(), EngineError> {
        let preprocess = self.contract.preprocess;
        check_length("an output", self.dim, output.len())?;
        let input = planes(&preprocess, &self.input);
        let tensor = Tensor::from_shape(&shape(&preprocess, 1), &input).map_err(tract_error)?;
        let outputs = self
            .plan
            .run(tvec!(tensor.into_tvalue()))
            .map_err(tract_error)?;
        let plain = outputs[0].try_as_plain_ram().map_err(tract_error)?;
        let embedding = plain.as_slice::<u8>().map_err(tract_error)?;
        check_length("an embedding", self.dim, embedding.len())?;
        output.copy_from_slice(embedding);
        Ok(())
    }
}

fn tract_error(error: TractError) -> EngineError {
    EngineError::Tract(format!("{error:#}"))
}
