//! Puts a model on a board, after checking that it fits.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result};
use edge_runtime::client::emulator::make_flash;
use edge_runtime::limits::EMULATED;
use edge_runtime::loader::Model;
use serde_json::json;

use super::connect::{files, machine};
use crate::Outcome;
use crate::arguments::Flash;

pub(crate) fn run(arguments: &Flash, out: &mut impl Write) -> Result<Outcome> {
    let machine = machine(&arguments.board)?;
    let model = Model::open(&arguments.model)?;
    let artifact = model.identified_artifact()?;
    let (plan, contract) = (artifact.plan(), artifact.contract());
    EMULATED.check(&artifact, model.artifact_len())?;
    let (firmware, flash) = files(machine)?;
    make_flash(&flash, model.bytes())
        .with_context(|| format!("{}: expected to write the flash", flash.display()))?;
    let needs = [
        ("flash for the model", model.artifact_len(), EMULATED.slot),
        ("memory for activations", plan.arena_len(), EMULATED.arena),
        (
            "memory for a sample",
            contract.preprocess.output_len(),
            EMULATED.input,
        ),
    ];
    if arguments.json {
        let needs =
            needs.map(|(what, needed, room)| json!({"what": what, "bytes": needed, "room": room}));
        let flashed = json!({
            "board": machine.board,
            "model_id": artifact.model_id().to_string(),
            "firmware": firmware.display().to_string(),
            "flash": flash.display().to_string(),
            "needs": needs,
        });
        writeln!(out, "{flashed}")?;
    } else {
        writeln!(
            out,
            "{}, {}: flashed with {}, model {}",
            machine.board,
            machine.description,
            artifact.card().name,
            artifact.model_id().short()
        )?;
        for (what, needed, room) in needs {
            writeln!(out, "  {what:24} {needed:>8} of {room:>8} bytes")?;
        }
        let size = fs::metadata(&firmware).map_or(0, |metadata| metadata.len());
        writeln!(
            out,
            "  firmware {} ({size} bytes with what debuggers need)",
            firmware.display()
        )?;
    }
    Ok(Outcome::Yes)
}
