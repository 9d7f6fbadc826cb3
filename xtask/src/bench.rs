//! `bench`: the benchmarks, beside their peers.

use anyhow::Result;
use clap::Args;

use crate::process;
use crate::setup::{self, ENGINES};
use crate::workspace::Workspace;

/// Time embeddings and searches beside their peers
///
/// Embeddings of four towers beside ONNX Runtime and tract, and 1:N search beside the
/// machine's read bandwidth, each in one process and one thread, in turns. Leave the machine
/// alone meanwhile. The first run compiles for speed, which takes long.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Print JSON, a line for each benchmark
    #[arg(long)]
    json: bool,
}

/// Runs both benchmarks.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    setup::ensure(workspace, ENGINES)?;
    for (package, bench) in [("tests", "inference"), ("edge-runtime", "search")] {
        let mut cargo = process::cargo(workspace);
        cargo.args(["bench", "--package", package, "--bench", bench, "--"]);
        cargo.args(arguments.json.then_some("--json"));
        process::run(&mut cargo)?;
    }
    Ok(())
}
