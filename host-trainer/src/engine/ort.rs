//! ONNX Runtime: the independent reference.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, ensure};
use edge_runtime::engine::planes::{planes, shape};
use edge_runtime::kernels::InstructionSet;
use ort::environment::Environment;
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::TensorRef;

use super::{Embedder, Embeddings, ModelFacts, Precision};
use crate::export::onnx::{EMBEDDING, EMBEDDING_Q8, MODEL_ID};

/// Samples per call.
const BATCH: usize = 64;

/// An ONNX file in ONNX Runtime.
#[derive(Debug)]
pub struct OrtEmbedder {
    session: Session,
    facts: ModelFacts,
    precision: Precision,
}

impl OrtEmbedder {
    /// Loads a file whose `precision` says which output is read.
    ///
    /// # Errors
    /// As [`session`], and when the file states another identity.
    pub fn new(onnx: &[u8], facts: ModelFacts, precision: Precision) -> Result<Self> {
        let session = session(onnx, precision)?;
        if let Some(expected) = facts.model_id {
            let found = session.metadata()?.custom(MODEL_ID).unwrap_or_default();
            ensure!(
                found == expected.to_string(),
                "expected an ONNX file of model {expected}, found one of {found:?}: take all files from one model folder"
            );
        }
        Ok(Self {
            session,
            facts,
            precision,
        })
    }
}

impl Embedder for OrtEmbedder {
    fn engine(&self) -> &'static str {
        "ort"
    }

    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings> {
        let preprocess = self.facts.preprocess;
        let format = self.facts.comparison.embedding;
        let (length, dim) = (preprocess.output_len(), usize::from(format.dim));
        let (mut floats, mut bytes) = (vec![], vec![]);
        for batch in inputs.chunks(BATCH * length) {
            let shape = shape(&preprocess, batch.len() / length);
            let batch = planes(&preprocess, batch);
            let input = TensorRef::from_array_view((shape, &*batch))?;
            let outputs = self.session.run(ort::inputs![input])?;
            match self.precision {
                Precision::Float => {
                    floats.extend_from_slice(outputs[EMBEDDING].try_extract_tensor::<f32>()?.1);
                }
                Precision::Int8 => {
                    bytes.extend_from_slice(outputs[EMBEDDING_Q8].try_extract_tensor::<u8>()?.1);
                }
            }
        }
        if self.precision == Precision::Float {
            return Ok(Embeddings::Float {
                dim,
                values: floats,
            });
        }
        let mut values = vec![0; bytes.len()];
        for (raw, stored) in bytes.chunks_exact(dim).zip(values.chunks_exact_mut(dim)) {
            format.finish(raw, stored);
        }
        Ok(Embeddings::Int8 {
            dim,
            values,
            scale: format.scale,
        })
    }
}

/// A session that computes a file as it is written.
///
/// # Errors
/// When ONNX Runtime is not there, the file does not load, or an int8 file would not be computed
/// as it is written ([`sums_are_exact`]).
pub(crate) fn session(onnx: &[u8], precision: Precision) -> Result<Session> {
    ensure!(
        precision == Precision::Float || sums_are_exact(),
        "expected a processor with VNNI for ONNX Runtime's int8 kernels, found one without, where their sums of products saturate and results are other ones: use --engine int8 or tract, which are exact everywhere"
    );
    Session::builder(environment()?)?
        .with_optimization_level(match precision {
            Precision::Float => GraphOptimizationLevel::All,
            // Optimized, it adds in other arithmetic, which differs by 1 once in 10^5.
            Precision::Int8 => GraphOptimizationLevel::Disable,
        })
        .map_err(|error| anyhow::anyhow!("{error}"))?
        .commit_from_memory(onnx)
        .context("expected an ONNX file that ONNX Runtime loads")
}

/// Whether ONNX Runtime adds products of unsigned and signed bytes as its operators are
/// defined. On x86-64 without VNNI it adds pairs of them in 16 bits that saturate
/// (`vpmaddubsw`), which its documentation states.
pub fn sums_are_exact() -> bool {
    let has_vnni = |set| matches!(set, InstructionSet::AvxVnni | InstructionSet::Avx512Vnni);
    cfg!(not(target_arch = "x86_64")) || InstructionSet::supported().any(has_vnni)
}

/// Where `cargo xtask setup` puts ONNX Runtime.
const LIBRARY: &str = ".semblance/onnxruntime/libonnxruntime.so";

/// ONNX Runtime, loaded once for the whole program.
///
/// # Errors
/// When it is not there.
pub fn environment() -> Result<&'static Environment> {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    // Two made at once, one of them dropped, bring ONNX Runtime down.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let path = match std::env::var_os("ORT_DYLIB_PATH") {
        Some(path) => PathBuf::from(path),
        None => Path::new(LIBRARY).to_path_buf(),
    };
    let environment = ort::init_from(&path)
        .with_context(|| {
            format!(
                "{}: expected ONNX Runtime, found none that loads: run `cargo xtask setup`, or set ORT_DYLIB_PATH",
                path.display()
            )
        })?
        .with_name("semblance")
        .with_telemetry(false)
        .build()?;
    Ok(ENVIRONMENT.get_or_init(|| environment))
}
