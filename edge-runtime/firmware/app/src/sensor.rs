//! Drivers of cameras and pen panels, over any `embedded-hal` bus.
//!
//! ```text
//! Arducam ----------------------------> Sensor
//! Ft6x06 | Resistive -> Pen -> Drawing -> Sensor
//! ```
//!
//! Drivers talk to nobody before they are first asked, find their chip again after every
//! error, and wait for nothing without end.

mod arducam;
mod drawing;
mod ft6x06;
mod ov2640;
mod resistive;
mod sheet;

pub use arducam::{Arducam, Resolution};
pub use drawing::{Drawing, LIFTED_MS, LONGEST_MS, WAIT_MS};
pub use ft6x06::Ft6x06;
pub use resistive::{Calibration, Resistive};
