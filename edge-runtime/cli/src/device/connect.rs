//! Lines to devices.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use edge_runtime::boards::{BOARDS, Board};
use edge_runtime::client::Line;
use edge_runtime::client::emulator::{Emulator, Machine, Options, names};
use edge_runtime::client::tcp::TcpLine;
use serialport::SerialPort;

use super::Device;

/// Bits a second of a serial port.
const BAUD: u32 = 115_200;

/// How long an answer may take until it counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// The variable that names the folder of the firmware.
pub(super) const FIRMWARE: &str = "SEMBLANCE_FIRMWARE";

/// Opens the line to a device.
pub(super) fn line(device: &Device) -> Result<Box<dyn Line>> {
    Ok(match device {
        Device::Local => bail!(
            "expected a device at the end of a line, found local: name tcp:HOST:PORT, serial:PATH or qemu:BOARD"
        ),
        Device::Tcp(address) => Box::new(TcpLine::connect(address).with_context(|| {
            format!("tcp:{address}: expected a device that listens there; is it on?")
        })?),
        Device::Serial(path) => Box::new(Serial::open(path)?),
        Device::Qemu(board) => Box::new(emulator(board)?),
    })
}

/// Turns on an emulated board that was flashed.
fn emulator(board: &str) -> Result<Emulator> {
    let machine = machine(board)?;
    let (firmware, flash) = files(machine)?;
    if !flash.is_file() {
        bail!(
            "{}: expected a board that was flashed, found no such file: `semblance flash --board {board} --model FOLDER` makes it",
            flash.display()
        );
    }
    let options = Options {
        firmware,
        flash,
        counts_instructions: false,
        power: None,
    };
    Emulator::start(machine, &options).with_context(|| format!("qemu:{board}"))
}

/// The emulated board of a name.
pub(super) fn machine(board: &str) -> Result<&'static Machine> {
    if Board::named(board).is_some() {
        bail!(
            "expected a board that is emulated, found {board}, which is real: `--device serial:PORT`"
        );
    }
    let real = BOARDS.iter().map(|board| board.name);
    let all: Vec<&str> = names().into_iter().chain(real).collect();
    Machine::named(board)
        .with_context(|| format!("expected one of {}, found {board:?}", all.join(", ")))
}

/// The firmware of an emulated board, and the file that keeps its flash.
pub(super) fn files(machine: &Machine) -> Result<(PathBuf, PathBuf)> {
    let firmware = firmware_of(machine.target, machine.board)?;
    let flash = format!("{}.flash", machine.board);
    Ok((firmware, folder()?.join(flash)))
}

/// The firmware of a board.
pub(super) fn firmware_of(target: &str, board: &str) -> Result<PathBuf> {
    let firmware = folder()?.join(target).join("release").join(board);
    if !firmware.is_file() {
        bail!(
            "{}: expected firmware there, found none: `cargo build --release` in edge-runtime/firmware/boards/{board} builds it",
            firmware.display(),
        );
    }
    Ok(firmware)
}

/// The folder that firmware is built into.
fn folder() -> Result<PathBuf> {
    let folder = std::env::var_os(FIRMWARE).map(PathBuf::from);
    folder.with_context(|| {
        format!("expected the folder of the firmware in {FIRMWARE}, found no such variable: `cargo xtask test --firmware` builds it into target/firmware")
    })
}

/// A serial port.
struct Serial(Box<dyn SerialPort>);

impl Serial {
    fn open(path: &str) -> Result<Self> {
        let port = serialport::new(path, BAUD).timeout(PATIENCE).open();
        let port = port.with_context(|| {
            format!("serial:{path}: expected a port that can be opened; `semblance doctor` names those there are and who may use them")
        })?;
        Ok(Self(port))
    }
}

impl Line for Serial {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
            Err(error) => Err(error),
        }
    }
}
