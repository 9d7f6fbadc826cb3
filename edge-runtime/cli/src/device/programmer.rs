//! Writes firmware and model to a real board, by the program that its maker's tools come with.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use edge_runtime::boards::{Board, Programmer};
use edge_runtime::client::slot;

/// Writes the firmware, the model to the first slot, and nothing to the second one and to the
/// store behind it: nobody is enrolled.
pub(super) fn write(board: &Board, firmware: &Path, model: &[u8]) -> Result<()> {
    let mut image = slot::with_model(&board.limits, model)?;
    image.resize(board.map.end() - board.map.slots[0].start, 0xff);
    let mut file = tempfile::Builder::new().suffix(".bin").tempfile()?;
    file.write_all(&image)?;
    file.flush()?;
    for mut command in commands(board, firmware, file.path()) {
        let program = command.get_program().display().to_string();
        let status = command.status().with_context(|| {
            format!("{program}: expected a program that runs: see edge-runtime/firmware/README.md for where it comes from")
        })?;
        ensure!(
            status.success(),
            "{program}: expected it to write {}, found that it ended with {status}: is the board connected, and ready to be written?",
            board.name
        );
    }
    Ok(())
}

/// Whether this program can have a board written at all.
pub(super) fn check(board: &Board) -> Result<()> {
    if let Programmer::Espflash { .. } = board.programmer {
        bail!(
            "expected a board that is written as a whole, found {}: `cargo run --release` in its package writes its firmware, and `flash --device serial:PORT` its model",
            board.name
        );
    }
    Ok(())
}

/// What writes firmware and slots, and starts the board.
fn commands(board: &Board, firmware: &Path, slots: &Path) -> Vec<Command> {
    let address = format!("{:#x}", board.map.slots[0].start);
    match board.programmer {
        Programmer::ProbeRs { chip } => {
            let probe_rs = |verb: &str| {
                let mut command = Command::new("probe-rs");
                command.args([verb, "--chip", chip]);
                command
            };
            let (mut program, mut models) = (probe_rs("download"), probe_rs("download"));
            program.arg(firmware);
            models
                .args(["--binary-format", "bin", "--base-address", &address])
                .arg(slots);
            vec![program, models, probe_rs("reset")]
        }
        Programmer::Uf2 { .. } => {
            let picotool = |verb: &str| {
                let mut command = Command::new("picotool");
                command.arg(verb);
                command
            };
            let (mut program, mut models) = (picotool("load"), picotool("load"));
            program.args(["-v", "-t", "elf"]).arg(firmware);
            models.args(["-v", "-t", "bin", "-o", &address]).arg(slots);
            vec![program, models, picotool("reboot")]
        }
        // Which `check` refused.
        Programmer::Espflash { .. } => vec![],
    }
}
