//! One file per verb.

mod bench;
mod doctor;
pub(crate) mod drift;
mod enroll;
mod identify;
mod info;
mod list;
mod remove;
mod rotate_key;
mod segment;
mod self_test;
mod structures;
mod verify;

use std::fmt::Display;
use std::io::Write;

use anyhow::Result;
use serde_json::{Value, json};
use shared::artifact::OperatingPoint;

use crate::Outcome;
use crate::arguments::{Arguments, Verb};
#[cfg(feature = "device")]
use crate::device::{self, Device};

#[cfg(feature = "device")]
pub(crate) use remove::removed;

/// Does what was asked and writes the answer to `out`.
pub(crate) fn run(arguments: Arguments, out: &mut impl Write) -> Result<Outcome> {
    match arguments.verb {
        Verb::Info(arguments) => info::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::Enroll(arguments) if arguments.recognizer.device != Device::Local => {
            device::enroll(&arguments, out)
        }
        Verb::Enroll(arguments) => enroll::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::Verify(arguments) if arguments.recognizer.device != Device::Local => {
            device::verify(&arguments, out)
        }
        Verb::Verify(arguments) => verify::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::Identify(arguments) if arguments.recognizer.device != Device::Local => {
            device::identify(&arguments, out)
        }
        Verb::Identify(arguments) => identify::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::List(arguments) if arguments.recognizer.device != Device::Local => {
            device::list(&arguments, out)
        }
        Verb::List(arguments) => list::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::Remove(arguments) if arguments.recognizer.device != Device::Local => {
            device::remove(&arguments, out)
        }
        Verb::Remove(arguments) => remove::run(&arguments, out),
        Verb::Segment(arguments) => segment::run(&arguments, out),
        Verb::RotateKey(arguments) => rotate_key::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::SelfTest(arguments) if arguments.device != Device::Local => {
            device::self_test(&arguments, out)
        }
        Verb::SelfTest(arguments) => self_test::run(&arguments, out),
        Verb::Bench(arguments) => bench::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::Flash(arguments) => device::flash::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::Pair(arguments) => device::pair::run(&arguments, out),
        #[cfg(feature = "device")]
        Verb::Serve(arguments) => device::serve::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments, out),
    }
}

/// Tells what should be looked at, and does not stop anything.
pub(crate) fn warn(what: impl Display) {
    // A warning that nobody can see changes nothing.
    let _ = writeln!(std::io::stderr(), "warning: {what}");
}

/// Tells that a subject is hard to tell from another; how far it is, where that is known.
pub(crate) fn warn_of_close(subject: &str, other: &str, distance: Option<f32>) {
    let found = distance.map_or_else(String::new, |distance| format!(", {distance:.4} away"));
    warn(format_args!(
        "{subject}: expected a subject unlike all others, found {other} close{found}: each may be accepted as the other; is it one person under two names?"
    ));
}

/// Single precision, as people would write it: 0.1, not 0.10000000149011612.
pub(crate) fn number(value: f32) -> Value {
    match value.to_string().parse::<f64>() {
        Ok(value) if value.is_finite() => json!(value),
        _ => Value::Null,
    }
}

fn operating_point(point: &OperatingPoint) -> Value {
    json!({
        "far_target": number(point.far_target),
        "shots": point.shots,
        "threshold": number(point.threshold),
        "margin": number(point.margin),
        "far": number(point.far),
        "far_upper": number(point.far_upper),
        "frr": number(point.frr),
        "frr_upper": number(point.frr_upper),
        "impostors": point.impostors,
        "genuine": point.genuine,
    })
}

/// What the rates of an operating point do not cover.
const LEARNED: &str = "these rates were measured with the means of samples; here are prototypes that `host-trainer finetune` learnt";

/// What a decision rests on, in one line.
fn basis(point: &OperatingPoint) -> String {
    format!(
        "threshold {:.4}, at which {:.2} % of {} impostors were accepted (95 %: below {:.2} %) and {:.2} % of {} genuine rejected (below {:.2} %), enrolled with {}",
        point.threshold,
        100.0 * point.far,
        point.impostors,
        100.0 * point.far_upper,
        100.0 * point.frr,
        point.genuine,
        100.0 * point.frr_upper,
        match point.shots {
            1 => "1 sample".to_owned(),
            shots => format!("{shots} samples"),
        }
    )
}
