//! Arm MPS3 with a Cortex-M55 (AN547), emulated.
#![no_std]

use qemu::mps::Mps;

/// The board.
pub const BOARD: Mps = Mps {
    name: "qemu-mps3-an547",
    clock: 32_000_000,
    uart: 0x5930_3000,
    flash: 0x0100_0000,
};
