//! Raspberry Pi Pico 2.
//!
//! The line is a serial port (GP0 sends, GP1 receives) for a debug probe or an adapter at
//! 115200 baud. GP14 shows acceptances, GP15 rejections, the lamp on the board work.
#![no_std]
#![no_main]

use app::Pins;
use cortex_m_rt::entry;
use edge_runtime::boards::PICO2;
use embassy_rp::clocks::clk_sys_freq;
use embassy_rp::config::Config;
use embassy_rp::flash::{Blocking, Flash};
use embassy_rp::gpio::{Level, Output};
use embassy_rp::trng::{self, Trng};
use embassy_rp::uart::{self, BufferedInterruptHandler, BufferedUart};
use embassy_rp::{bind_interrupts, peripherals};
use hardware::serve::{Wiring, serve};
use hardware::systick::SysTick;
use hardware::{Generator, stack, statics};
use static_cell::ConstStaticCell;

/// Room for what a host sends while the processor is busy: a frame.
static RECEIVED: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);
static SENT: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);

bind_interrupts!(struct Interrupts {
    TRNG_IRQ => trng::InterruptHandler<peripherals::TRNG>;
    UART0_IRQ => BufferedInterruptHandler<peripherals::UART0>;
});

#[entry]
fn main() -> ! {
    // SAFETY: nothing was called before.
    unsafe { stack::paint() };
    let Some(core) = cortex_m::Peripherals::take() else {
        unreachable!("main runs once");
    };
    let chip = embassy_rp::init(Config::default());
    let port = BufferedUart::new(
        chip.UART0,
        chip.PIN_0,
        chip.PIN_1,
        Interrupts,
        SENT.take(),
        RECEIVED.take(),
        // 115200 baud.
        uart::Config::default(),
    );
    const LENGTH: usize = PICO2.flash.end - PICO2.flash.start;
    let wiring = Wiring {
        link: port,
        flash: Flash::<_, Blocking, LENGTH>::new_blocking(chip.FLASH),
        sensor: (),
        indicator: Pins {
            accept: Output::new(chip.PIN_14, Level::Low),
            reject: Output::new(chip.PIN_15, Level::Low),
            busy: Output::new(chip.PIN_25, Level::Low),
        },
        clock: SysTick::start(core.SYST, clk_sys_freq()),
        random: Generator(Trng::new(chip.TRNG, Interrupts, trng::Config::default())),
    };
    // SAFETY: the processor reads its flash at these addresses, whose cache is emptied by the
    // routines that write it, and the linker leaves what is behind the program alone.
    unsafe { serve(&PICO2, wiring, statics!(PICO2.limits)) }
}
