//! Eight channels to a register, four products a lane.

use super::avx2::compute;
use super::packed::{Pack, Tile, Tiles};
use crate::registers::{Dot, Vnni};

pub(super) struct AvxVnni;

impl Tiles for AvxVnni {
    const LANES: usize = 8;
    const GROUPS: usize = 2;
    const PACKED: usize = Vnni::PACKED;
    const PACK: Option<Pack> = None;
    const OFFSET: u8 = 0;

    fn pixels(_groups: usize) -> usize {
        6
    }

    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn compiled(f: impl FnOnce()) {
        f();
    }

    #[inline(always)]
    unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
        // SAFETY: as the caller promises.
        unsafe { run(pixels, groups, tile) }
    }
}

#[target_feature(enable = "avx2,avxvnni")]
unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>) {
    // SAFETY: as the caller promises.
    unsafe {
        match (groups, pixels) {
            (1, 1) => compute::<Vnni, 1, 1>(tile),
            (1, 2) => compute::<Vnni, 2, 1>(tile),
            (1, 3) => compute::<Vnni, 3, 1>(tile),
            (1, 4) => compute::<Vnni, 4, 1>(tile),
            (1, 5) => compute::<Vnni, 5, 1>(tile),
            (1, _) => compute::<Vnni, 6, 1>(tile),
            (_, 1) => compute::<Vnni, 1, 2>(tile),
            (_, 2) => compute::<Vnni, 2, 2>(tile),
            (_, 3) => compute::<Vnni, 3, 2>(tile),
            (_, 4) => compute::<Vnni, 4, 2>(tile),
            (_, 5) => compute::<Vnni, 5, 2>(tile),
            _ => compute::<Vnni, 6, 2>(tile),
        }
    }
}
