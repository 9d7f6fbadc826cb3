//! From a real board's parts to a served host.

use core::cell::RefCell;

use app::{Indicator, Parts};
use edge_runtime::boards::Board;
use edge_runtime::keys::flash::FlashKeys;
use edge_runtime::sensor::Sensor;
use embedded_io::{Read, Write};
use embedded_storage::nor_flash::NorFlash;

use crate::flash::Part;
use crate::line::Line;
use crate::{Clock, Clocked, Random, Statics, log};

/// What is wired to the processor.
#[derive(Debug)]
pub struct Wiring<L, F, N, I, C, R> {
    /// The line to the host.
    pub link: L,
    /// All of the flash.
    pub flash: F,
    /// What takes pictures; `()` where hosts send them.
    pub sensor: N,
    /// What people see.
    pub indicator: I,
    /// The clock.
    pub clock: C,
    /// What makes random numbers.
    pub random: R,
}

/// Serves the host until the board is reset.
///
/// # Safety
/// The processor reads `wiring.flash` where `board` says, and slots, store and secret are changed
/// through it alone.
pub unsafe fn serve<L, F, N, I, C, R, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize>(
    board: &Board,
    wiring: Wiring<L, F, N, I, C, R>,
    statics: Statics<SUBJECTS, SHOTS, DIM>,
) -> !
where
    L: Read + Write,
    F: NorFlash,
    N: Sensor,
    I: Indicator,
    C: Clock,
    R: Random,
{
    let Wiring {
        link,
        flash,
        sensor,
        indicator,
        clock,
        random,
    } = wiring;
    let flash = RefCell::new(flash);
    // SAFETY: the caller promises it; the parts are different ones.
    let part = |addresses| unsafe { Part::new(&flash, board.flash.start, addresses) };
    let store = part(board.map.store.clone());
    let served = app::run(Parts {
        link: Line(link),
        store: 0..board.map.store.len() as u32,
        flash: store,
        keys: FlashKeys::new(part(board.map.keys.clone()), 0..board.map.keys.len() as u32),
        slots: board.map.slots.clone().map(part),
        sensor,
        indicator,
        board: Clocked {
            name: board.name,
            clock,
            random,
        },
        limits: board.limits,
        memory: statics.memory,
        arena: statics.arena,
        answer: statics.answer,
        record: statics.record,
    });
    match served {
        Err(_) => log::end("a broken line"),
    }
}
