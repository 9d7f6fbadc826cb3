//! `semblance`: enrol, verify and identify on a Linux-class board.
//!
//! Exit codes: 0 accepted or done, 1 rejected, unknown or a check failed, 2 an error.

mod arguments;
#[cfg(feature = "device")]
mod device;
mod model;
mod pictures;
mod trust;
mod verbs;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::Arguments;

/// How a verb that did its work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Accepted, or done.
    Yes,
    /// Rejected, unknown, or a check failed.
    No,
}

fn main() -> ExitCode {
    #[cfg(panic = "abort")]
    std::panic::set_hook(Box::new(give_up));
    match run(Arguments::parse()) {
        Ok(Outcome::Yes) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) => {
            // Where nobody reads errors, the exit code still tells.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Where nothing catches panics, as in what ships, one ends the program: a library that gives
/// up on strange input is an error all the same.
#[cfg(panic = "abort")]
fn give_up(panic: &std::panic::PanicHookInfo<'_>) {
    let _ = writeln!(
        io::stderr(),
        "error: expected input that can be handled, found that a library gives up on it: {panic}; is the model from somebody you trust?"
    );
    std::process::exit(2);
}

/// Prints a verb's answer, all of it or nothing.
fn run(arguments: Arguments) -> Result<Outcome> {
    let mut answer = vec![];
    let outcome = verbs::run(arguments, &mut answer)?;
    let mut output = io::stdout().lock();
    output
        .write_all(&answer)
        .and_then(|()| output.flush())
        .context("standard output: expected to write the answer")?;
    Ok(outcome)
}
