//! From an emulated board's parts to a served host.

use core::ops::Range;

use app::{LIMITS, Parts, RECORD_LEN};
use static_cell::ConstStaticCell;

use crate::clock::Clock;
use crate::uart::{Port, Uart};
use crate::{Emulated, FileFlash, panic};

/// Where models lie in the file that keeps the flash: a slot of 512 KiB.
pub const MODEL: Range<usize> = 0..LIMITS.slot;

/// Where templates lie in it.
pub const STORE: Range<usize> = 0x10_0000..0x10_8000;

const ARENA_LEN: usize = LIMITS.arena;
const INPUT_LEN: usize = LIMITS.input;

static ARENA: ConstStaticCell<[u8; ARENA_LEN]> = ConstStaticCell::new([0; ARENA_LEN]);
static INPUT: ConstStaticCell<[u8; INPUT_LEN]> = ConstStaticCell::new([0; INPUT_LEN]);
static RECORD: ConstStaticCell<[u8; RECORD_LEN]> = ConstStaticCell::new([0; RECORD_LEN]);

/// Serves the host, once, until the emulator is ended.
pub fn serve(
    port: impl Port,
    board: Emulated<impl Clock>,
    model: &'static [u8],
    store: FileFlash,
) -> ! {
    let served = app::run(Parts {
        link: Uart(port),
        store: 0..STORE.len() as u32,
        flash: store,
        indicator: (),
        board,
        model,
        arena: ARENA.take(),
        input: INPUT.take(),
        record: RECORD.take(),
    });
    match served {
        Err(fault) => panic::end(fault.name()),
    }
}
