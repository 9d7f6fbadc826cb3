//! From an emulated board's parts to a served host.

use app::Parts;
use edge_runtime::boards::{EMULATED, EMULATED_FLASH};
use edge_runtime::keys::flash::FlashKeys;
use edge_runtime::slots::MappedFlash;
use hardware::{Clock, Clocked, statics};

use crate::uart::{Port, Uart};
use crate::{FileFlash, HostRandom, panic};

/// Serves the host, once, until the emulator is ended.
pub fn serve<M: MappedFlash>(
    port: impl Port,
    board: Clocked<impl Clock, HostRandom>,
    slots: [M; 2],
    [store, keys]: [FileFlash; 2],
) -> ! {
    let statics = statics!(EMULATED);
    let served = app::run(Parts {
        link: Uart(port),
        store: 0..EMULATED_FLASH.store.len() as u32,
        flash: store,
        keys: FlashKeys::new(keys, 0..EMULATED_FLASH.keys.len() as u32),
        slots,
        sensor: (),
        indicator: (),
        board,
        limits: EMULATED,
        memory: statics.memory,
        arena: statics.arena,
        answer: statics.answer,
        record: statics.record,
    });
    match served {
        Err(_) => panic::end("expected a line to the host, found that it broke"),
    }
}
