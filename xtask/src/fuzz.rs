//! `fuzz`: whatever bytes come, for as long as somebody waits.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::process;
use crate::workspace::Workspace;

/// Feed made-up bytes to readers of bytes, guided by what they reach
///
/// Builds the targets once and runs them one after the other. What they come upon is kept
/// under tests/fuzz/corpus, which later runs begin with; what breaks them under
/// tests/fuzz/artifacts. Needs a C++ compiler, for libFuzzer.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The targets; all of them where none is named
    #[arg(value_enum)]
    targets: Vec<Target>,
    /// How long each runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Or how many inputs each tries
    #[arg(long, conflicts_with = "seconds")]
    executions: Option<u64>,
    /// Print one JSON object for each target
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// A minute of each target that is quickly built.
    pub(crate) fn usual() -> Self {
        use Target::{Artifact, Frames, Session, Template};
        Self {
            targets: vec![Frames, Session, Artifact, Template],
            seconds: 60,
            executions: None,
            json: false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Frames on a line, and the messages in them
    Frames,
    /// A host that says anything to a device
    Session,
    /// Device artifacts, and running what was read
    Artifact,
    /// Records of a template store
    Template,
    /// Networks in ONNX files; builds for minutes
    Import,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Session => "session",
            Self::Artifact => "artifact",
            Self::Template => "template",
            Self::Import => "import",
        }
    }

    /// The longest input, bytes.
    fn longest(self) -> u32 {
        match self {
            Self::Frames | Self::Template => 1024,
            // The longest seed is a network that segments.
            Self::Artifact => 1280,
            // The model and a few requests.
            Self::Session => 768,
            Self::Import => 8192,
        }
    }
}

/// Counters at every branch, which libFuzzer goes by. Any compiler can; a sanitizer would take
/// one of tomorrow, and `unsafe` is the kernels' alone. What is compared is not traced: that
/// takes most of the time, where seeds begin as formats do and checksums are made to fit.
const RUSTFLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table";

/// What became of a target.
struct Outcome {
    executions: u64,
    per_second: u64,
    crashed: bool,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    ensure!(
        has_compiler(workspace),
        "expected a C++ compiler, which libFuzzer is built with, found none on PATH"
    );
    let targets = match arguments.targets.as_slice() {
        [] => Target::value_variants(),
        named => named,
    };
    let mut crashed = vec![];
    for &target in targets {
        let program = build(workspace, target)?;
        let outcome = attack(workspace, target, &program, arguments)?;
        tell(target, &outcome, arguments.json);
        if outcome.crashed {
            crashed.push(target.name());
        }
    }
    if !crashed.is_empty() {
        bail!(
            "inputs that break {} lie in {}",
            crashed.join(", "),
            folder(workspace).join("artifacts").display()
        );
    }
    Ok(())
}

/// Whether libFuzzer can be built.
pub(crate) fn has_compiler(workspace: &Workspace) -> bool {
    process::ask(process::command(workspace, "c++").arg("--version")).is_some()
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests/fuzz")
}

/// Builds a target; those before it have built what they have in common.
fn build(workspace: &Workspace, target: Target) -> Result<PathBuf> {
    let machine = machine(workspace)?;
    let output = workspace.target.join("fuzz");
    let mut cargo = process::cargo(workspace);
    cargo
        .current_dir(folder(workspace))
        .args(["build", "--release", "--locked", "--bin", target.name()])
        // With a target named, build scripts are spared the counters.
        .args(["--target", &machine, "--target-dir"])
        .arg(&output)
        .env("RUSTFLAGS", RUSTFLAGS);
    if target == Target::Import {
        cargo.args(["--features", "import"]);
    }
    process::run(&mut cargo)?;
    Ok(output.join(machine).join("release").join(target.name()))
}

/// This machine, as compilers name it.
fn machine(workspace: &Workspace) -> Result<String> {
    let told = process::ask(process::command(workspace, "rustc").arg("-vV"));
    let told = told.context("expected a Rust compiler")?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("expected the compiler's host")?.to_owned())
}

/// Runs a target on its seeds and what earlier runs came upon.
fn attack(
    workspace: &Workspace,
    target: Target,
    program: &PathBuf,
    arguments: &Arguments,
) -> Result<Outcome> {
    let name = target.name();
    let folder = folder(workspace);
    let corpus = folder.join("corpus").join(name);
    let artifacts = folder.join("artifacts").join(name);
    for made in [&corpus, &artifacts] {
        fs::create_dir_all(made).with_context(|| made.display().to_string())?;
    }
    let mut fuzzer = process::command(workspace, program);
    fuzzer
        .arg(&corpus)
        .args(seeds(workspace, target)?)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_len={}", target.longest()))
        .args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]);
    fuzzer.arg(match arguments.executions {
        Some(executions) => format!("-runs={executions}"),
        None => format!("-max_total_time={}", arguments.seconds),
    });
    run_fuzzer(&mut fuzzer)
}

/// What a target begins with: folders, or files.
fn seeds(workspace: &Workspace, target: Target) -> Result<Vec<String>> {
    let seeds = folder(workspace).join("seeds").join(target.name());
    if target != Target::Import {
        return Ok(vec![seeds.display().to_string()]);
    }
    // The networks that other tests have.
    let golden = workspace.root.join("tests/golden");
    let files = fs::read_dir(&golden).with_context(|| golden.display().to_string())?;
    let networks = files
        .filter_map(|file| Some(file.ok()?.path().display().to_string()))
        .filter(|file| file.ends_with(".onnx"));
    let networks: Vec<String> = networks.collect();
    Ok(vec![format!("-seed_inputs={}", networks.join(","))])
}

fn run_fuzzer(fuzzer: &mut Command) -> Result<Outcome> {
    process::announce(fuzzer);
    let output = fuzzer
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("expected a target that starts")?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // Its last words: the panic, and the file that brought it about.
        let lines: Vec<&str> = told.lines().collect();
        let last = lines.len().saturating_sub(60);
        eprintln!("{}", lines[last..].join("\n"));
    }
    Ok(Outcome {
        executions: figure(&told, "stat::number_of_executed_units:").unwrap_or(0),
        per_second: figure(&told, "stat::average_exec_per_sec:").unwrap_or(0),
        crashed: !output.status.success(),
    })
}

/// A number that libFuzzer states at its end.
fn figure(told: &str, name: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

fn tell(target: Target, outcome: &Outcome, is_json: bool) {
    let name = target.name();
    let Outcome {
        executions,
        per_second,
        crashed,
    } = outcome;
    if is_json {
        println!(
            "{}",
            json!({
                "target": name,
                "executions": executions,
                "per_second": per_second,
                "crashed": crashed,
            })
        );
        return;
    }
    let end = match crashed {
        true => "BROKEN",
        false => "nothing broke",
    };
    println!("{name:10} {executions:>12} inputs, {per_second:>8} a second: {end}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_other_words() {
        let told = "Done 5 runs in 1 second(s)\n\
            stat::number_of_executed_units: 50331648\n\
            stat::average_exec_per_sec:     838860\n";
        let executed = figure(told, "stat::number_of_executed_units:");
        assert_eq!(executed, Some(50_331_648));
        let speed = figure(told, "stat::average_exec_per_sec:");
        assert_eq!(speed, Some(838_860));
        assert_eq!(figure("", "stat::average_exec_per_sec:"), None);
    }
}
