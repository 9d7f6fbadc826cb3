//! Clocks and randomness, and boards that have both.

use edge_runtime::server::{Board, NoRandomness};

use crate::stack;

/// A clock that counts up.
pub trait Clock {
    /// What it shows.
    fn ticks(&mut self) -> u64;

    /// Ticks of a second; 0 where ticks are instructions.
    fn per_second(&self) -> u32;

    /// Whole seconds since a moment before the start.
    fn seconds(&mut self) -> Option<u64> {
        let per_second = u64::from(self.per_second());
        self.ticks().checked_div(per_second)
    }
}

/// What makes random numbers that nobody can guess.
pub trait Random {
    /// Fills `bytes` with them.
    ///
    /// # Errors
    /// [`NoRandomness`].
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// A generator of the processor, by its driver.
#[cfg(feature = "real")]
#[derive(Debug)]
pub struct Generator<R>(pub R);

#[cfg(feature = "real")]
impl<R: rand_core::CryptoRng> Random for Generator<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

/// A board, as hosts are told of it.
#[derive(Debug)]
pub struct Clocked<C, R> {
    /// Its name.
    pub name: &'static str,
    /// Its clock.
    pub clock: C,
    /// What makes random numbers.
    pub random: R,
}

impl<C: Clock, R: Random> Board for Clocked<C, R> {
    fn name(&self) -> &str {
        self.name
    }

    fn ticks(&mut self) -> Option<u64> {
        Some(self.clock.ticks())
    }

    fn ticks_per_second(&self) -> u32 {
        self.clock.per_second()
    }

    fn seconds(&mut self) -> Option<u64> {
        self.clock.seconds()
    }

    fn stack(&self) -> (u32, u32) {
        stack::high_water()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.random.fill(bytes)
    }
}
