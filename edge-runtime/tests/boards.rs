//! The maps of real boards against what flash, store and linker ask of them.

use std::fs;
use std::ops::Range;
use std::path::Path;

use edge_runtime::boards::{BOARDS, Board, ESP32_C6, NRF52840_DK, NUCLEO_H743ZI, PICO2};
use edge_runtime::store::flash::{FlashStore, FlashStoreError};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};

/// The parts of a board's flash, in order.
fn parts(board: &Board) -> [&Range<usize>; 5] {
    let [first, second] = &board.map.slots;
    let mut parts = [
        &board.program,
        first,
        second,
        &board.map.store,
        &board.map.keys,
    ];
    parts.sort_by_key(|part| part.start);
    parts
}

#[test]
fn parts_are_whole_pages_that_follow_one_another_in_the_flash() {
    for board in BOARDS {
        let mut free = board.flash.start;
        for part in parts(board) {
            assert!(part.start >= free, "{}: {part:x?} overlaps", board.name);
            for end in [part.start, part.end] {
                let offset = end - board.flash.start;
                assert!(offset.is_multiple_of(board.page), "{}: {end:x}", board.name);
            }
            assert!(!part.is_empty(), "{}: {part:x?}", board.name);
            free = part.end;
        }
        assert!(free <= board.flash.end, "{}: up to {free:x}", board.name);
    }
}

#[test]
fn slots_are_as_large_as_the_limits_say() {
    for board in BOARDS {
        for slot in &board.map.slots {
            assert_eq!(slot.len(), board.limits.slot, "{}", board.name);
        }
        assert!(board.limits.slot >= 256 * 1024, "{}", board.name);
    }
}

#[test]
fn secrets_have_two_parts_of_whole_pages() {
    for board in BOARDS {
        let keys = board.map.keys.len();
        assert!(
            keys.is_multiple_of(2 * board.page) && keys > 0,
            "{}",
            board.name
        );
    }
}

#[test]
fn boards_are_found_by_name() {
    for board in BOARDS {
        assert_eq!(Board::named(board.name), Some(*board));
    }
    assert!(BOARDS.is_sorted_by_key(|board| board.name));
    assert_eq!(Board::named("qemu-mps2-an386"), None);
}

/// Flash that can only be erased, of words and pages as a board's.
struct Erased<const WORD: usize, const PAGE: usize>(usize);

impl<const WORD: usize, const PAGE: usize> ErrorType for Erased<WORD, PAGE> {
    type Error = NorFlashErrorKind;
}

impl<const WORD: usize, const PAGE: usize> ReadNorFlash for Erased<WORD, PAGE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, _: u32, _: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        Err(NorFlashErrorKind::Other)
    }

    fn capacity(&self) -> usize {
        self.0
    }
}

impl<const WORD: usize, const PAGE: usize> NorFlash for Erased<WORD, PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, _: u32, _: u32) -> Result<(), NorFlashErrorKind> {
        Ok(())
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), NorFlashErrorKind> {
        Err(NorFlashErrorKind::Other)
    }
}

/// Whether the store of a board takes that many pages of its region.
fn store_fits<const WORD: usize, const PAGE: usize, const SUBJECTS: usize>(
    board: &Board,
    length: usize,
) -> Result<(), FlashStoreError<NorFlashErrorKind>> {
    assert_eq!((board.page, board.limits.subjects), (PAGE, SUBJECTS));
    assert_eq!((board.limits.shots, board.limits.dim), (10, 128));
    let mut flash = Erased::<WORD, PAGE>(length);
    FlashStore::<_, &mut [u8], SUBJECTS, 10, 128>::erase(&mut flash, 0..length as u32)
}

#[test]
fn the_store_has_room_for_everybody_and_no_more_than_it_needs() {
    type Fits = fn(&Board, usize) -> Result<(), FlashStoreError<NorFlashErrorKind>>;
    let boards: [(&Board, Fits); 4] = [
        (&ESP32_C6, store_fits::<4, 0x1000, 32>),
        (&NRF52840_DK, store_fits::<4, 0x1000, 16>),
        (&NUCLEO_H743ZI, store_fits::<32, 0x20000, 32>),
        (&PICO2, store_fits::<1, 0x1000, 32>),
    ];
    for (board, fits) in boards {
        let room = board.map.store.len();
        fits(board, room).unwrap_or_else(|error| panic!("{}: {error}", board.name));
        assert!(fits(board, room / 2).is_err(), "{}", board.name);
    }
}

#[test]
fn the_linker_and_the_compiler_are_told_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware/boards");
    for board in BOARDS {
        let folder = folder.join(board.name);
        let config =
            fs::read_to_string(folder.join(".cargo/config.toml")).expect("a configuration");
        let target = format!("target = \"{}\"", board.target);
        assert!(config.contains(&target), "{}", board.name);
        // The program of an ESP32 is put where the partition table says.
        let Ok(memory) = fs::read_to_string(folder.join("memory.x")) else {
            assert_eq!(board.name, "esp32-c6");
            continue;
        };
        let flash = format!(
            "FLASH : ORIGIN = {:#010x}, LENGTH = {}K",
            board.program.start,
            board.program.len() / 1024
        );
        assert!(memory.contains(&flash), "{}: no {flash}", board.name);
    }
}

#[test]
fn partitions_are_where_the_program_looks_for_them() {
    let table =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware/boards/esp32-c6/partitions.csv");
    let table = fs::read_to_string(table).expect("a table of partitions");
    let number = |text: &str| {
        let digits = text
            .trim()
            .strip_prefix("0x")
            .expect("a hexadecimal number");
        usize::from_str_radix(digits, 16).expect("a number")
    };
    let place = |name: &str| {
        let line = table.lines().find(|line| line.starts_with(name));
        let fields: Vec<&str> = line.expect(name).split(',').collect();
        let start = ESP32_C6.flash.start + number(fields[3]);
        start..start + number(fields[4])
    };
    assert_eq!(place("model_1"), ESP32_C6.map.slots[0]);
    assert_eq!(place("model_2"), ESP32_C6.map.slots[1]);
    assert_eq!(place("templates"), ESP32_C6.map.store);
    assert_eq!(place("secret"), ESP32_C6.map.keys);
    assert_eq!(place("program").end, ESP32_C6.program.end);
}
