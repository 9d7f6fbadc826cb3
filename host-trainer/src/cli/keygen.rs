//! `host-trainer keygen`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;

use crate::export::signature::generate;

/// The secret key's file, where a folder is named.
const SECRET: &str = "signing.key";

/// Make a key pair to sign models with: a secret key, and a public one for those who trust it
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// The file of the secret key, the public one beside it ending in .pub; in a folder,
    /// signing.key and signing.pub. Files that are there are never replaced
    #[arg(long, value_name = "FOLDER|FILE")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When a file is there or cannot be written.
pub fn run(args: &KeygenArgs, out: &mut impl Write) -> Result<()> {
    let secret = match args.out.is_dir() {
        true => args.out.join(SECRET),
        false => args.out.clone(),
    };
    let public = secret.with_extension("pub");
    ensure!(
        public != secret,
        "{}: expected a name for the secret key, found one that ends in .pub as public ones do",
        secret.display()
    );
    let key = generate(&secret, &public)?.id();
    let (secret, public) = (secret.display().to_string(), public.display().to_string());
    if args.json {
        let made = json!({"key": key.to_string(), "secret": secret, "public": public});
        writeln!(out, "{made}")?;
        return Ok(());
    }
    writeln!(out, "key {key}")?;
    writeln!(
        out,
        "  {secret}  secret: whoever has it signs in your name; keep a copy where nobody else reads it"
    )?;
    writeln!(out, "  {public}  public: `semblance --trust` takes it")?;
    Ok(())
}
