//! A training run on disk: configuration and weights, readable without libtorch.
//!
//! ```text
//! runs/NAME/run.toml              what was trained, on what, how; see [`RunConfig`]
//! runs/NAME/weights.safetensors   the best weights so far, by validation
//! runs/NAME/resume.safetensors    what continuing needs: last weights, optimizer state
//! runs/NAME/events.jsonl          every event of the training
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::config::RunConfig;
use crate::tower::{Parameters, Tensor};

/// Every event of a run's training, a JSON object a line.
pub const EVENTS: &str = "events.jsonl";
/// The best weights of a run.
pub const WEIGHTS: &str = "weights.safetensors";

/// A run: its configuration and best weights.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its configuration.
    pub config: RunConfig,
    /// Its best weights.
    pub parameters: Parameters,
}

impl Run {
    /// Reads a run folder.
    ///
    /// # Errors
    /// When a file is missing or malformed; the message names the file, what was
    /// expected and found.
    pub fn load(folder: &Path) -> Result<Self> {
        let config = RunConfig::load(folder)?;
        let (parameters, _) = read_tensors(&folder.join(WEIGHTS))?;
        Ok(Self { config, parameters })
    }

    /// Writes a run folder, which is made where there is none.
    ///
    /// # Errors
    /// When the folder cannot be written; earlier files are untouched then.
    pub fn save(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)
            .with_context(|| format!("{}: cannot be made", folder.display()))?;
        write_tensors(&folder.join(WEIGHTS), &self.parameters, Default::default())?;
        self.config.save(folder)
    }
}

/// Reads named tensors and the text beside them.
///
/// # Errors
/// When the file is missing or holds anything but single-precision tensors.
pub fn read_tensors(path: &Path) -> Result<(Parameters, BTreeMap<String, String>)> {
    let bytes = fs::read(path)
        .with_context(|| format!("{}: expected weights, found no such file", path.display()))?;
    let context = || format!("{}: expected a whole safetensors file", path.display());
    let (_, metadata) = SafeTensors::read_metadata(&bytes).with_context(context)?;
    let texts = metadata.metadata().clone().unwrap_or_default();
    let tensors = SafeTensors::deserialize(&bytes).with_context(context)?;
    let parameters = tensors
        .iter()
        .map(|(name, view)| {
            ensure!(
                view.dtype() == Dtype::F32,
                "{}: expected f32 numbers in {name}, found {:?}",
                path.display(),
                view.dtype()
            );
            let chunks = view.data().as_chunks::<4>().0;
            let values = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes));
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                values: values.collect(),
            };
            Ok((name.to_owned(), tensor))
        })
        .collect::<Result<_>>()?;
    Ok((parameters, texts.into_iter().collect()))
}

/// Writes named tensors, and text beside them, in one go: a reader finds the old
/// file or the new one, never half of it.
///
/// # Errors
/// When the file cannot be written; an earlier one is untouched then.
pub fn write_tensors(
    path: &Path,
    parameters: &Parameters,
    texts: BTreeMap<String, String>,
) -> Result<()> {
    let bytes: BTreeMap<&str, Vec<u8>> = parameters
        .iter()
        .map(|(name, tensor)| {
            let values = tensor.values.iter().flat_map(|value| value.to_le_bytes());
            (name.as_str(), values.collect())
        })
        .collect();
    let views = parameters
        .iter()
        .map(|(name, tensor)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), &bytes[name.as_str()])?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let texts = (!texts.is_empty()).then(|| texts.into_iter().collect());
    write_whole(path, &safetensors::serialize(views, texts)?)
}

/// Writes a file by way of a temporary sibling and a rename.
///
/// # Errors
/// When the folder cannot be written; an earlier file is untouched then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let context = || format!("{}: cannot be written", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    // Readable as far as the user's umask allows, as any file they write is.
    let mut temporary = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(context)?;
    temporary.write_all(bytes).with_context(context)?;
    temporary.as_file().sync_all().with_context(context)?;
    temporary.persist(path).with_context(context)?;
    Ok(())
}
