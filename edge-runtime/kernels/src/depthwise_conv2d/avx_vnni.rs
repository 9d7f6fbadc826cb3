//! Thirty-two channels to a block, four products a lane.

use super::avx2::{compute, interleave};
use super::packed::{Tile, Tiles};
use crate::registers::{Dot, Vnni};

pub(super) struct AvxVnni;

impl Tiles for AvxVnni {
    const CHANNELS: usize = 32;
    const PACKED: usize = 4 * Vnni::PACKED;
    const BLOCKS: usize = 2;
    const OFFSET: u8 = 0;

    fn pack(weights: &[[i8; 4]], packed: &mut [u8]) {
        let registers = weights
            .chunks_exact(8)
            .zip(packed.chunks_exact_mut(Vnni::PACKED));
        registers.for_each(|(weights, packed)| Vnni::pack(weights, packed));
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const u8; 4], interleaved: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { interleave(rows, interleaved) }
    }

    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(blocks: usize, tile: &Tile) {
        // SAFETY: as the caller promises.
        unsafe { run(blocks, tile) }
    }
}

#[target_feature(enable = "avx2,avxvnni")]
unsafe fn run(blocks: usize, tile: &Tile) {
    // SAFETY: as the caller promises.
    unsafe {
        match blocks {
            1 => compute::<Vnni, 1>(tile),
            _ => compute::<Vnni, 2>(tile),
        }
    }
}
