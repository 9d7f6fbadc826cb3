//! Arm MPS2 with a Cortex-M3 (AN385), emulated.
#![no_std]

use qemu::mps::Mps;

/// The board.
pub const BOARD: Mps = Mps {
    name: "qemu-mps2-an385",
    clock: 25_000_000,
    uart: 0x4000_4000,
    flash: 0x2100_0000,
};
