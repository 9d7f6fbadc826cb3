//! How near to the threshold a subject is accepted, in words and in JSON.

use serde_json::{Value, json};
use shared::drift::{Drift, Reenrol};

use super::{number, warn};

/// A share of the threshold that is in 1/256.
fn share(share: u8) -> f32 {
    f32::from(share) / 256.0
}

fn percent(of: u8) -> String {
    format!("{:.0} %", 100.0 * share(of))
}

/// For programs.
pub(crate) fn as_json(drift: Drift) -> Value {
    json!({
        "accepted": drift.count(),
        "mean": drift.mean().map(share).map(number),
        "enrolled": drift.enrolled().map(share).map(number),
        "reenrol": drift.advice().is_some(),
    })
}

/// What follows a subject in a list; nothing before anybody was accepted.
pub(crate) fn in_words(drift: Drift) -> String {
    let Some(mean) = drift.mean() else {
        return String::new();
    };
    let enrolled = drift.enrolled().map_or_else(String::new, |enrolled| {
        format!(" ({} at enrolment)", percent(enrolled))
    });
    let advice = match drift.advice() {
        Some(_) => ": enrol anew",
        None => "",
    };
    format!(
        ", accepted at {} of the threshold of late{enrolled}{advice}",
        percent(mean)
    )
}

/// Advises to enrol a subject anew, where that is due.
pub(super) fn advise(subject: &str, drift: Drift) {
    if let Some(Reenrol { enrolled, mean }) = drift.advice() {
        warn(format_args!(
            "{subject}: expected to be accepted at about {} of the threshold, as at enrolment, found {} of late: enrol anew, before it is rejected",
            percent(enrolled),
            percent(mean)
        ));
    }
}
