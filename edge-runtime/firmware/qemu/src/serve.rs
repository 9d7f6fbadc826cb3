//! From an emulated board's parts to a served host.

use app::{LIMITS, Parts, RECORD_LEN};
use edge_runtime::limits::EMULATED_FLASH;
use static_cell::ConstStaticCell;

use crate::clock::Clock;
use crate::uart::{Port, Uart};
use crate::{Emulated, FileFlash, panic};

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
        store: 0..EMULATED_FLASH.store.len() as u32,
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
