//! Drivers of cameras, over any `embedded-hal` bus.
//!
//! ```text
//! Arducam -> Sensor
//! ```
//!
//! Drivers talk to nobody before they are first asked, find their chip again after every
//! error, and wait for nothing without end.

mod arducam;
mod ov2640;

pub use arducam::{Arducam, Resolution};
