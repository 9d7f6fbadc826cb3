//! `demo`: the whole path, from no data set to a decision on the device's engine.

mod figures;
mod signatures;
mod verify;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::setup::{self, ENGINES};
use crate::stage::Stages;
use crate::workspace::Workspace;

/// The engines that can run on a device, which must agree.
const DEVICE_ENGINES: [&str; 2] = ["int8", "tract"];
const DATASET: &str = "synthetic-signatures";
/// The share of skilled forgeries that may be accepted.
const FAR: &str = "0.1";

/// Where the demo keeps things, from the repository's root; git ignores them.
const RUN: &str = "runs/demo";
const MODEL: &str = "runs/demo-model";
const FIGURES: &str = "runs/demo-figures";
const SIGNATURES: &str = "runs/demo-signatures";
const STORE: &str = "runs/demo.store";
const KEYS: &str = "runs/demo-keys";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut stages = Stages::of("demo");
    stages.run("set up", || setup::ensure(workspace, ENGINES))?;
    stages.run("build", || {
        let mut build = process::cargo(workspace);
        process::run(build.args([
            "build",
            "--package",
            "host-trainer",
            "--package",
            "edge-cli",
        ]))
    })?;
    stages.run("train, on generated signatures", || train(workspace))?;
    stages.run("quantize and export", || quantize(workspace))?;
    let figures = stages.run("evaluate, on signers never seen in training", || {
        figures::of_every_engine(workspace)
    })?;
    let signers = stages.run("generate signatures of more such signers", || {
        signatures::generate(workspace)
    })?;
    let attempts = stages.run("enrol and verify, as a device does", || {
        verify::every_signature(workspace, &signers)
    })?;
    stages.finish();
    println!("\n{figures}\n{attempts}");
    println!("{}", where_things_are());
    Ok(())
}

fn train(workspace: &Workspace) -> Result<()> {
    if there(workspace, &format!("{MODEL}/model.toml")) {
        return Ok(());
    }
    let mut train = host_trainer(workspace);
    // An interrupted demo goes on where it was.
    train.args(["train", "--dataset", DATASET, "--out", RUN, "--seed", "1"]);
    process::run(train.arg("--resume"))
}

fn quantize(workspace: &Workspace) -> Result<()> {
    if there(workspace, &format!("{MODEL}/model.toml")) {
        return Ok(());
    }
    process::run(host_trainer(workspace).args(["quantize", RUN, "--out", MODEL]))
}

/// Says that something an earlier run has made is taken as it is.
fn there(workspace: &Workspace, path: &str) -> bool {
    let there = path_of(workspace, path).exists();
    if there {
        eprintln!("already there: {path} (`rm -r runs/demo*` to start over)");
    }
    there
}

fn path_of(workspace: &Workspace, path: &str) -> PathBuf {
    workspace.root.join(path)
}

/// The trainer, started by cargo, which knows where libtorch is.
fn host_trainer(workspace: &Workspace) -> Command {
    let mut program = process::cargo(workspace);
    program.args(["run", "--quiet", "--package", "host-trainer", "--"]);
    program
}

/// The device's program as it was built beside the trainer. Asked for alone, cargo
/// would choose other features of the dependencies and compile them anew.
fn semblance(workspace: &Workspace) -> Command {
    let mut semblance = process::command(workspace, workspace.target.join("debug/semblance"));
    semblance.env("SEMBLANCE_KEYS", path_of(workspace, KEYS));
    semblance
}

fn where_things_are() -> String {
    format!(
        "\
Where things are
  {RUN}  the training run
  {MODEL}  the model: model.bin for a device, ONNX for other tools, model.toml the card
  {FIGURES}  what `evaluate` measured
  {SIGNATURES}  the signatures; look at contact-sheet.png
  {STORE}  the enrolled templates, sealed with the key in {KEYS}
Next: train on pictures of your own, see README.md."
    )
}
