//! From a folder and an engine's name to a model that runs.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use edge_runtime::loader::Model;
use shared::EmbeddingFormat;
use shared::artifact::{Artifact, MAX_LEN};
use shared::support_set::{Comparison, Fusion};

use super::int8::Int8Embedder;
use super::tract::{TractFloatEmbedder, TractInt8Embedder};
use super::{Embedder, EngineName, ModelFacts, Precision};
use crate::checkpoint::Run;
use crate::config;
use crate::export::card::sha256;
use crate::export::{ARTIFACT, FLOAT_ONNX, INT8_ONNX, onnx};
use crate::quantize::fused::FusedGraph;

/// Opens `model`, a run or a model folder, on an engine. `precision` chooses one of a
/// model folder's two networks; when it is not said, int8 where the engine has a file of it.
///
/// # Errors
/// When the folder is neither, a file is missing or of another model, or the engine
/// does not run such a network.
pub fn open(
    model: &Path,
    engine: EngineName,
    precision: Option<Precision>,
) -> Result<Box<dyn Embedder>> {
    if model.join(config::CONFIG).is_file() {
        ensure!(
            precision != Some(Precision::Int8) && engine != EngineName::Int8,
            "{}: expected a model folder for the int8 network, found a training run: make one with `host-trainer quantize`",
            model.display()
        );
        return open_run(&Run::load(model)?, engine);
    }
    ensure!(
        model.join(ARTIFACT).is_file(),
        "{}: expected a training run (with {}) or a model folder (with {ARTIFACT}), found neither",
        model.display(),
        config::CONFIG
    );
    // Of a network over sequences only our engine has integers.
    let usual = match model.join(INT8_ONNX).is_file() || engine == EngineName::Int8 {
        true => Precision::Int8,
        false => Precision::Float,
    };
    open_model(model, engine, precision.unwrap_or(usual))
}

fn open_run(run: &Run, engine: EngineName) -> Result<Box<dyn Embedder>> {
    let facts = ModelFacts::of_run(run)?;
    let float = || {
        let fused = FusedGraph::new(&run.config.tower.build()?, &run.parameters)?;
        Ok::<_, anyhow::Error>(onnx::encode(&onnx::float(&fused, &facts.preprocess, &[])))
    };
    match engine {
        EngineName::Torch => open_torch(run),
        EngineName::Ort => open_ort(&float()?, facts, Precision::Float),
        EngineName::Tract => Ok(Box::new(TractFloatEmbedder::new(&float()?, facts)?)),
        EngineName::Int8 => bail!("a run has no int8 network"),
    }
}

fn open_model(
    folder: &Path,
    engine: EngineName,
    precision: Precision,
) -> Result<Box<dyn Embedder>> {
    // Every file must be the one that the card lists, as on the device: figures of a
    // network that nobody vouches for are nobody's figures.
    Model::open(folder)?;
    let artifact_bytes = read(folder, ARTIFACT)?;
    let path = folder.join(ARTIFACT);
    let artifact = Artifact::parse(&artifact_bytes).with_context(|| path.display().to_string())?;
    artifact
        .check_model_id()
        .with_context(|| path.display().to_string())?;
    let facts = ModelFacts::of(&artifact);
    match (engine, precision) {
        (EngineName::Torch, _) => bail!(
            "{}: expected a training run for libtorch, found a model folder: name the run, or use --engine ort, tract or int8",
            folder.display()
        ),
        (EngineName::Int8, Precision::Float) => {
            bail!(
                "expected --precision int8 with --engine int8, found float: use --engine ort or tract"
            )
        }
        (EngineName::Int8, Precision::Int8) => {
            Ok(Box::new(Int8Embedder::new(artifact_bytes.clone())?))
        }
        (EngineName::Tract, Precision::Float) => {
            let onnx = read(folder, FLOAT_ONNX)?;
            Ok(Box::new(TractFloatEmbedder::new(&onnx, facts)?))
        }
        (EngineName::Tract, Precision::Int8) => {
            let onnx = read_int8(folder, &artifact)?;
            Ok(Box::new(TractInt8Embedder::new(&onnx, &artifact)?))
        }
        (EngineName::Ort, Precision::Float) => {
            open_ort(&read(folder, FLOAT_ONNX)?, facts, precision)
        }
        (EngineName::Ort, Precision::Int8) => {
            open_ort(&read_int8(folder, &artifact)?, facts, precision)
        }
    }
}

/// The quantized ONNX file, which must be the one that the artifact was exported with.
fn read_int8(folder: &Path, artifact: &Artifact<'_>) -> Result<Vec<u8>> {
    let bytes = read(folder, INT8_ONNX)?;
    let stated = artifact.card().onnx_sha256;
    let expected: String = stated.iter().map(|byte| format!("{byte:02x}")).collect();
    let found = sha256(&bytes);
    ensure!(
        found == expected,
        "{}: expected SHA-256 {expected} as {ARTIFACT} states, found {found}: take all files from one model folder",
        folder.join(INT8_ONNX).display()
    );
    Ok(bytes)
}

fn read(folder: &Path, file: &str) -> Result<Vec<u8>> {
    let path = folder.join(file);
    let context = || {
        format!(
            "{}: expected this file of a model folder made by `host-trainer quantize`",
            path.display()
        )
    };
    edge_runtime::file::read(&path, MAX_LEN.into()).with_context(context)
}

impl ModelFacts {
    /// The facts of a run. Its embedding format only states dimension and norm: its
    /// embeddings are real numbers.
    ///
    /// # Errors
    /// When the tower cannot be built.
    pub fn of_run(run: &Run) -> Result<Self> {
        let tower = run.config.tower.build()?;
        Ok(Self {
            model_id: None,
            preprocess: run.config.preprocess,
            comparison: Comparison {
                embedding: EmbeddingFormat {
                    dim: u16::try_from(tower.embedding_dim())?,
                    normalized: tower.normalized,
                    zero_point: 0,
                    scale: 1.0,
                },
                distance: run.config.distance,
                fusion: Fusion::Prototype,
            },
            cohort: None,
        })
    }
}

#[cfg(feature = "libtorch")]
fn open_torch(run: &Run) -> Result<Box<dyn Embedder>> {
    let device = crate::train::device::Choice::Auto.open()?;
    Ok(Box::new(super::torch::TorchEmbedder::new(run, device)?))
}

#[cfg(not(feature = "libtorch"))]
fn open_torch(_: &Run) -> Result<Box<dyn Embedder>> {
    bail!("expected a build with libtorch for --engine torch: build with `--features libtorch`")
}

#[cfg(feature = "ort")]
fn open_ort(onnx: &[u8], facts: ModelFacts, precision: Precision) -> Result<Box<dyn Embedder>> {
    Ok(Box::new(super::ort::OrtEmbedder::new(
        onnx, facts, precision,
    )?))
}

#[cfg(not(feature = "ort"))]
fn open_ort(_: &[u8], _: ModelFacts, _: Precision) -> Result<Box<dyn Embedder>> {
    bail!("expected a build with ONNX Runtime for --engine ort: build with `--features ort`")
}
