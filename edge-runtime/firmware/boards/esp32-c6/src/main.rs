//! Espressif ESP32-C6-DevKitC-1.
//!
//! The line is the serial port of the processor's own USB. GPIO18 shows acceptances, GPIO19
//! rejections, GPIO20 work.
#![no_std]
#![no_main]

mod flash;

use app::Pins;
use edge_runtime::boards::ESP32_C6;
use esp_hal::clock::CpuClock;
use esp_hal::gpio::{Level, Output, OutputConfig};
use esp_hal::rng::{Trng, TrngSource};
use esp_hal::time::Instant;
use esp_hal::usb_serial_jtag::UsbSerialJtag;
use esp_storage::FlashStorage;
use hardware::serve::{Wiring, serve};
use hardware::{Clock, Generator, stack, statics};

use flash::Mapped;

// What the boot loader asks of a program.
esp_bootloader_esp_idf::esp_app_desc!();

/// Microseconds since the start.
struct Microseconds;

impl Clock for Microseconds {
    fn ticks(&mut self) -> u64 {
        Instant::now().duration_since_epoch().as_micros()
    }

    fn per_second(&self) -> u32 {
        1_000_000
    }
}

#[esp_hal::main]
fn main() -> ! {
    // SAFETY: nothing was called before.
    unsafe { stack::paint() };
    let config = esp_hal::Config::default().with_cpu_clock(CpuClock::max());
    let chip = esp_hal::init(config);
    // Noise of its converter is what makes numbers random, as long as it is on.
    let _noise = TrngSource::new(chip.RNG, chip.ADC1);
    let Ok(random) = Trng::try_new() else {
        unreachable!("its source is on");
    };
    let lamp = OutputConfig::default();
    let wiring = Wiring {
        link: UsbSerialJtag::new(chip.USB_DEVICE),
        flash: Mapped::new(FlashStorage::new(chip.FLASH)),
        sensor: (),
        indicator: Pins {
            accept: Output::new(chip.GPIO18, Level::Low, lamp),
            reject: Output::new(chip.GPIO19, Level::Low, lamp),
            busy: Output::new(chip.GPIO20, Level::Low, lamp),
        },
        clock: Microseconds,
        random: Generator(random),
    };
    // SAFETY: the flash was mapped to these addresses, whose cache forgets what is written,
    // and the table of partitions leaves what is behind the program alone.
    unsafe { serve(&ESP32_C6, wiring, statics!(ESP32_C6.limits)) }
}
