//! The boards that there is firmware for, real and emulated: how much they have, and where it
//! lies.
//!
//! Firmware is built with these numbers, and hosts check models against them before they send
//! them.

use core::ops::Range;

use crate::limits::Limits;

/// A board that can be bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its name, which is its package's and what it says of itself.
    pub name: &'static str,
    /// Maker, processor, and core.
    pub description: &'static str,
    /// The compiler's name for the processor.
    pub target: &'static str,
    /// What a model may need.
    pub limits: Limits,
    /// All of the flash, by the processor's addresses, as everything that follows.
    pub flash: Range<usize>,
    /// Bytes that are erased at once.
    pub page: usize,
    /// Where the program lies, with what starts it.
    pub program: Range<usize>,
    /// Where models and templates lie.
    pub map: FlashMap,
    /// What writes the program.
    pub programmer: Programmer,
}

/// What writes programs to boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programmer {
    /// probe-rs, by a debug probe.
    ProbeRs {
        /// Its name for the processor.
        chip: &'static str,
    },
    /// The board itself, as a drive that takes UF2 files.
    Uf2 {
        /// The processors that a file is for.
        family: &'static str,
    },
    /// espflash, by the board's serial port.
    Espflash {
        /// Its name for the processor.
        chip: &'static str,
    },
}

/// Where what lies in a flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashMap {
    /// The slots of models.
    pub slots: [Range<usize>; 2],
    /// The templates.
    pub store: Range<usize>,
    /// The device's secret, in two parts.
    pub keys: Range<usize>,
}

impl FlashMap {
    /// Where what lies behind the first slot ends.
    pub const fn end(&self) -> usize {
        if self.keys.end > self.store.end {
            self.keys.end
        } else {
            self.store.end
        }
    }
}

/// All boards, by name.
pub const BOARDS: &[&Board] = &[&ESP32_C6, &NRF52840_DK, &NUCLEO_H743ZI, &PICO2];

impl Board {
    /// The board of that name, if there is one.
    pub fn named(name: &str) -> Option<&'static Board> {
        BOARDS.iter().find(|board| board.name == name).copied()
    }
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Two slots, one behind the other, then the store, then the secret.
const fn in_a_row(start: usize, slot: usize, store: usize, keys: usize) -> FlashMap {
    let (second, end) = (start + slot, start + 2 * slot);
    FlashMap {
        slots: [start..second, second..end],
        store: end..end + store,
        keys: end + store..end + store + keys,
    }
}

/// Nordic nRF52840 DK. Its flash is one bank, from which the processor cannot read while it
/// is written.
pub const NRF52840_DK: Board = Board {
    name: "nrf52840-dk",
    description: "Nordic nRF52840 DK: nRF52840, Cortex-M4F",
    target: "thumbv7em-none-eabihf",
    limits: Limits {
        slot: 352 * KIB,
        arena: 128 * KIB,
        dim: 128,
        shots: 10,
        subjects: 16,
    },
    flash: 0..MIB,
    page: 4 * KIB,
    program: 0..192 * KIB,
    map: in_a_row(192 * KIB, 352 * KIB, 104 * KIB, 8 * KIB),
    programmer: Programmer::ProbeRs {
        chip: "nRF52840_xxAA",
    },
};

/// ST NUCLEO-H743ZI. A bank of its flash is the program, the secret and a slot, the other one a
/// slot and the store; its pages are so large that the store is four of them.
pub const NUCLEO_H743ZI: Board = Board {
    name: "nucleo-h743zi",
    description: "ST NUCLEO-H743ZI: STM32H743ZI, Cortex-M7F",
    target: "thumbv7em-none-eabihf",
    limits: Limits {
        slot: 512 * KIB,
        arena: 384 * KIB,
        dim: 128,
        shots: 10,
        subjects: 32,
    },
    flash: 0x0800_0000..0x0800_0000 + 2 * MIB,
    page: 128 * KIB,
    program: 0x0800_0000..0x0804_0000,
    map: FlashMap {
        keys: 0x0804_0000..0x0808_0000,
        ..in_a_row(0x0808_0000, 512 * KIB, 512 * KIB, 0)
    },
    programmer: Programmer::ProbeRs {
        chip: "STM32H743ZITx",
    },
};

/// Raspberry Pi Pico 2. Its flash is another chip, read through a cache.
pub const PICO2: Board = Board {
    name: "pico2",
    description: "Raspberry Pi Pico 2: RP2350, Cortex-M33",
    target: "thumbv8m.main-none-eabihf",
    limits: Limits {
        slot: MIB,
        arena: 256 * KIB,
        dim: 128,
        shots: 10,
        subjects: 32,
    },
    flash: 0x1000_0000..0x1000_0000 + 4 * MIB,
    page: 4 * KIB,
    program: 0x1000_0000..0x1010_0000,
    map: in_a_row(0x1010_0000, MIB, 256 * KIB, 8 * KIB),
    programmer: Programmer::Uf2 {
        family: "rp2350-arm-s",
    },
};

/// Espressif ESP32-C6-DevKitC-1, whose smallest flash is 4 MiB. It is another chip, read
/// through a cache at addresses that the program maps it to.
pub const ESP32_C6: Board = Board {
    name: "esp32-c6",
    description: "Espressif ESP32-C6-DevKitC-1: ESP32-C6, RISC-V without a floating-point unit",
    target: "riscv32imac-unknown-none-elf",
    limits: Limits {
        slot: MIB,
        arena: 192 * KIB,
        dim: 128,
        shots: 10,
        subjects: 32,
    },
    flash: 0x4280_0000..0x4280_0000 + 4 * MIB,
    page: 4 * KIB,
    program: 0x4280_0000..0x4290_0000,
    map: in_a_row(0x4290_0000, MIB, 256 * KIB, 8 * KIB),
    programmer: Programmer::Espflash { chip: "esp32c6" },
};

/// What emulated boards have room for.
pub const EMULATED: Limits = Limits {
    slot: 256 * KIB,
    arena: 64 * KIB,
    dim: 64,
    shots: 5,
    subjects: 8,
};

/// The flash of emulated boards, from the beginning of the file that keeps it.
pub const EMULATED_FLASH: FlashMap = in_a_row(0, EMULATED.slot, 32 * KIB, 8 * KIB);
