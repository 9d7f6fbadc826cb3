//! Arm MPS2 with a Cortex-M7F (AN500), emulated.
#![no_std]

use qemu::mps::Mps;

/// The board.
pub const BOARD: Mps = Mps {
    name: "qemu-mps2-an500",
    clock: 25_000_000,
    uart: 0x4000_4000,
    flash: 0x6000_0000,
};
