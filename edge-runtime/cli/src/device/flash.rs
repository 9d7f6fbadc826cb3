//! Puts a model on a board, after checking that it fits.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result, bail};
use edge_runtime::boards::{Board, EMULATED};
use edge_runtime::client::emulator::make_flash;
use edge_runtime::loader::Model;
use serde_json::json;

use super::connect::{files, firmware_of, machine};
use super::keys::HostKeys;
use super::{Device, programmer, remote};
use crate::Outcome;
use crate::arguments::Flash;

pub(crate) fn run(arguments: &Flash, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.trust.open(&arguments.model)?;
    match (&arguments.board, &arguments.device) {
        (_, Some(device)) => send(arguments, device, &model, out),
        (Some(board), None) => begin_anew(arguments, board, &model, out),
        (None, None) => bail!("expected --board or --device"),
    }
}

/// Sends a device another model, which checks it itself.
fn send(
    arguments: &Flash,
    device: &Device,
    model: &Model,
    out: &mut impl Write,
) -> Result<Outcome> {
    let artifact = model.identified_artifact()?;
    let name = artifact.card().name;
    let bytes = model.signed_bytes()?;
    let (board, running) = remote::send_model(device, &arguments.keys, &artifact, &bytes)?;
    if running != artifact.model_id().to_string() {
        bail!(
            "expected model {} to run on {board} now, found model {running}: try again",
            artifact.model_id()
        );
    }
    if arguments.json {
        let flashed = json!({
            "board": board,
            "model_id": running,
            "bytes": bytes.len(),
        });
        writeln!(out, "{flashed}")?;
    } else {
        writeln!(
            out,
            "{board}: runs {name}, model {}, {} bytes; templates of other models are kept as stale",
            artifact.model_id().short(),
            bytes.len()
        )?;
    }
    Ok(Outcome::Yes)
}

/// Writes firmware and model to a board: this model, nobody of another one.
fn begin_anew(
    arguments: &Flash,
    board: &str,
    model: &Model,
    out: &mut impl Write,
) -> Result<Outcome> {
    let artifact = model.identified_artifact()?;
    let bytes = model.signed_bytes()?;
    let real = Board::named(board);
    let limits = real.map_or(EMULATED, |board| board.limits);
    limits.check(&artifact, bytes.len())?;
    let (firmware, flash) = match real {
        Some(real) => {
            programmer::check(real)?;
            let firmware = firmware_of(real.target, real.name)?;
            programmer::write(real, &firmware, &bytes)?;
            (firmware, None)
        }
        None => {
            let (firmware, flash) = files(machine(board)?)?;
            make_flash(&flash, &bytes)
                .with_context(|| format!("{}: expected to write the flash", flash.display()))?;
            // It goes by another key from now on.
            HostKeys::new(arguments.keys.folder()?).forget(&Device::Qemu(board.to_owned()))?;
            (firmware, Some(flash))
        }
    };
    let arena = artifact.plan().arena_len();
    let needs = [
        ("flash for the model", bytes.len(), limits.model()),
        ("memory for activations", arena, limits.arena),
    ];
    if arguments.json {
        let needs =
            needs.map(|(what, needed, room)| json!({"what": what, "bytes": needed, "room": room}));
        let flashed = json!({
            "board": board,
            "model_id": artifact.model_id().to_string(),
            "firmware": firmware.display().to_string(),
            "flash": flash.map(|flash| flash.display().to_string()),
            "needs": needs,
        });
        writeln!(out, "{flashed}")?;
        return Ok(Outcome::Yes);
    }
    writeln!(
        out,
        "{board}: flashed with {}, model {}",
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
    Ok(Outcome::Yes)
}
