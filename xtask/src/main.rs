//! `cargo xtask <verb>`: the one entry for chores.
//!
//! One file (or folder) per verb. `process` runs other programs, `stage` prints
//! headings and elapsed time, `workspace` knows where things are.

mod bench;
mod ci;
mod demo;
mod firmware;
mod fuzz;
mod golden;
mod process;
mod setup;
mod stage;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workspace::Workspace;

/// The one entry for chores.
///
/// Start with `cargo xtask demo`, which goes the whole path from no data set to
/// a verified signature, or `cargo xtask test`, which runs every check. Both call
/// `setup` first, and skip what is there.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Setup(setup::Arguments),
    /// Train, quantize, enrol and verify on signers never seen in training
    ///
    /// Generates signatures (no data set is needed), trains on some signers,
    /// quantizes to int8, measures on others, enrols three more and verifies
    /// their genuine and forged signatures on both engines that can run on a
    /// device. Keeps everything under runs/demo*, and takes from there what an
    /// earlier run has made.
    Demo,
    Test(test::Arguments),
    Bench(bench::Arguments),
    Fuzz(fuzz::Arguments),
    /// What must pass before a merge: `test` on the locked dependencies, a minute of `fuzz`
    /// for each target that is quickly built
    Ci,
    /// Rewrite the golden files from what the code does now
    ///
    /// Look at the difference before committing it: a golden file that changes
    /// means that bytes or figures which others rely on have changed.
    Golden,
    /// Check the rules of ARCHITECTURE.md that the compiler cannot
    Tidy,
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    let outcome = Workspace::find().and_then(|workspace| match verb {
        Verb::Setup(arguments) => setup::run(&workspace, arguments),
        Verb::Demo => demo::run(&workspace),
        Verb::Test(arguments) => test::run(&workspace, arguments),
        Verb::Bench(arguments) => bench::run(&workspace, &arguments),
        Verb::Fuzz(arguments) => fuzz::run(&workspace, &arguments),
        Verb::Ci => ci::run(&workspace),
        Verb::Golden => golden::run(&workspace),
        Verb::Tidy => tidy::run(&workspace),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
