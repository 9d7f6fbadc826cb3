//! Lines to devices.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use edge_runtime::client::Line;
use edge_runtime::client::emulator::{Emulator, Machine, Options, firmware_in, names};
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
        Device::Local => bail!("expected a device, found none"),
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
    Machine::named(board)
        .with_context(|| format!("expected one of {}, found {board:?}", names().join(", ")))
}

/// The firmware of a board, and the file that keeps its flash.
pub(super) fn files(machine: &Machine) -> Result<(PathBuf, PathBuf)> {
    let folder = std::env::var_os(FIRMWARE).map(PathBuf::from);
    let folder = folder.with_context(|| {
        format!("expected the folder of the firmware in {FIRMWARE}, found no such variable: `cargo xtask test --firmware` builds it into target/firmware")
    })?;
    let firmware = firmware_in(&folder, machine);
    if !firmware.is_file() {
        bail!(
            "{}: expected firmware there, found none: `cargo build --release` in edge-runtime/firmware/boards/{} builds it",
            firmware.display(),
            machine.board
        );
    }
    Ok((firmware, folder.join(format!("{}.flash", machine.board))))
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
