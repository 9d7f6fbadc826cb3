//! Boards in an emulator (QEMU), whose serial port is a socket and whose flash is a file.

use core::time::Duration;
use std::borrow::ToOwned;
use std::ffi::OsString;
use std::format;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::string::String;
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use super::tcp::TcpLine;
use super::{Line, slot};
use crate::boards::{EMULATED, EMULATED_FLASH};

/// How long the emulator may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A board that can be emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The board's name, that of its package and its firmware.
    pub board: &'static str,
    /// What it is.
    pub description: &'static str,
    /// The program that emulates it.
    pub emulator: &'static str,
    /// The compiler's name for its processor.
    pub target: &'static str,
    arguments: &'static [&'static str],
    /// Where its read-only flash has the model, where models are not in the file.
    model_address: Option<u32>,
}

/// The boards that firmware is tried on.
pub const MACHINES: &[Machine] = &[
    Machine {
        board: "qemu-mps2-an385",
        description: "Cortex-M3",
        emulator: "qemu-system-arm",
        target: "thumbv6m-none-eabi",
        arguments: &["-machine", "mps2-an385"],
        model_address: None,
    },
    Machine {
        board: "qemu-mps2-an386",
        description: "Cortex-M4F",
        emulator: "qemu-system-arm",
        target: "thumbv7em-none-eabihf",
        arguments: &["-machine", "mps2-an386"],
        model_address: None,
    },
    Machine {
        board: "qemu-mps2-an500",
        description: "Cortex-M7F",
        emulator: "qemu-system-arm",
        target: "thumbv7em-none-eabihf",
        arguments: &["-machine", "mps2-an500"],
        model_address: None,
    },
    Machine {
        board: "qemu-mps3-an547",
        description: "Cortex-M55",
        emulator: "qemu-system-arm",
        target: "thumbv8m.main-none-eabihf",
        arguments: &["-machine", "mps3-an547"],
        model_address: None,
    },
    Machine {
        board: "qemu-netduinoplus2",
        description: "STM32F405, Cortex-M4F",
        emulator: "qemu-system-arm",
        target: "thumbv7em-none-eabihf",
        arguments: &["-machine", "netduinoplus2"],
        model_address: Some(0x0808_0000),
    },
    Machine {
        board: "qemu-riscv-virt",
        description: "RV32IMAC, no floating-point unit",
        emulator: "qemu-system-riscv32",
        target: "riscv32imac-unknown-none-elf",
        arguments: &["-machine", "virt", "-bios", "none"],
        model_address: None,
    },
];

impl Machine {
    /// The machine of a board.
    pub fn named(board: &str) -> Option<&'static Self> {
        MACHINES.iter().find(|machine| machine.board == board)
    }

    /// The emulator of this machine, without a window.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.emulator);
        command
            .args(self.arguments)
            .args(["-display", "none", "-monitor", "none"])
            .stdin(Stdio::null());
        command
    }
}

/// Writes a blank flash with a model in it.
///
/// # Errors
/// A model that is larger than its slot; what the system says.
pub fn make_flash(path: &Path, model: &[u8]) -> io::Result<()> {
    let mut flash = slot::with_model(&EMULATED, model).map_err(io::Error::other)?;
    flash.resize(EMULATED_FLASH.keys.end, 0xff);
    fs::write(path, flash)
}

/// How a board is emulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program for it.
    pub firmware: PathBuf,
    /// The file that keeps its flash, made by [`make_flash`].
    pub flash: PathBuf,
    /// Whether a nanosecond of the board's clocks is an instruction, so that clocks count
    /// those; slower.
    pub counts_instructions: bool,
    /// After how many writes and erasures of flash power fails.
    pub power: Option<u32>,
}

/// A board that runs in an emulator, until it is dropped.
#[derive(Debug)]
pub struct Emulator {
    line: TcpLine,
    child: Child,
}

impl Emulator {
    /// Turns a board on.
    ///
    /// # Errors
    /// When the emulator is missing or ends at once; what the system says.
    pub fn start(machine: &Machine, options: &Options) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut command = machine.command();
        command
            .arg("-semihosting-config")
            .arg(arguments(options)?)
            .arg("-serial")
            .arg(format!("tcp:{address},nodelay=on"));
        if options.counts_instructions {
            command.args(["-icount", "shift=0"]);
        }
        if let Some(place) = machine.model_address {
            let path = text(&options.flash)?;
            command
                .arg("-device")
                .arg(format!("loader,file={path},addr={place:#x},force-raw=on"));
        }
        command.arg("-kernel").arg(&options.firmware);
        command.stdout(Stdio::null());
        let mut child = command.spawn().map_err(|error| {
            let program = machine.emulator;
            io::Error::new(
                error.kind(),
                format!("{program}: expected a program that runs, found: {error}; `cargo xtask setup --only qemu` installs it"),
            )
        })?;
        match accept(&listener, &mut child) {
            Ok(line) => Ok(Self { line, child }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Counts an answer as lost after `patience`.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.line.set_patience(patience)
    }

    /// Waits until the board turns itself off.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // One that ended by itself needs neither.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Line for Emulator {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.line.send(bytes)
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        self.line.receive()
    }
}

/// What the program is told.
fn arguments(options: &Options) -> io::Result<OsString> {
    let flash = text(&options.flash)?;
    let mut arguments = format!("enable=on,target=native,arg=semblance,arg={flash}");
    if let Some(power) = options.power {
        arguments.push_str(&format!(",arg={power}"));
    }
    Ok(arguments.into())
}

/// A path as the emulator's options take it.
fn text(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| !text.contains([',', ' ']));
    text.map(ToOwned::to_owned).ok_or_else(|| {
        io::Error::other(format!(
            "{}: expected a path without commas and spaces",
            path.display()
        ))
    })
}

/// Waits for the emulator to connect.
fn accept(listener: &TcpListener, child: &mut Child) -> io::Result<TcpLine> {
    listener.set_nonblocking(true)?;
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return TcpLine::new(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!(
                "the emulator ended at once ({status}); what it said is above"
            )));
        }
        if start.elapsed() > PATIENCE {
            return Err(io::Error::other("the emulator did not start"));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The firmware of a board in the folder of a firmware build.
pub fn firmware_in(folder: &Path, machine: &Machine) -> PathBuf {
    folder
        .join(machine.target)
        .join("release")
        .join(machine.board)
}

/// Boards' names.
pub fn names() -> Vec<&'static str> {
    MACHINES.iter().map(|machine| machine.board).collect()
}
