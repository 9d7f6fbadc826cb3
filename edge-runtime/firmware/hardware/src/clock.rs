//! Clocks, and boards that have one.

use edge_runtime::server::Board;

use crate::stack;

/// A clock that counts up.
pub trait Clock {
    /// What it shows.
    fn ticks(&mut self) -> u64;

    /// Ticks of a second; 0 where ticks are instructions.
    fn per_second(&self) -> u32;
}

/// A board, as hosts are told of it.
#[derive(Debug)]
pub struct Clocked<C> {
    /// Its name.
    pub name: &'static str,
    /// Its clock.
    pub clock: C,
}

impl<C: Clock> Board for Clocked<C> {
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
