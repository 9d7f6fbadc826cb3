use std::io::Write;

use anyhow::Result;
use serde_json::json;

use super::structures;
use crate::Outcome;
use crate::arguments::Remove;
use crate::model::{marks, recognizer};

pub(super) fn run(arguments: &Remove, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.recognizer.model.open()?;
    if marks(&model.artifact()?) {
        return structures::remove(arguments, &model, out);
    }
    let mut recognizer = recognizer(&model, &arguments.recognizer)?;
    let gone = recognizer.remove(&arguments.subject)?;
    removed(arguments, gone, out)
}

/// Tells whether a subject was enrolled and is removed.
pub(crate) fn removed(arguments: &Remove, removed: bool, out: &mut impl Write) -> Result<Outcome> {
    if arguments.json {
        writeln!(
            out,
            "{}",
            json!({"subject": arguments.subject, "removed": removed})
        )?;
    } else if removed {
        writeln!(out, "{}: removed", arguments.subject)?;
    } else {
        writeln!(out, "{}: was not enrolled", arguments.subject)?;
    }
    Ok(if removed { Outcome::Yes } else { Outcome::No })
}
