//! `bench`: the benchmarks, beside their peers.

use std::fs;

use anyhow::{Context, Result};
use clap::Args;

use crate::process;
use crate::setup::{self, ENGINES};
use crate::workspace::Workspace;

/// Time embeddings and searches beside their peers
///
/// Embeddings of four towers beside ONNX Runtime and tract, their convolutions by themselves,
/// and 1:N search beside the machine's read bandwidth, each in one process and one thread, in turns. Leave the machine
/// alone meanwhile. The first run compiles for speed, which takes long.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Print JSON, a line for each benchmark
    #[arg(long)]
    json: bool,
    /// Also build the programs that ship, with tract and without, and state their size and
    /// the memory that a Conv4 takes: many minutes more
    #[arg(long)]
    programs: bool,
}

/// A program that ships, and how cargo builds it.
const PROGRAMS: [(&str, &[&str]); 2] = [
    (
        "semblance without tract",
        &["--no-default-features", "--features", "int8"],
    ),
    ("semblance", &[]),
];

/// What the programs' memory is measured with: the Conv4.
const MODEL: &str = "models/omniglot-vinyals";

/// Runs the benchmarks.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    setup::ensure(workspace, ENGINES)?;
    let benches: [(&str, &str, &[&str]); 3] = [
        ("tests", "inference", &[]),
        ("tests", "inference", &["--layers"]),
        ("edge-runtime", "search", &[]),
    ];
    for (package, bench, options) in benches {
        let mut cargo = process::cargo(workspace);
        cargo.args(["bench", "--package", package, "--bench", bench, "--"]);
        cargo.args(options);
        cargo.args(arguments.json.then_some("--json"));
        process::run(&mut cargo)?;
    }
    if arguments.programs {
        programs(workspace, arguments.json)?;
    }
    Ok(())
}

/// Size and memory of the programs that ship.
fn programs(workspace: &Workspace, is_json: bool) -> Result<()> {
    for (name, features) in PROGRAMS {
        let mut cargo = process::cargo(workspace);
        cargo.args(["build", "--release", "--package", "edge-cli", "--locked"]);
        process::run(cargo.args(features))?;
        let program = workspace.target.join("release/semblance");
        let bytes = fs::metadata(&program)
            .with_context(|| format!("{}: expected the program", program.display()))?
            .len();
        let mut bench = process::command(workspace, program);
        let answer = process::output(bench.args(["bench", "--json", "--model", MODEL]))?;
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        let memory = answer["peak_memory_bytes"].as_u64();
        match is_json {
            true => println!(
                "{}",
                serde_json::json!({ "program": name, "bytes": bytes, "peak_memory_bytes": memory })
            ),
            false => println!("{name}: {bytes} bytes, at most {memory:?} bytes of memory"),
        }
    }
    Ok(())
}
