//! `host-trainer`: train, quantize and evaluate Siamese networks.

use std::process::ExitCode;

use clap::Parser;
use host_trainer::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
