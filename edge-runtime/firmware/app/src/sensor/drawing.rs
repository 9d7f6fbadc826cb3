//! What is drawn on a panel, as a picture.

use edge_runtime::sensor::{Captured, Pen, Sensor, SensorError};
use embedded_hal::delay::DelayNs;

use super::sheet::Sheet;

/// How long the first touch is waited for, in milliseconds.
pub const WAIT_MS: u32 = 10_000;

/// How long a pen must be lifted before a drawing is finished: longer than between two
/// letters.
pub const LIFTED_MS: u32 = 800;

/// How long a drawing may take, the wait for its first touch included. A pen that lies on
/// the panel draws for ever.
pub const LONGEST_MS: u32 = 40_000;

/// A pen is looked at so often; capacitive panels measure no more often.
const POLL_MS: u32 = 10;

/// Takes what is drawn on a panel for a picture: black lines on white, in the panel's
/// proportions, with at most 128 pixels on a side. Less memory makes it smaller.
///
/// Times are those between two looks at the pen, so that panels which are slow to answer
/// make them longer.
#[derive(Debug)]
pub struct Drawing<P, D> {
    pen: P,
    delay: D,
}

impl<P: Pen, D: DelayNs> Drawing<P, D> {
    /// A sensor for what is drawn with `pen`.
    pub fn new(pen: P, delay: D) -> Self {
        Self { pen, delay }
    }
}

impl<P: Pen, D: DelayNs> Sensor for Drawing<P, D> {
    fn capture(&mut self, pixels: &mut [u8]) -> Result<Captured, SensorError> {
        let mut sheet = Sheet::new(pixels, self.pen.size())?;
        let mut patience = WAIT_MS;
        let mut lifted = 0;
        for _ in 0..LONGEST_MS / POLL_MS {
            match self.pen.poll()? {
                Some(touch) => {
                    sheet.draw_to(touch);
                    (patience, lifted) = (LIFTED_MS, 0);
                }
                None => {
                    sheet.lift();
                    lifted += POLL_MS;
                }
            }
            if lifted >= patience {
                return sheet.finish().ok_or(SensorError::Blank {
                    milliseconds: WAIT_MS,
                });
            }
            self.delay.delay_ms(POLL_MS);
        }
        Err(SensorError::TooSlow {
            what: "the drawing to be finished",
            milliseconds: LONGEST_MS,
        })
    }
}
