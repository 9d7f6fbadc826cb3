//! The cycles of a Cortex-M3 and those above it (Arm DDI 0403, C1.8.8).

use cortex_m::peripheral::{DCB, DWT};

use crate::Clock;

/// The counter. What lies between two readings is measured where it takes less than 2^32
/// cycles, 10 seconds at 400 MHz.
#[derive(Debug)]
pub struct CycleCounter {
    last: u32,
    total: u64,
    per_second: u32,
}

impl CycleCounter {
    /// Starts the counter of a processor of so many cycles a second.
    pub fn start(mut debug: DCB, mut counter: DWT, per_second: u32) -> Self {
        debug.enable_trace();
        // On a Cortex-M7 it is locked without a debug probe.
        DWT::unlock();
        counter.enable_cycle_counter();
        Self {
            last: DWT::cycle_count(),
            total: 0,
            per_second,
        }
    }
}

impl Clock for CycleCounter {
    fn ticks(&mut self) -> u64 {
        let now = DWT::cycle_count();
        self.total += u64::from(now.wrapping_sub(self.last));
        self.last = now;
        self.total
    }

    fn per_second(&self) -> u32 {
        self.per_second
    }
}
