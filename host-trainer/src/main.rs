//! `host-trainer`: train, quantize and evaluate Siamese networks.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use host_trainer::cli::Cli;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads errors, the exit code still tells.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Prints a command's answer, all of it or nothing.
fn run(cli: &Cli) -> Result<()> {
    let mut answer = vec![];
    cli.run(&mut answer)?;
    let mut output = io::stdout().lock();
    output
        .write_all(&answer)
        .and_then(|()| output.flush())
        .context("standard output: expected to write the answer")
}
