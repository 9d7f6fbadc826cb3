//! What models cost on boards, and whether kernels are exact there.

use std::fs;
use std::path::Path;

use edge_runtime::boards::EMULATED;
use edge_runtime::client::emulator::{MACHINES, firmware_in};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use shared::artifact::Artifact;
use shared::wire::{Request, Response};

use crate::board::*;

/// The most memory beside the arena: stack, templates, frames, everything.
const MEMORY: u64 = 16 * 1024;

/// The most code of the engine: kernels, plan, and the reading of artifacts.
const ENGINE: u64 = 20 * 1024;

/// What its functions are named by.
const ENGINE_PARTS: &[&str] = &[
    "edge_runtime::engine::",
    "edge_kernels::",
    "shared::artifact::",
];

/// What firmware takes, as its sections and functions say.
struct Size {
    /// Bytes of flash, without a model.
    flash: u64,
    /// Bytes of memory, without the stack.
    memory: u64,
    /// Bytes of code that are the engine's.
    engine: u64,
}

impl Size {
    fn of(firmware: &Path) -> Self {
        let bytes = fs::read(firmware).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let mut size = Self {
            flash: 0,
            memory: 0,
            engine: 0,
        };
        for symbol in file.symbols() {
            let name = rustc_demangle::demangle(symbol.name().unwrap());
            let name = format!("{name:#}");
            let is_code = symbol.kind() == SymbolKind::Text;
            if is_code && ENGINE_PARTS.iter().any(|part| name.contains(part)) {
                size.engine += symbol.size();
            }
        }
        for section in file.sections() {
            // Room that the linker leaves, which the board says how much of it is used.
            if matches!(section.name(), Ok(".stack" | ".heap")) {
                continue;
            }
            match section.kind() {
                SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                    size.flash += section.size();
                }
                SectionKind::Data => {
                    size.flash += section.size();
                    size.memory += section.size();
                }
                SectionKind::UninitializedData => size.memory += section.size(),
                _ => {}
            }
        }
        size
    }
}

/// What a model costs, board by board.
#[test]
fn figures_of_boards() {
    let Some(firmware) = firmware("figures of boards") else {
        return;
    };
    let bytes = model();
    let macs = Artifact::parse(&bytes).unwrap().plan().macs() as f64;
    let picture = pictures(1, 1).concat().remove(0);
    println!("board                 instructions  per MAC   flash  engine     RAM   stack");
    for machine in MACHINES {
        let mut board = Board::new(&firmware, machine);
        board.options.counts_instructions = true;
        let mut client = board.start();
        client.hello().unwrap();
        // What takes the most of the stack: an enrolment, and another one in its place.
        enroll(&mut client, "ada", &picture);
        enroll(&mut client, "ada", &picture);
        client.ask(&Request::SelfTest).unwrap();
        let Response::Measured {
            ticks,
            per_second,
            stack,
        } = client.ask(&Request::Measure).unwrap()
        else {
            panic!("{}: no figures", machine.board);
        };
        // A nanosecond is an instruction.
        let instructions = match per_second {
            0 => ticks as f64,
            hertz => ticks as f64 * 1e9 / f64::from(hertz),
        };
        let size = Size::of(&firmware_in(&firmware, machine));
        println!(
            "{:20} {:13.0} {:8.3} {:7} {:7} {:7} {:7}",
            machine.board,
            instructions,
            instructions / macs,
            size.flash,
            size.engine,
            size.memory,
            stack.0
        );
        assert!(
            // Eight products in an instruction are the most of any.
            instructions > macs / 8.0 && stack.0 < stack.1,
            "{}",
            machine.board
        );
        // Everything but activations and pictures.
        let memory = size.memory - EMULATED.arena as u64 + u64::from(stack.0);
        assert!(memory <= MEMORY, "{}: {memory} bytes", machine.board);
        assert!(
            (1..=ENGINE).contains(&size.engine),
            "{}: {} bytes",
            machine.board,
            size.engine
        );
    }
}

/// The kernels of each processor give the bytes of the plain loops; what they cost.
#[test]
fn kernels_of_boards_equal_the_plain_loops() {
    let Some(firmware) = firmware("kernels of boards") else {
        return;
    };
    // The other board's processor is the first one's.
    let machines = MACHINES.iter();
    for machine in machines.filter(|machine| machine.board != "qemu-netduinoplus2") {
        let mut program = firmware_in(&firmware, machine).into_os_string();
        program.push("-kernels");
        let mut emulator = machine.command();
        emulator
            .args(["-serial", "null", "-icount", "shift=0"])
            .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
            .arg(program);
        println!("{}", machine.board);
        assert!(emulator.status().unwrap().success(), "{}", machine.board);
    }
}
