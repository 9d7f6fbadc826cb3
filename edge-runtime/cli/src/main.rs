//! `semblance`: enrol, verify and identify on a Linux-class board.
//!
//! Exit codes: 0 accepted or done, 1 rejected, unknown or a check failed, 2 an error.

mod arguments;
mod model;
mod pictures;
mod verbs;

use std::process::ExitCode;

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
    match verbs::run(Arguments::parse()) {
        Ok(Outcome::Yes) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
