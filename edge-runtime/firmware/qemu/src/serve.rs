//! From an emulated board's parts to a served host.

use app::{Memory, Parts};
use edge_runtime::limits::{EMULATED, EMULATED_FLASH};
use edge_runtime::slots::MappedFlash;
use edge_runtime::store::flash::record_len;
use hardware::{Clock, Clocked};
use static_cell::ConstStaticCell;

use crate::uart::{Port, Uart};
use crate::{FileFlash, panic};

const SUBJECTS: usize = EMULATED.subjects;
const SHOTS: usize = EMULATED.shots;
const DIM: usize = EMULATED.dim;
const ARENA_LEN: usize = EMULATED.arena;
const RECORD_LEN: usize = record_len::<SHOTS, DIM>();

static MEMORY: ConstStaticCell<Memory<SUBJECTS, SHOTS, DIM>> = ConstStaticCell::new(Memory::new());
static ARENA: ConstStaticCell<[u8; ARENA_LEN]> = ConstStaticCell::new([0; ARENA_LEN]);
static RECORD: ConstStaticCell<[u8; RECORD_LEN]> = ConstStaticCell::new([0; RECORD_LEN]);

/// Serves the host, once, until the emulator is ended.
pub fn serve<M: MappedFlash>(
    port: impl Port,
    board: Clocked<impl Clock>,
    slots: [M; 2],
    store: FileFlash,
) -> ! {
    let served = app::run(Parts {
        link: Uart(port),
        store: 0..EMULATED_FLASH.store.len() as u32,
        flash: store,
        slots,
        sensor: (),
        indicator: (),
        board,
        limits: EMULATED,
        memory: MEMORY.take(),
        arena: ARENA.take(),
        record: RECORD.take(),
    });
    match served {
        Err(_) => panic::end("expected a line to the host, found that it broke"),
    }
}
