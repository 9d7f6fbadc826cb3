//! An OV2640 behind an ArduChip, as far as their registers are used.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_hal::i2c::{self, I2c};
use embedded_hal::spi::{self, SpiDevice};

use super::{Clock, Fault, Transfers};

const SENSOR: usize = 1;
const PROCESSOR: usize = 0;

/// Brightness of a scene at a pixel, unlike that of its neighbours.
pub(super) fn brightness(scene: usize, x: usize, y: usize) -> u8 {
    (scene + x * 7 + y * 13) as u8
}

/// A camera that a driver and a test hold.
#[derive(Clone, Debug)]
pub(super) struct Camera {
    chips: Rc<RefCell<Chips>>,
    pub(super) clock: Clock,
    pub(super) transfers: Transfers,
}

/// What the test may change.
#[derive(Debug)]
pub(super) struct Chips {
    /// What the image sensor says that it is.
    pub(super) id: [u8; 2],
    /// Whether the memory's controller is there.
    pub(super) has_controller: bool,
    /// What it sees.
    pub(super) scene: usize,
    /// What a picture takes.
    pub(super) picture_ms: u64,
    /// Bytes that are lost of each picture.
    pub(super) lost: usize,
    registers: [[u8; 256]; 2],
    bank: usize,
    selected: u8,
    test: u8,
    is_reset: bool,
    memory: Vec<u8>,
    read: usize,
    taken_at: Option<u64>,
}

impl Camera {
    pub(super) fn new() -> Self {
        Self {
            chips: Rc::new(RefCell::new(Chips {
                id: [0x26, 0x42],
                has_controller: true,
                scene: 0,
                picture_ms: 120,
                lost: 0,
                registers: after_reset(),
                bank: 0,
                selected: 0,
                test: 0,
                is_reset: false,
                memory: vec![],
                read: 0,
                taken_at: None,
            })),
            clock: Clock::default(),
            transfers: Transfers::default(),
        }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Chips)) {
        change(&mut self.chips.borrow_mut());
    }

    /// Power fails and comes again.
    pub(super) fn lose_power(&self) {
        self.change(|chips| {
            chips.registers = after_reset();
            chips.taken_at = None;
        });
    }
}

fn after_reset() -> [[u8; 256]; 2] {
    let mut registers = [[0; 256]; 2];
    registers[PROCESSOR][0x05] = 1; // the processor is left out
    registers[PROCESSOR][0xE0] = 4; // no outputs
    registers
}

impl Chips {
    /// The picture that the image sensor gives, as it is set up: none, unless all of it fits
    /// together.
    fn picture(&self) -> Vec<u8> {
        let sensor = |register: usize| usize::from(self.registers[SENSOR][register]);
        let processor = |register: usize| usize::from(self.registers[PROCESSOR][register]);
        let columns = (sensor(0x18) * 8 + (sensor(0x32) >> 3 & 7))
            .saturating_sub(sensor(0x17) * 8 + (sensor(0x32) & 7));
        let rows = 2
            * (sensor(0x1A) * 4 + (sensor(0x03) >> 2 & 3))
                .saturating_sub(sensor(0x19) * 4 + (sensor(0x03) & 3));
        let (all_width, all_height) = (8 * processor(0xC0), 8 * processor(0xC1));
        let (window_width, window_height) = (4 * processor(0x51), 4 * processor(0x52));
        let (width, height) = (4 * processor(0x5A), 4 * processor(0x5B));
        let fits = sensor(0x12) == 0x20
            && (columns, rows) == (all_width, all_height)
            && processor(0x53) + window_width <= all_width
            && processor(0x54) + window_height <= all_height
            && width <= window_width
            && height <= window_height
            // Neither wider nor higher than it was.
            && width * window_height == height * window_width;
        let runs = processor(0x05) == 0 && processor(0xE0) == 0;
        let is_yuv = processor(0xDA) & 0x1C == 0;
        if !fits || !runs || !is_yuv {
            return vec![];
        }
        let brightness_first = processor(0xDA) & 1 == 0;
        let scene = self.scene;
        let places = (0..height).flat_map(|y| (0..width).map(move |x| brightness(scene, x, y)));
        let pixels = places.map(|brightness| [brightness, !brightness]);
        let bytes = pixels.flat_map(|[y, uv]| if brightness_first { [y, uv] } else { [uv, y] });
        // The memory holds some bytes more than the picture.
        bytes.chain([0xAA; 8]).collect()
    }

    fn write_controller(&mut self, register: u8, value: u8, now: u64) {
        match register {
            0x00 => self.test = value,
            0x04 if value & 1 != 0 => {
                self.memory.clear();
                self.taken_at = None;
            }
            // Not over a picture that was not forgotten.
            0x04 if value & 2 != 0 && self.taken_at.is_none() => {
                self.memory = self.picture();
                self.memory
                    .truncate(self.memory.len().saturating_sub(self.lost));
                self.read = 0;
                self.taken_at = now.checked_add(self.picture_ms);
            }
            0x07 => self.is_reset = value & 0x80 != 0,
            _ => {}
        }
    }

    fn read_controller(&mut self, register: u8, now: u64) -> u8 {
        let is_taken = self.taken_at.is_some_and(|at| at <= now);
        let len = self.memory.len();
        match register {
            0x00 => self.test,
            0x3C if is_taken => {
                let byte = self.memory.get(self.read).copied();
                self.read += 1;
                byte.unwrap_or(0)
            }
            0x41 => u8::from(is_taken) << 3,
            0x42 => len as u8,
            0x43 => (len >> 8) as u8,
            0x44 => (len >> 16) as u8,
            _ => 0,
        }
    }

    fn write_sensor(&mut self, register: u8, value: u8) {
        match (self.bank, register) {
            (_, 0xFF) => self.bank = usize::from(value & 1),
            (SENSOR, 0x12) if value & 0x80 != 0 => self.registers = after_reset(),
            (bank, _) => self.registers[bank][usize::from(register)] = value,
        }
    }

    fn read_sensor(&self) -> u8 {
        match (self.bank, self.selected) {
            (SENSOR, 0x0A) => self.id[0],
            (SENSOR, 0x0B) => self.id[1],
            (bank, register) => self.registers[bank][usize::from(register)],
        }
    }
}

impl spi::ErrorType for Camera {
    type Error = Fault;
}

impl SpiDevice for Camera {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Fault> {
        self.transfers.next()?;
        let now = self.clock.milliseconds();
        let mut chips = self.chips.borrow_mut();
        let mut command = None;
        for operation in operations {
            match operation {
                spi::Operation::Write(bytes) => {
                    for &byte in *bytes {
                        match command {
                            None => command = Some(byte),
                            Some(register) if register & 0x80 != 0 => {
                                chips.write_controller(register & 0x7F, byte, now);
                            }
                            Some(_) => {}
                        }
                    }
                }
                spi::Operation::Read(bytes) => {
                    for byte in bytes.iter_mut() {
                        let answers = chips.has_controller && !chips.is_reset;
                        *byte = match command {
                            Some(register) if answers => chips.read_controller(register, now),
                            _ => 0xFF,
                        };
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    }
}

impl i2c::ErrorType for Camera {
    type Error = Fault;
}

impl I2c for Camera {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), Fault> {
        self.transfers.next()?;
        let mut chips = self.chips.borrow_mut();
        match (address, operations) {
            (0x30, [i2c::Operation::Write([register])]) => chips.selected = *register,
            (0x30, [i2c::Operation::Write([register, value])]) => {
                chips.write_sensor(*register, *value);
            }
            (0x30, [i2c::Operation::Read([value])]) => *value = chips.read_sensor(),
            // Nobody else is there, and the chip knows no repeated start.
            _ => return Err(Fault),
        }
        Ok(())
    }
}
