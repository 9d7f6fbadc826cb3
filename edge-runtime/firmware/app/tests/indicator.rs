#![allow(clippy::unwrap_used, reason = "tests")]
//! What people at a device see.

use std::cell::Cell;
use std::rc::Rc;

use app::{Indicator, Pins, Sign};
use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin};

/// A pin whose level the test sees; `None` before it was set.
#[derive(Clone, Debug, Default)]
struct Pin {
    is_high: Rc<Cell<Option<bool>>>,
    is_broken: bool,
}

#[derive(Debug)]
struct Broken;

impl Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Pin {
    type Error = Broken;
}

impl Pin {
    fn set(&self, is_high: bool) -> Result<(), Broken> {
        if self.is_broken {
            return Err(Broken);
        }
        self.is_high.set(Some(is_high));
        Ok(())
    }
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Broken> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), Broken> {
        self.set(true)
    }
}

fn pins() -> Pins<Pin, Pin, Pin> {
    Pins {
        accept: Pin::default(),
        reject: Pin::default(),
        busy: Pin::default(),
    }
}

fn levels(pins: &Pins<Pin, Pin, Pin>) -> [bool; 3] {
    [&pins.accept, &pins.reject, &pins.busy].map(|pin| pin.is_high.get().unwrap())
}

#[test]
fn each_sign_has_its_pin_after_every_other() {
    let signs = [
        (Sign::Idle, [false, false, false]),
        (Sign::Accepted, [true, false, false]),
        (Sign::Rejected, [false, true, false]),
        (Sign::Busy, [false, false, true]),
    ];
    let mut pins = pins();
    for (before, _) in signs {
        for (sign, expected) in signs {
            pins.show(before);
            pins.show(sign);
            assert_eq!(levels(&pins), expected, "{sign:?} after {before:?}");
        }
    }
}

#[test]
fn a_broken_pin_does_not_keep_the_others_from_showing() {
    let mut pins = pins();
    pins.accept.is_broken = true;
    pins.show(Sign::Rejected);
    assert_eq!(pins.reject.is_high.get(), Some(true));
    assert_eq!(pins.busy.is_high.get(), Some(false));
}
