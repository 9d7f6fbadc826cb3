//! The system timer of a Cortex-M (Arm DDI 0403, B3.3), counted on by its interrupt.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;

use crate::Clock;

/// How often the timer began anew.
static ROUNDS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    // Nobody else writes it; the smallest cores have no more than loads and stores.
    ROUNDS.store(
        ROUNDS.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}

/// The cycles of the processor, as long as it does not sleep.
#[derive(Debug)]
pub struct SysTick {
    per_second: u32,
}

impl SysTick {
    const MASK: u32 = (1 << 24) - 1;

    /// Starts the timer of a processor of so many cycles a second.
    pub fn start(mut timer: SYST, per_second: u32) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(Self::MASK);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
        Self { per_second }
    }
}

impl Clock for SysTick {
    fn ticks(&mut self) -> u64 {
        loop {
            let rounds = ROUNDS.load(Ordering::Relaxed);
            // It counts down.
            let current = Self::MASK.wrapping_sub(SYST::get_current()) & Self::MASK;
            if rounds == ROUNDS.load(Ordering::Relaxed) {
                return u64::from(rounds) << 24 | u64::from(current);
            }
        }
    }

    fn per_second(&self) -> u32 {
        self.per_second
    }
}
