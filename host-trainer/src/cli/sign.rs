//! `host-trainer sign`.

use edge_runtime::loader::hex;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use edge_runtime::loader::SIGNATURE;
use serde_json::json;

use crate::export::signature::{read_secret_key, sign};

/// Sign a model, for devices that run only what a key they trust has signed
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The model folder, which gets a model.sig in place of an earlier one
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// The secret key, as `keygen` makes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The model's version: devices that remember one go back to none below it
    #[arg(long, value_name = "N")]
    version: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the key cannot be read, or the model is damaged.
pub fn run(args: &SignArgs, out: &mut impl Write) -> Result<()> {
    let signed = sign(&args.model, &read_secret_key(&args.key)?, args.version)?;
    let path = args.model.join(SIGNATURE);
    if args.json {
        let signed = json!({
            "signature": path.display().to_string(),
            "version": signed.version,
            "key": signed.key.to_string(),
            "artifact_bytes": signed.length,
            "artifact_sha256": hex(&signed.sha256),
        });
        writeln!(out, "{signed}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{}: version {}, signed by key {}",
        path.display(),
        signed.version,
        signed.key
    )?;
    Ok(())
}
