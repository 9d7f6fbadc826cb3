//! Which functions of firmware could panic, and why none does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use edge_runtime::client::emulator::{MACHINES, firmware_in};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use crate::board::firmware;

/// Functions that end in a panic, and what a library has behind them.
const PANICS: &[&str] = &[
    "core::panicking",
    "core::slice::index::slice_index_fail",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "core::option::expect_failed",
    "core::slice::copy_from_slice_impl",
];

/// Who calls them, and why that call is never reached. A function is named as far as it is
/// certain what the compiler makes of it.
const ARGUED: &[(&str, &str)] = &[
    (
        "core::",
        "panics that call each other, and checks of core that the functions below call",
    ),
    (
        "sequential_storage::",
        "an operation that is asked again after it was finished, which block_on never does; \
         slices of the buffer for a record, which is as long as the longest one, checked when a \
         store is opened",
    ),
    (
        "edge_runtime::store::flash::",
        "the same, where the library's functions are part of ours",
    ),
    (
        "shared::wire::frame::serialize",
        "postcard writes a number into as many bytes as its type can take",
    ),
    (
        "edge_runtime::link::noise::",
        "a key of 32 bytes is part of a block of 64; the rest of a message is part of a block; \
         the key stream of ChaCha20 goes on for 256 GB, and messages are parts of a frame",
    ),
    (
        "chacha20poly1305::",
        "the same: its first block is the key of Poly1305",
    ),
    (
        "chacha20::",
        "keys, nonces and blocks have their lengths by their types; its stream goes on for 256 GB, \
         and a record is part of a page",
    ),
    ("<chacha20::", "the same"),
    ("<cipher::", "the same"),
    (
        "hkdf::",
        "32 bytes are asked for, and there may be 255 times as many",
    ),
    ("<hmac::", "a key of 32 bytes is part of a block of 64"),
    (
        "<hybrid_array::",
        "a block's bytes, counted by the length of its type",
    ),
    (
        "universal_hash::",
        "what is left of a message is shorter than a block",
    ),
    (
        "ed25519_compact::",
        "digits, words and bytes of arrays, counted by the arrays' lengths",
    ),
    (
        "edge_runtime::slots::fitting",
        "the same, where the library's functions are part of ours",
    ),
    (
        "edge_runtime::server::enrolment::enroll",
        "sequential_storage, as above, where a store is part of it",
    ),
    ("<edge_runtime::store::flash::", "the same"),
    ("<&mut S as edge_runtime::store::", "the same"),
    (
        "serde_core::ser::Serializer::collect_seq",
        "as shared::wire::frame::serialize",
    ),
    (
        "postcard::",
        "as above; it reads numbers byte by byte and stops at their longest form",
    ),
    (
        "app::run::run",
        "cobs decodes in place, and writes behind what it reads",
    ),
    (
        "static_cell::",
        "each cell is taken once, by the function that main calls once",
    ),
    (
        "semihosting::",
        "the emulator's files, which boards have none of",
    ),
    (
        "qemu_netduinoplus2::",
        "main, which runs once, takes the processor's parts, which are there once",
    ),
    (
        "qemu::",
        "the emulator's flash in a file, which boards have none of",
    ),
    ("<&mut postcard::", "as above"),
    ("<&semihosting::", "as above"),
    ("<semihosting::", "as above"),
    (
        "<core::slice::iter::",
        "chunks of a length that is a constant above zero",
    ),
    (
        "<core::ops::range::",
        "slices that the above take, in a function of their own",
    ),
    (
        "<edge_runtime::store::flash::blocking::",
        "as sequential_storage: operations that are never asked again",
    ),
    (
        "OUTLINED_FUNCTION",
        "a few instructions that several of the above have in common",
    ),
    ("__rustc::", "the handler of panics itself"),
    ("rust_begin_unwind", "the same"),
];

/// The functions of a Thumb program, by address, and whom each calls.
struct Program {
    functions: BTreeMap<u64, (u64, String)>,
    calls: BTreeSet<(String, String)>,
}

impl Program {
    fn read(bytes: &[u8]) -> Self {
        let file = object::File::parse(bytes).unwrap();
        let mut program = Self {
            functions: BTreeMap::new(),
            calls: BTreeSet::new(),
        };
        for symbol in file.symbols() {
            if symbol.kind() == SymbolKind::Text && symbol.size() > 0 {
                let name = rustc_demangle::demangle(symbol.name().unwrap());
                let name = format!("{name:#}");
                // The lowest bit says Thumb.
                let start = symbol.address() & !1;
                program
                    .functions
                    .insert(start, (start + symbol.size(), name));
            }
        }
        for section in file.sections() {
            if section.kind() == SectionKind::Text {
                let code = section.data().unwrap();
                program.find_calls(section.address(), code);
            }
        }
        program
    }

    fn at(&self, address: u64) -> Option<&str> {
        let (_, (end, name)) = self.functions.range(..=address).next_back()?;
        (address < *end).then_some(name.as_str())
    }

    fn find_calls(&mut self, start: u64, code: &[u8]) {
        let mut calls = vec![];
        for (from, (to, name)) in &self.functions {
            let Some(code) = from
                .checked_sub(start)
                .and_then(|at| code.get(at as usize..(to - start) as usize))
            else {
                continue;
            };
            let halves: Vec<u16> = code
                .chunks_exact(2)
                .map(|half| u16::from_le_bytes([half[0], half[1]]))
                .collect();
            let mut at = 0;
            while let Some(&first) = halves.get(at) {
                let is_long = first >> 11 >= 0b11101;
                if let (true, Some(&second)) = (is_long, halves.get(at + 1)) {
                    let here = from + 2 * at as u64 + 4;
                    if let Some(target) = branch(first, second) {
                        let target = here.wrapping_add_signed(target);
                        if let Some(callee) = self.at(target) {
                            calls.push((name.clone(), callee.to_owned()));
                        }
                    }
                }
                at += if is_long { 2 } else { 1 };
            }
        }
        self.calls.extend(calls);
    }
}

/// How far a call (BL) or a long branch (B.W) goes (Arm Architecture Reference Manual, A7.7.12
/// and A7.7.18).
fn branch(first: u16, second: u16) -> Option<i64> {
    let is_branch = first >> 11 == 0b11110 && second & 0x9000 == 0x9000;
    if !is_branch {
        return None;
    }
    let (first, second) = (u32::from(first), u32::from(second));
    let sign = first >> 10 & 1;
    let [i1, i2] = [second >> 13 & 1, second >> 11 & 1].map(|bit| bit ^ sign ^ 1);
    let offset = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1;
    // Sign-extended from 25 bits.
    Some(i64::from((offset << 7) as i32 >> 7))
}

/// No function of boards calls a panic but those that are argued above; none of the engine,
/// the kernels, the formats or the server does.
#[test]
fn panics_that_are_left_are_known() {
    let Some(folder) = firmware("what could panic") else {
        return;
    };
    for machine in MACHINES {
        if !machine.target.starts_with("thumb") {
            continue;
        }
        let bytes = fs::read(firmware_in(&folder, machine)).unwrap();
        let program = Program::read(&bytes);
        let panics = |callee: &str| PANICS.iter().any(|panic| callee.contains(panic));
        let callers: BTreeSet<&str> = program
            .calls
            .iter()
            .filter(|(_, callee)| panics(callee))
            .map(|(caller, _)| caller.as_str())
            .collect();
        // It finds them at all.
        assert!(
            callers
                .iter()
                .any(|caller| caller.contains("sequential_storage"))
        );
        let unknown: Vec<&&str> = callers
            .iter()
            .filter(|caller| !ARGUED.iter().any(|(known, _)| caller.starts_with(known)))
            .collect();
        println!(
            "{}: {} functions call a panic",
            machine.board,
            callers.len()
        );
        assert!(unknown.is_empty(), "{}: {unknown:#?}", machine.board);
    }
}
