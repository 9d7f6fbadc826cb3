use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use edge_runtime::keys::file::{FileKeys, fresh};
use edge_runtime::keys::{DeviceSecrets, KeyProvider, Keys};
use edge_runtime::store::TemplateStore;
use edge_runtime::store::file::{FileStore, SHOTS, STRUCTURE_SHOTS};
use serde_json::json;
use shared::ModelId;
use shared::embedding::MAX_DIM;
use shared::seal::Sealer;

use crate::Outcome;
use crate::arguments::RotateKey;
use crate::model::marks;

pub(super) fn run(arguments: &RotateKey, out: &mut impl Write) -> Result<Outcome> {
    let path = arguments.keys.device_key()?;
    let mut keys = FileKeys::new(&path);
    if arguments.retire {
        let retired = keys.retire()?;
        if arguments.json {
            writeln!(out, "{}", json!({"retired": retired}))?;
        } else {
            let what = if retired {
                "is forgotten"
            } else {
                "is not there"
            };
            writeln!(out, "{}: the key before {what}", path.display())?;
        }
        return Ok(if retired { Outcome::Yes } else { Outcome::No });
    }
    let folder = arguments.model.as_deref().context("expected --model")?;
    let model = arguments.trust.open(folder)?;
    let artifact = model.identified_artifact()?;
    let model = artifact.model_id();
    let store = arguments.store.as_deref().context("expected --store")?;
    let count = match marks(&artifact) {
        true => seal::<STRUCTURE_SHOTS>(arguments, &mut keys, store, model)?,
        false => seal::<SHOTS>(arguments, &mut keys, store, model)?,
    };
    let secrets = FileKeys::open_or_begin(&path)?;
    let key = Sealer::new(&secrets.current).key_id();
    let is_kept = secrets.previous.is_some();
    if arguments.json {
        let rotated = json!({
            "store": store.display().to_string(),
            "subjects": count,
            "key": key.to_string(),
            "previous_key_kept": is_kept,
        });
        writeln!(out, "{rotated}")?;
    } else {
        writeln!(
            out,
            "{}: {count} subjects sealed with key {key}",
            store.display()
        )?;
        if is_kept {
            writeln!(
                out,
                "the key before is kept for other stores: when all are sealed anew, `rotate-key --retire` forgets it"
            )?;
        }
    }
    Ok(Outcome::Yes)
}

/// Seals a store anew, or at last: how many are enrolled.
fn seal<const SHOTS: usize>(
    arguments: &RotateKey,
    keys: &mut FileKeys,
    store: &Path,
    model: ModelId,
) -> Result<usize> {
    let secrets = FileKeys::open_or_begin(keys.path())?;
    if arguments.unsealed {
        let sealed = FileStore::<SHOTS, MAX_DIM>::seal(store, model, Keys::new(&secrets))?;
        return Ok(sealed.templates().count());
    }
    // What cannot be opened now must be told before there is another key.
    FileStore::<SHOTS, MAX_DIM>::open(store, model, Keys::new(&secrets))?;
    let secrets = another(keys, secrets)?;
    let mut sealed = FileStore::<SHOTS, MAX_DIM>::open(store, model, Keys::new(&secrets))?;
    sealed.reseal()?;
    Ok(sealed.templates().count())
}

/// Adds a key, unless one was added that not all stores are sealed with yet.
fn another(keys: &mut FileKeys, secrets: DeviceSecrets) -> Result<DeviceSecrets> {
    if secrets.previous.is_some() {
        return Ok(secrets);
    }
    keys.add(&fresh()?)?;
    Ok(FileKeys::open_or_begin(keys.path())?)
}
