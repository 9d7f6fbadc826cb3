//! From a folder and an engine's name to a network that segments.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use edge_runtime::loader::Model;
use shared::Preprocess;
use shared::artifact::{Artifact, MAX_LEN};
use shared::preprocess::PicturePreprocess;

use super::{Int8Network, Segmenter, TractSegmenter};
use crate::config::CONFIG;
use crate::dataset::Part;
use crate::engine::{EngineName, Precision};
use crate::export::ARTIFACT;
use crate::segmentation::config::SegmentationConfig;
use crate::segmentation::dataset::{Task, split::part_of};
use crate::segmentation::export::{SegmentationCard, fused};
use crate::segmentation::onnx::Files;
use crate::segmentation::samples::{Samples, preprocessing};

/// A network, and what it learnt from.
pub struct Opened<'a> {
    /// Runs it.
    pub segmenter: Box<dyn Segmenter + 'a>,
    /// The engine's name.
    pub engine: &'static str,
    /// `float` or `int8`.
    pub precision: &'static str,
    /// Tasks that it learnt from.
    pub tasks: Vec<String>,
    /// From pictures to its inputs.
    pub preprocess: PicturePreprocess,
}

impl Opened<'_> {
    /// Whether other subjects of a task were learnt from.
    pub fn has_learnt(&self, task: &Task) -> bool {
        self.tasks.contains(&task.name)
    }

    /// The pictures of a task that judge the network: all, or where it learnt from the task only
    /// those of subjects that it did not learn from.
    ///
    /// # Errors
    /// As [`Samples::new`].
    pub fn judging(&self, task: &Task) -> Result<Samples> {
        let has_learnt = self.has_learnt(task);
        Samples::new(task, &self.preprocess, |case| {
            !has_learnt || part_of(&task.name, &case.subject) == Part::Test
        })
    }
}

/// Opens `folder`, a run or a model, on an engine; `artifact` keeps the bytes of a model in int8.
/// When `precision` is not said, it is int8 for a model.
///
/// # Errors
/// When the folder is neither, a file is missing, or the engine does not run such a network.
pub fn open<'a>(
    folder: &Path,
    engine: EngineName,
    precision: Option<Precision>,
    artifact: &'a mut Vec<u8>,
) -> Result<Opened<'a>> {
    if folder.join(CONFIG).is_file() {
        return open_run(folder, engine, precision);
    }
    // Every file must be the one that the card lists, as on the device.
    Model::open(folder)?;
    let card = SegmentationCard::load(folder)?;
    let Preprocess::Picture(preprocess) = card.preprocess else {
        bail!("expected a network over pictures, found one over sequences");
    };
    let precision = precision.unwrap_or(Precision::Int8);
    let (segmenter, engine) = match engine {
        EngineName::Int8 => {
            ensure!(
                precision == Precision::Int8,
                "expected --precision int8 with --engine int8, found float: use --engine ort or tract"
            );
            *artifact = edge_runtime::file::read(&folder.join(ARTIFACT), MAX_LEN.into())?;
            Artifact::parse(artifact)?.check_model_id()?;
            let network: Box<dyn Segmenter + 'a> = Box::new(Int8Network::new(artifact)?);
            (network, "int8")
        }
        _ => on_files(
            &Files::read(folder, &card.network, precision)?,
            engine,
            precision,
        )?,
    };
    Ok(Opened {
        segmenter,
        engine,
        precision: name(precision),
        tasks: card.tasks,
        preprocess,
    })
}

fn open_run<'a>(
    folder: &Path,
    engine: EngineName,
    precision: Option<Precision>,
) -> Result<Opened<'a>> {
    ensure!(
        precision != Some(Precision::Int8) && engine != EngineName::Int8,
        "{}: expected a model folder for the int8 network, found a training run: make one with `host-trainer quantize`, or use --engine ort or tract",
        folder.display()
    );
    let config = SegmentationConfig::load(folder)?;
    let preprocess = preprocessing(config.network.side);
    let files = Files::float(&fused(folder, &config)?, &preprocess.into(), &[]);
    let (segmenter, engine) = on_files(&files, engine, Precision::Float)?;
    Ok(Opened {
        segmenter,
        engine,
        precision: name(Precision::Float),
        tasks: config.tasks,
        preprocess,
    })
}

fn on_files<'a>(
    files: &Files,
    engine: EngineName,
    precision: Precision,
) -> Result<(Box<dyn Segmenter + 'a>, &'static str)> {
    match engine {
        EngineName::Tract => Ok((Box::new(TractSegmenter::new(files.clone())), "tract")),
        EngineName::Ort => Ok((open_ort(files, precision)?, "ort")),
        EngineName::Torch | EngineName::Int8 => {
            bail!("expected --engine int8, tract or ort to segment with, found another")
        }
    }
}

#[cfg(feature = "ort")]
fn open_ort<'a>(files: &Files, precision: Precision) -> Result<Box<dyn Segmenter + 'a>> {
    Ok(Box::new(super::ort::OrtSegmenter::new(files, precision)?))
}

#[cfg(not(feature = "ort"))]
fn open_ort<'a>(_: &Files, _: Precision) -> Result<Box<dyn Segmenter + 'a>> {
    bail!("expected a build with ONNX Runtime for --engine ort: build with `--features ort`")
}

fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::Float => "float",
        Precision::Int8 => "int8",
    }
}
