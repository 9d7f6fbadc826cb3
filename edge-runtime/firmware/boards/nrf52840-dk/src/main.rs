//! Nordic nRF52840 DK.
//!
//! The line is the serial port of the debugger on the board (pins P0.06 and P0.08). Lamp 1
//! shows acceptances, lamp 2 rejections, lamp 3 work.
#![no_std]
#![no_main]

use app::Pins;
use cortex_m_rt::entry;
use edge_runtime::boards::NRF52840_DK;
use embassy_nrf::buffered_uarte::{self, BufferedUarte};
use embassy_nrf::config::{Config, HfclkSource};
use embassy_nrf::gpio::{Level, Output, OutputDrive};
use embassy_nrf::nvmc::Nvmc;
use embassy_nrf::rng::Rng;
use embassy_nrf::{bind_interrupts, peripherals, uarte};
use hardware::line::Waiting;
use hardware::pin::ActiveLow;
use hardware::serve::{Wiring, serve};
use hardware::systick::SysTick;
use hardware::{Generator, stack, statics};
use static_cell::ConstStaticCell;

/// Cycles of a second.
const CLOCK: u32 = 64_000_000;

/// Room for what a host sends while the processor waits for its flash: two frames, one of
/// which is received while the other is read.
static RECEIVED: ConstStaticCell<[u8; 2048]> = ConstStaticCell::new([0; 2048]);
static SENT: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);

bind_interrupts!(struct Interrupts {
    UARTE0 => buffered_uarte::InterruptHandler<peripherals::UARTE0>;
});

#[entry]
fn main() -> ! {
    // SAFETY: nothing was called before.
    unsafe { stack::paint() };
    let Some(core) = cortex_m::Peripherals::take() else {
        unreachable!("main runs once");
    };
    let mut config = Config::default();
    // The internal oscillator may be too far off for a serial port.
    config.hfclk_source = HfclkSource::ExternalXtal;
    let chip = embassy_nrf::init(config);
    let port = BufferedUarte::new(
        chip.UARTE0,
        chip.TIMER0,
        chip.PPI_CH0,
        chip.PPI_CH1,
        chip.PPI_GROUP0,
        chip.P0_08,
        chip.P0_06,
        Interrupts,
        // 115200 baud.
        uarte::Config::default(),
        RECEIVED.take(),
        SENT.take(),
    );
    // Lamps are on when their pins are low.
    let wiring = Wiring {
        link: Waiting(port),
        flash: Nvmc::new(chip.NVMC),
        sensor: (),
        indicator: Pins {
            accept: ActiveLow(Output::new(chip.P0_13, Level::High, OutputDrive::Standard)),
            reject: ActiveLow(Output::new(chip.P0_14, Level::High, OutputDrive::Standard)),
            busy: ActiveLow(Output::new(chip.P0_15, Level::High, OutputDrive::Standard)),
        },
        clock: SysTick::start(core.SYST, CLOCK),
        random: Generator(Rng::new_blocking(chip.RNG)),
    };
    // SAFETY: the processor reads its flash from address 0 on, and the linker leaves what is
    // behind the program alone.
    unsafe { serve(&NRF52840_DK, wiring, statics!(NRF52840_DK.limits)) }
}
