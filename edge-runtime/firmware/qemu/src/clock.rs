//! Clocks of emulated processors. With `-icount shift=0` a nanosecond of theirs is an
//! instruction.

#[cfg(target_arch = "riscv32")]
use hardware::Clock;

#[cfg(target_arch = "arm")]
pub use hardware::systick::SysTick;

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

    /// By the machine's timer, of 10 MHz.
    fn seconds(&mut self) -> Option<u64> {
        const TIMER: *const u32 = 0x0200_bff8 as *const u32;
        loop {
            // SAFETY: the machine has this timer, which nobody writes; its two halves are read
            // one after the other until the upper one stayed the same.
            let [high, low, again] = unsafe {
                let high = TIMER.add(1);
                [
                    high.read_volatile(),
                    TIMER.read_volatile(),
                    high.read_volatile(),
                ]
            };
            if high == again {
                return Some((u64::from(high) << 32 | u64::from(low)) / 10_000_000);
            }
        }
    }
}
