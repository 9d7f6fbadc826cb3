//! The capacitive panel.

use std::cell::RefCell;
use std::rc::Rc;

use app::sensor::Ft6x06;
use edge_runtime::sensor::{Pen, SensorError, Touch};
use embedded_hal::i2c::{self, I2c};

use super::{Fault, Transfers};

const DOWN: u8 = 0;
const LIFTED: u8 = 1;
const THERE: u8 = 2;

/// A finger: event, number, column, row.
type Finger = (u8, u8, u16, u16);

/// Its registers, which a driver and a test hold.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    registers: Rc<RefCell<[u8; 256]>>,
    pub(super) transfers: Transfers,
}

impl Panel {
    pub(super) fn new(id: u8) -> Self {
        let mut registers = [0xFF; 256];
        registers[0xA3] = id;
        let panel = Self {
            registers: Rc::new(RefCell::new(registers)),
            transfers: Transfers::default(),
        };
        panel.touch(&[]);
        panel
    }

    /// Puts these fingers on it, and no others.
    pub(super) fn touch(&self, fingers: &[Finger]) {
        let mut registers = self.registers.borrow_mut();
        registers[0x02..0x0F].fill(0xFF);
        registers[0x02] = fingers.len() as u8;
        for (place, &(event, id, x, y)) in fingers.iter().enumerate() {
            let [x_high, x_low] = x.to_be_bytes();
            let [y_high, y_low] = y.to_be_bytes();
            let finger = [event << 6 | x_high, x_low, id << 4 | y_high, y_low, 40, 0];
            registers[0x03 + 6 * place..][..6].copy_from_slice(&finger);
        }
    }

    fn set(&self, register: usize, value: u8) {
        self.registers.borrow_mut()[register] = value;
    }
}

impl i2c::ErrorType for Panel {
    type Error = Fault;
}

impl I2c for Panel {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), Fault> {
        self.transfers.next()?;
        match (address, operations) {
            (0x38, [i2c::Operation::Write([from]), i2c::Operation::Read(values)]) => {
                let registers = self.registers.borrow();
                values.copy_from_slice(&registers[usize::from(*from)..][..values.len()]);
                Ok(())
            }
            _ => Err(Fault),
        }
    }
}

fn driver(panel: &Panel) -> Ft6x06<Panel> {
    Ft6x06::new(panel.clone(), 240, 320)
}

fn at(x: u16, y: u16) -> Option<Touch> {
    let pressure = Some(40);
    Some(Touch { x, y, pressure })
}

#[test]
fn a_finger_is_where_the_panel_says() {
    for id in [0x06, 0x36, 0x64] {
        let panel = Panel::new(id);
        let mut driver = driver(&panel);
        assert_eq!(driver.size(), (240, 320));
        assert_eq!(driver.poll(), Ok(None));
        panel.touch(&[(DOWN, 0, 17, 300)]);
        assert_eq!(driver.poll(), Ok(at(17, 300)));
        panel.touch(&[(THERE, 0, 18, 299)]);
        assert_eq!(driver.poll(), Ok(at(18, 299)));
        panel.touch(&[(LIFTED, 0, 18, 299)]);
        assert_eq!(driver.poll(), Ok(None));
    }
}

#[test]
fn of_two_fingers_the_first_draws() {
    let panel = Panel::new(0x06);
    let mut driver = driver(&panel);
    panel.touch(&[(DOWN, 0, 10, 10)]);
    assert_eq!(driver.poll(), Ok(at(10, 10)));
    // Whatever place it is told at.
    panel.touch(&[(DOWN, 1, 200, 200), (THERE, 0, 11, 10)]);
    assert_eq!(driver.poll(), Ok(at(11, 10)));
    // The other one is another stroke.
    panel.touch(&[(THERE, 1, 200, 201)]);
    assert_eq!(driver.poll(), Ok(None));
    assert_eq!(driver.poll(), Ok(at(200, 201)));
    panel.touch(&[(THERE, 1, 200, 202), (DOWN, 0, 11, 10)]);
    assert_eq!(driver.poll(), Ok(at(200, 202)));
}

#[test]
fn touches_stay_on_the_panel() {
    let panel = Panel::new(0x06);
    panel.touch(&[(DOWN, 0, 0x0FFF, 320)]);
    assert_eq!(driver(&panel).poll(), Ok(at(239, 319)));
    let mut driver = Ft6x06::new(panel, 0, 0);
    assert_eq!(driver.size(), (1, 1));
    assert_eq!(driver.poll(), Ok(at(0, 0)));
}

#[test]
fn a_count_that_cannot_be_is_no_touch() {
    let panel = Panel::new(0x06);
    for count in [3, 0x0F, 0xFF] {
        panel.touch(&[(DOWN, 0, 5, 5)]);
        panel.set(0x02, count);
        assert_eq!(driver(&panel).poll(), Ok(None), "{count}");
    }
}

#[test]
fn a_panel_that_feels_no_pressure_tells_none() {
    let panel = Panel::new(0x06);
    panel.touch(&[(DOWN, 0, 5, 6)]);
    panel.set(0x07, 0);
    let touch = driver(&panel).poll().unwrap().unwrap();
    assert_eq!((touch.x, touch.y, touch.pressure), (5, 6, None));
}

#[test]
fn another_chip_is_told() {
    for id in [0x00, 0xFF, 0x11] {
        let expected = SensorError::Chip {
            device: "touch panel",
            expected: &[0x06, 0x36, 0x64],
            found: id.into(),
        };
        let panel = Panel::new(id);
        let mut driver = driver(&panel);
        assert_eq!(driver.poll(), Err(expected));
        panel.set(0xA3, 0x06);
        assert_eq!(driver.poll(), Ok(None));
    }
}

#[test]
fn a_transfer_may_fail_at_any_time() {
    let expected = SensorError::Bus {
        device: "touch panel",
        bus: "I2C",
    };
    let panel = Panel::new(0x06);
    panel.touch(&[(DOWN, 0, 1, 2)]);
    for failing in 0..2 {
        let mut driver = driver(&panel);
        panel.transfers.fail_after(failing);
        assert_eq!(driver.poll(), Err(expected));
        assert_eq!(driver.poll(), Ok(at(1, 2)));
        panel.transfers.fail_after(0);
        assert_eq!(driver.poll(), Err(expected));
        // It is asked anew what it is.
        panel.set(0xA3, 0);
        assert!(driver.poll().is_err());
        panel.set(0xA3, 0x06);
        assert_eq!(driver.poll(), Ok(at(1, 2)));
    }
}
