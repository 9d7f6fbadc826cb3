#![allow(clippy::unwrap_used, reason = "tests")]
//! Drivers of cameras and panels, against simulations that answer as the chips do.

use std::cell::Cell;
use std::rc::Rc;

use edge_runtime::sensor::{Sensor, SensorError};
use embedded_hal::delay::DelayNs;
use embedded_hal::{i2c, spi};

mod arducam;
mod camera;
mod drawing;
mod ft6x06;
mod resistive;

/// A clock that goes on when somebody waits.
#[derive(Clone, Debug, Default)]
struct Clock(Rc<Cell<u64>>);

impl Clock {
    fn milliseconds(&self) -> u64 {
        self.0.get() / 1_000_000
    }
}

impl DelayNs for Clock {
    fn delay_ns(&mut self, nanoseconds: u32) {
        self.0.set(self.0.get() + u64::from(nanoseconds));
    }
}

/// Counts transfers, on all buses of a chip, and lets one of them fail.
#[derive(Clone, Debug, Default)]
struct Transfers {
    count: Rc<Cell<usize>>,
    failing: Rc<Cell<Option<usize>>>,
}

impl Transfers {
    /// Those so far.
    fn count(&self) -> usize {
        self.count.get()
    }

    /// Lets the transfer after the next `count` fail.
    fn fail_after(&self, count: usize) {
        self.failing.set(Some(self.count() + count));
    }

    fn next(&self) -> Result<(), Fault> {
        let this = self.count.replace(self.count() + 1);
        match self.failing.get() == Some(this) {
            true => Err(Fault),
            false => Ok(()),
        }
    }
}

/// A transfer that failed.
#[derive(Clone, Copy, Debug)]
struct Fault;

impl i2c::Error for Fault {
    fn kind(&self) -> i2c::ErrorKind {
        i2c::ErrorKind::Other
    }
}

impl spi::Error for Fault {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

#[test]
fn a_board_without_a_sensor_says_so() {
    let error = ().capture(&mut [0; 4]).unwrap_err();
    assert_eq!(error, SensorError::Absent);
    assert!(
        error
            .to_string()
            .starts_with("expected a board with a sensor, found")
    );
}

#[test]
fn errors_say_what_was_expected_and_found() {
    let error = SensorError::Chip {
        device: "camera",
        expected: &[0x2641, 0x2642],
        found: 0,
    };
    let text = error.to_string();
    let start = "expected the camera to say that it is 0x2641 or 0x2642, found 0x00: ";
    assert!(text.starts_with(start), "{text}");
}
