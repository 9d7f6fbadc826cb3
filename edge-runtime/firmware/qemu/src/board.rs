//! An emulated board, as hosts are told of it.

use edge_runtime::server::Board;

use crate::clock::Clock;
use crate::stack;

/// A board of the emulator.
#[derive(Debug)]
pub struct Emulated<C> {
    /// Its name.
    pub name: &'static str,
    /// Its clock.
    pub clock: C,
}

impl<C: Clock> Board for Emulated<C> {
    fn name(&self) -> &str {
        self.name
    }

    fn ticks(&mut self) -> Option<u64> {
        Some(self.clock.ticks())
    }

    fn ticks_per_second(&self) -> u32 {
        self.clock.per_second()
    }

    fn stack(&self) -> (u32, u32) {
        stack::high_water()
    }
}
