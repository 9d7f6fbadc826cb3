//! ST NUCLEO-H743ZI.
//!
//! The line is the serial port of the debugger on the board (USART3 on pins PD8 and PD9). The
//! green lamp shows acceptances, the red one rejections, and of the NUCLEO-H743ZI2 the yellow
//! one work.
#![no_std]
#![no_main]

mod flash;

use app::Pins;
use cortex_m_rt::entry;
use edge_runtime::boards::{FlashMap, NUCLEO_H743ZI};
use embassy_stm32::flash::Flash;
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::rcc::{
    AHBPrescaler, APBPrescaler, HSIPrescaler, Pll, PllDiv, PllMul, PllPreDiv, PllSource, Sysclk,
    VoltageScale,
};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::usart::{self, BufferedUart};
use embassy_stm32::{Config, bind_interrupts, peripherals};
use hardware::serve::{Wiring, serve};
use hardware::systick::SysTick;
use hardware::{Generator, log, stack, statics};
use static_cell::ConstStaticCell;

use flash::Checked;

/// Cycles of a second.
const CLOCK: u32 = 400_000_000;

/// Room for what a host sends while the processor is busy: a frame.
static RECEIVED: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);
// The HAL waits for ever to send more at once than there is room for.
const _: () = assert!(NUCLEO_H743ZI.limits.dim + 16 <= 256);
static SENT: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);

bind_interrupts!(struct Interrupts {
    RNG => rng::InterruptHandler<peripherals::RNG>;
    USART3 => usart::BufferedInterruptHandler<peripherals::USART3>;
});

#[entry]
fn main() -> ! {
    // SAFETY: nothing was called before.
    unsafe { stack::paint() };
    let Some(mut core) = cortex_m::Peripherals::take() else {
        unreachable!("main runs once");
    };
    core.SCB.enable_icache();
    core.SCB.enable_dcache(&mut core.CPUID);
    let chip = embassy_stm32::init(clocks());
    let port = BufferedUart::new(
        chip.USART3,
        chip.PD9,
        chip.PD8,
        SENT.take(),
        RECEIVED.take(),
        Interrupts,
        // 115200 baud.
        usart::Config::default(),
    );
    let Ok(port) = port else {
        log::end("a serial port without a clock");
    };
    let mut flash = Checked::new(Flash::new_blocking(chip.FLASH), core.SCB);
    let FlashMap { slots, keys, .. } = &NUCLEO_H743ZI.map;
    let second = keys.start + NUCLEO_H743ZI.page;
    for part in slots.iter().chain(&[keys.start..second, second..keys.end]) {
        if flash.mend(part).is_err() {
            log::end("flash that fails");
        }
    }
    let wiring = Wiring {
        link: port,
        flash,
        sensor: (),
        indicator: Pins {
            accept: Output::new(chip.PB0, Level::Low, Speed::Low),
            reject: Output::new(chip.PB14, Level::Low, Speed::Low),
            busy: Output::new(chip.PE1, Level::Low, Speed::Low),
        },
        clock: SysTick::start(core.SYST, CLOCK),
        random: Generator(Rng::new(chip.RNG, Interrupts)),
    };
    // SAFETY: the processor reads its flash at these addresses, whose cache forgets what is
    // written, and the linker leaves what is behind the program alone.
    unsafe { serve(&NUCLEO_H743ZI, wiring, statics!(NUCLEO_H743ZI.limits)) }
}

/// 400 MHz of the internal oscillator, 200 MHz for memory, 100 MHz for ports.
fn clocks() -> Config {
    let mut config = Config::default();
    let clocks = &mut config.rcc;
    clocks.hsi = Some(HSIPrescaler::DIV1);
    clocks.pll1 = Some(Pll {
        source: PllSource::HSI,
        prediv: PllPreDiv::DIV4,
        mul: PllMul::MUL50,
        fracn: None,
        divp: Some(PllDiv::DIV2),
        divq: None,
        divr: None,
    });
    clocks.sys = Sysclk::PLL1_P;
    clocks.ahb_pre = AHBPrescaler::DIV2;
    clocks.apb1_pre = APBPrescaler::DIV2;
    clocks.apb2_pre = APBPrescaler::DIV2;
    clocks.apb3_pre = APBPrescaler::DIV2;
    clocks.apb4_pre = APBPrescaler::DIV2;
    clocks.voltage_scale = VoltageScale::Scale1;
    config
}
