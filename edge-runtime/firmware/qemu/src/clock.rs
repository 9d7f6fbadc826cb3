//! Clocks of emulated processors. With `-icount shift=0` a nanosecond of theirs is an
//! instruction.

use hardware::Clock;

/// The system timer of a Cortex-M. It must be read once in 2^24 ticks.
#[cfg(target_arch = "arm")]
#[derive(Debug)]
pub struct SysTick {
    last: u32,
    total: u64,
    per_second: u32,
}

#[cfg(target_arch = "arm")]
impl SysTick {
    const MASK: u32 = (1 << 24) - 1;

    /// Starts the timer of a processor of so many cycles a second.
    pub fn start(mut timer: cortex_m::peripheral::SYST, per_second: u32) -> Self {
        timer.set_clock_source(cortex_m::peripheral::syst::SystClkSource::Core);
        timer.set_reload(Self::MASK);
        timer.clear_current();
        timer.enable_counter();
        Self {
            last: cortex_m::peripheral::SYST::get_current(),
            total: 0,
            per_second,
        }
    }
}

#[cfg(target_arch = "arm")]
impl Clock for SysTick {
    fn ticks(&mut self) -> u64 {
        // It counts down.
        let now = cortex_m::peripheral::SYST::get_current();
        self.total += u64::from(self.last.wrapping_sub(now) & Self::MASK);
        self.last = now;
        self.total
    }

    fn per_second(&self) -> u32 {
        self.per_second
    }
}

/// The count of cycles of a RISC-V core, which are instructions here.
#[cfg(target_arch = "riscv32")]
#[derive(Debug)]
pub struct Cycles;

#[cfg(target_arch = "riscv32")]
impl Clock for Cycles {
    fn ticks(&mut self) -> u64 {
        loop {
            let (high, low, again): (u32, u32, u32);
            // SAFETY: reads counters, which every core has in machine mode.
            unsafe {
                core::arch::asm!(
                    "csrr {high}, mcycleh", "csrr {low}, mcycle", "csrr {again}, mcycleh",
                    high = out(reg) high, low = out(reg) low, again = out(reg) again,
                    options(nomem, nostack),
                );
            }
            if high == again {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }

    fn per_second(&self) -> u32 {
        0
    }
}
