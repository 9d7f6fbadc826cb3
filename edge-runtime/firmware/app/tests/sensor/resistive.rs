//! The resistive panel.

use std::cell::RefCell;
use std::rc::Rc;

use app::sensor::{Calibration, Resistive};
use edge_runtime::sensor::{Pen, SensorError, Touch};
use embedded_hal::spi::{ErrorType, Operation, SpiDevice};

use super::{Fault, Transfers};

/// Resistance of a foil, in ohms.
const FOIL: u32 = 400;

const EDGES: Calibration = Calibration {
    left: 300,
    right: 3900,
    top: 3800,
    bottom: 200,
    swapped: false,
};

/// Two foils and a controller, which a driver and a test hold.
#[derive(Clone, Debug, Default)]
struct Panel {
    foils: Rc<RefCell<Foils>>,
    transfers: Transfers,
}

#[derive(Debug, Default)]
struct Foils {
    /// How far along both foils they touch, of 4096, and the contact's ohms.
    contact: Option<(u32, u32, u32)>,
    /// The measurement that is wrong, of those in one transfer, and what it gives.
    glitch: Option<(usize, u32)>,
    /// The measurement before which the pen is lifted.
    lifted: Option<usize>,
    /// What the line shows when the controller has no power.
    silent: Option<u8>,
    /// What is measured without a contact, along a foil and below.
    floating: (u32, u32),
}

impl Panel {
    fn change(&self, change: impl FnOnce(&mut Foils)) {
        change(&mut self.foils.borrow_mut());
    }

    fn press(&self, x: u32, y: u32, ohms: u32) {
        self.change(|foils| foils.contact = Some((x, y, ohms)));
    }

    fn driver(&self, calibration: Calibration) -> Resistive<Self> {
        Resistive::new(self.clone(), 320, 240, calibration)
    }

    fn poll(&self) -> Result<Option<Touch>, SensorError> {
        self.driver(EDGES).poll()
    }
}

impl Foils {
    /// What the controller measures, of 4095, the `place`th time in a transfer.
    fn measure(&self, control: u8, place: usize) -> u32 {
        if let Some((_, wrong)) = self.glitch.filter(|(glitch, _)| *glitch == place) {
            return wrong;
        }
        let is_lifted = self.lifted.is_some_and(|lifted| lifted <= place);
        let contact = self.contact.filter(|_| !is_lifted);
        let Some((x, y, ohms)) = contact else {
            // No current: the lower side is near ground, the upper one at full voltage.
            return match control {
                0xB0 => self.floating.1,
                0xC0 => 4095,
                _ => self.floating.0,
            };
        };
        // Current flows along one foil, through the contact and back along the other.
        let (below, above) = (FOIL * x / 4096, FOIL * (4096 - y) / 4096);
        let all = below + ohms + above;
        match control {
            0xD0 => x,
            0x90 => y,
            0xB0 => 4095 * below / all,
            0xC0 => 4095 * (below + ohms) / all,
            _ => panic!("{control:#x}"),
        }
    }
}

impl ErrorType for Panel {
    type Error = Fault;
}

impl SpiDevice for Panel {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Fault> {
        self.transfers.next()?;
        let [Operation::TransferInPlace(bytes)] = operations else {
            panic!("{operations:?}");
        };
        let foils = self.foils.borrow();
        if let Some(level) = foils.silent {
            bytes.fill(level);
            return Ok(());
        }
        for (place, measurement) in bytes.chunks_exact_mut(3).enumerate() {
            let [control, high, low] = measurement else {
                unreachable!("chunks of three");
            };
            // A byte with its first bit set would start another measurement.
            assert_eq!((*high, *low), (0, 0));
            let value = foils.measure(*control, place) << 3;
            (*control, *high, *low) = (0, (value >> 8) as u8, value as u8);
        }
        Ok(())
    }
}

fn place(touch: Touch) -> (u16, u16) {
    (touch.x, touch.y)
}

#[test]
fn a_pen_is_where_it_presses() {
    let panel = Panel::default();
    assert_eq!(panel.poll(), Ok(None));
    for (x, y, expected) in [
        (300, 3799, (0, 0)),
        (3899, 201, (319, 239)),
        (2100, 2000, (160, 120)),
        // Beyond the edges that were measured.
        (150, 4000, (0, 0)),
        (4000, 150, (319, 239)),
    ] {
        panel.press(x, y, 300);
        let touch = panel.poll().unwrap().unwrap();
        assert_eq!(place(touch), expected, "{x} {y}");
    }
}

#[test]
fn axes_may_change_places() {
    let panel = Panel::default();
    panel.press(200 + 900, 300 + 900, 300);
    let swapped = Calibration {
        left: 300,
        right: 3900,
        top: 200,
        bottom: 3800,
        swapped: true,
    };
    let touch = panel.driver(swapped).poll().unwrap().unwrap();
    assert_eq!(place(touch), (320 / 4, 240 / 4));
}

#[test]
fn a_calibration_without_extent_is_harmless() {
    let panel = Panel::default();
    panel.press(2000, 2000, 300);
    let nothing = Calibration {
        left: 7,
        right: 7,
        top: 0,
        bottom: 0,
        swapped: false,
    };
    let touch = panel.driver(nothing).poll().unwrap().unwrap();
    assert_eq!(place(touch), (0, 0));
}

#[test]
fn a_harder_pen_has_more_pressure_everywhere() {
    let panel = Panel::default();
    for (x, y) in [(400, 400), (400, 3700), (3700, 400), (2000, 2000)] {
        let mut last = u8::MAX;
        for ohms in [50, 200, 500, 1000] {
            panel.press(x, y, ohms);
            let pressure = panel.poll().unwrap().unwrap().pressure.unwrap();
            assert!(pressure < last, "{x} {y} {ohms}: {pressure}");
            last = pressure;
        }
        panel.press(x, y, 20_000);
        assert_eq!(panel.poll(), Ok(None), "{x} {y}");
    }
}

#[test]
fn one_wrong_measurement_of_three_is_left_out() {
    let panel = Panel::default();
    panel.press(2100, 2000, 300);
    let right = panel.poll().unwrap();
    // Those of the position.
    for measurement in 2..8 {
        for wrong in [0, 4095] {
            panel.change(|foils| foils.glitch = Some((measurement, wrong)));
            assert_eq!(panel.poll(), Ok(right), "{measurement}");
        }
    }
}

#[test]
fn a_pen_that_is_lifted_meanwhile_is_nowhere() {
    let panel = Panel::default();
    panel.press(2100, 2000, 300);
    for measurement in 0..9 {
        panel.change(|foils| foils.lifted = Some(measurement));
        assert_eq!(panel.poll(), Ok(None), "{measurement}");
    }
    // After the last that tells a contact from none.
    panel.change(|foils| foils.lifted = Some(9));
    let touch = panel.poll().unwrap().unwrap();
    assert_eq!(place(touch), (160, 120));
}

#[test]
fn what_floats_is_no_touch() {
    let panel = Panel::default();
    for x in [0, 20, 1234, 4095] {
        for below in [0, 5, 15] {
            panel.change(|foils| foils.floating = (x, below));
            assert_eq!(panel.poll(), Ok(None), "{x} {below}");
        }
    }
}

#[test]
fn failing_and_silent_lines_are_told() {
    let expected = Err(SensorError::Bus {
        device: "touch panel",
        bus: "SPI",
    });
    let panel = Panel::default();
    panel.transfers.fail_after(0);
    assert_eq!(panel.poll(), expected);
    assert_eq!(panel.poll(), Ok(None));
    for level in [0x00, 0xFF] {
        panel.change(|foils| foils.silent = Some(level));
        assert_eq!(panel.poll(), expected);
    }
}
