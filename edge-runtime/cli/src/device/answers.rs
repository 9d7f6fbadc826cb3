//! What devices answer, for people and for programs.

use std::io::Write;

use anyhow::{Error, Result, anyhow};
use serde_json::{Value, json};
use shared::drift::Drift;
use shared::wire::{Refusal, Response, Scores};

use crate::Outcome;
use crate::arguments::{Enroll, Identify, List, Remove, SelfTest, Verify};
use crate::verbs::{drift, number, warn_of_close};

/// A picture that was verified.
pub(super) struct Verified {
    pub(super) name: String,
    pub(super) accepted: bool,
    /// For a paired host.
    pub(super) scores: Option<Scores>,
}

/// A picture that was identified.
pub(super) struct Identified {
    pub(super) name: String,
    pub(super) subject: Option<String>,
    /// For a paired host.
    pub(super) distance: Option<f32>,
}

/// An answer that was not expected.
pub(super) fn words(response: &Response<'_>) -> String {
    match response {
        Response::Refused(refusal) => refused(*refusal).to_string(),
        Response::Locked { seconds } => format!(
            "expected an attempt after fewer failures, found too many in a row: wait {seconds} s, or ask as a paired host"
        ),
        other => format!("another answer ({other:?}): update device or program"),
    }
}

/// Why a device does not do what it was asked, and what to do.
pub(super) fn refused(refusal: Refusal) -> Error {
    anyhow!(match refusal {
        Refusal::Malformed =>
            "expected a device that knows this request, found one that does not: update its firmware",
        Refusal::Version =>
            "expected a device of this protocol's version, found another: update its firmware or this program",
        Refusal::NoSample => "expected a sample on the device, found none: try again",
        Refusal::SampleTooLarge =>
            "expected a sample that the device has room for, found a larger one: crop or reduce the picture",
        Refusal::Subject =>
            "expected a subject of at most 32 bytes without control characters: choose another name",
        Refusal::NotEnrolled =>
            "expected an enrolled subject, found no such name on the device: enrol first, or see `list`",
        Refusal::Full =>
            "expected a free place, found all for subjects or samples taken: remove a subject, or give fewer pictures",
        Refusal::Store =>
            "expected a store that can be read and written, found one that cannot: check the device's flash",
        Refusal::Image =>
            "expected a sample that the model takes, found another: see `info` for its input",
        Refusal::Chunk =>
            "expected the parts of a sample or a model in order, found a gap: send it again",
        Refusal::Learned =>
            "expected a subject that takes samples, found a learnt prototype: remove it first",
        Refusal::Engine => "expected an engine that runs, found one that does not: `self-test` it",
        Refusal::Stale =>
            "expected a free place, found the last taken by templates of another model: remove those, or flash that model again",
        Refusal::Unsupported =>
            "expected a device that has what this needs, found one without: see its firmware's README for what it has",
        Refusal::NoModel =>
            "expected a device with a model, found one without: `flash --device` sends it one",
        Refusal::ModelVersion =>
            "expected a model of the device's format version, found another: update its firmware, or quantize the model again",
        Refusal::ModelDamaged =>
            "expected a whole model, found one that is cut off, damaged, or another than it states: quantize or copy it again",
        Refusal::ModelTooLarge =>
            "expected a model that the device has room for, found a larger one: take a smaller one, or quantize it with `--low-memory`",
        Refusal::ModelGolden =>
            "expected a model that answers its golden vectors, found one that does not on this device: quantize it again",
        Refusal::Flash =>
            "expected flash for models that can be written, found flash that cannot: flash the board anew",
        Refusal::Sensor =>
            "expected a picture by the device's sensor, found none: see to its wiring, and try again",
        Refusal::Secret =>
            "expected a device with a secret to seal with, found one whose secret is lost, or that has no randomness to make one: flash the board anew",
        Refusal::Unpaired =>
            "expected a device that is paired with this host, found one that obeys others: on one of those, `semblance pair --add HOSTKEY`, with the key that `semblance pair` shows here",
        Refusal::Session =>
            "expected the device's session with this host, found none there: it was started anew, or somebody else is at its line; try again",
        Refusal::Handshake =>
            "expected a device that begins a session, found one that does not: try again; somebody else may be at its line",
        Refusal::NoRandomness =>
            "expected a device with random numbers, without which there is no session, found one that has none: see its firmware's README",
        Refusal::HostsFull =>
            "expected a free place for a host, found all taken: `pair --drop` one first",
        Refusal::UnknownHost =>
            "expected the key of a host that is paired, found another: see `pair --list`",
        Refusal::ModelUnsigned =>
            "expected a model that is signed by the key which the device trusts, found another: `host-trainer sign` it with that key",
        Refusal::ModelRollback =>
            "expected a model of no earlier version than the device has had, found one: sign it as a later version",
        Refusal::Trust =>
            "expected a device that trusts no other key yet, found one that does, for good: sign models with that one",
        Refusal::Quality(flaw) => return anyhow!(flaw),
        Refusal::Unlike =>
            "expected a sample like the subject's others, found one that is too far from them: is it of the same subject? Take it again",
        Refusal::Kind =>
            "expected a sample of the kind that the device's model reads, found a picture for one that reads what pens did, or the reverse: send it another model",
        _ => "expected an answer, found a refusal that this program does not know: update it",
    })
}

fn samples(count: u8) -> String {
    match count {
        1 => "1 sample".into(),
        count => format!("{count} samples"),
    }
}

fn verdict(accepted: bool) -> &'static str {
    if accepted { "accept" } else { "reject" }
}

pub(super) fn enrolled(
    arguments: &Enroll,
    board: &str,
    model: &str,
    (shots, close_to): (u8, Option<&str>),
    out: &mut impl Write,
) -> Result<Outcome> {
    let subject = &arguments.subject;
    if let Some(other) = close_to {
        warn_of_close(subject, other, None);
    }
    if arguments.json {
        let enrolled = json!({
            "subject": subject,
            "shots": shots,
            "model_id": model,
            "device": board,
            "close_to": close_to,
        });
        writeln!(out, "{enrolled}")?;
    } else {
        writeln!(
            out,
            "{subject}: enrolled with {} on {board}",
            samples(shots)
        )?;
    }
    Ok(Outcome::Yes)
}

pub(super) fn verified(
    arguments: &Verify,
    board: &str,
    model: &str,
    probes: &[Verified],
    out: &mut impl Write,
) -> Result<Outcome> {
    let all = probes.iter().all(|probe| probe.accepted);
    if arguments.json {
        let probe = |probe: &Verified| {
            json!({
                "picture": probe.name,
                "verdict": verdict(probe.accepted),
                "distance": probe.scores.map(|scores| number(scores.distance)),
                "threshold": probe.scores.map(|scores| number(scores.threshold)),
            })
        };
        let mut answer = json!({
            "subject": arguments.subject,
            "verdict": verdict(all),
            "model_id": model,
            "device": board,
            "probes": probes.iter().map(probe).collect::<Vec<Value>>(),
        });
        if let [
            Verified {
                scores: Some(scores),
                ..
            },
        ] = probes
        {
            answer["distance"] = number(scores.distance);
            answer["threshold"] = number(scores.threshold);
        }
        writeln!(out, "{answer}")?;
    } else {
        for probe in probes {
            let scores = probe.scores.map_or_else(String::new, |scores| {
                let Scores {
                    distance,
                    threshold,
                } = scores;
                format!("  distance {distance:.4}, threshold {threshold:.4}")
            });
            writeln!(out, "{}  {}{scores}", probe.name, verdict(probe.accepted))?;
        }
    }
    Ok(if all { Outcome::Yes } else { Outcome::No })
}

pub(super) fn identified(
    arguments: &Identify,
    board: &str,
    model: &str,
    probes: &[Identified],
    out: &mut impl Write,
) -> Result<Outcome> {
    let all = probes.iter().all(|probe| probe.subject.is_some());
    if arguments.json {
        let as_json = |probe: &Identified| {
            let known = if probe.subject.is_some() {
                "accept"
            } else {
                "unknown"
            };
            json!({
                "picture": probe.name,
                "verdict": known,
                "subject": probe.subject,
                "distance": probe.distance.map(number),
            })
        };
        let mut answer = json!({
            "model_id": model,
            "device": board,
            "probes": probes.iter().map(as_json).collect::<Vec<Value>>(),
        });
        if let [probe] = probes {
            for (key, value) in as_json(probe).as_object().cloned().unwrap_or_default() {
                answer[key] = value;
            }
        }
        writeln!(out, "{answer}")?;
    } else {
        for probe in probes {
            let subject = probe.subject.as_deref().unwrap_or("unknown");
            let distance = match probe.distance {
                None => String::new(),
                Some(distance) if distance.is_finite() => format!("  distance {distance:.4}"),
                Some(_) => ": nobody is enrolled".into(),
            };
            writeln!(out, "{}  {subject}{distance}", probe.name)?;
        }
    }
    Ok(if all { Outcome::Yes } else { Outcome::No })
}

pub(super) fn listed(
    arguments: &List,
    board: &str,
    model: &str,
    subjects: &[(String, u8, Drift)],
    stale: u16,
    out: &mut impl Write,
) -> Result<Outcome> {
    if arguments.json {
        let subject = |(subject, shots, drift): &(String, u8, Drift)| json!({"subject": subject, "shots": shots, "drift": drift::as_json(*drift)});
        let list = json!({
            "model_id": model,
            "device": board,
            "subjects": subjects.iter().map(subject).collect::<Vec<Value>>(),
            "stale": stale,
        });
        writeln!(out, "{list}")?;
    } else {
        for (subject, shots, drift) in subjects {
            let drift = drift::in_words(*drift);
            writeln!(out, "{subject}  {}{drift}", samples(*shots))?;
        }
        if stale > 0 {
            writeln!(
                out,
                "and {stale} of other models, which are compared with nothing: `remove --stale` removes them"
            )?;
        }
    }
    Ok(Outcome::Yes)
}

pub(super) fn stale_removed(
    arguments: &Remove,
    stale: u16,
    out: &mut impl Write,
) -> Result<Outcome> {
    if arguments.json {
        writeln!(out, "{}", json!({"stale": stale, "removed": true}))?;
    } else {
        writeln!(out, "{stale} of other models: removed")?;
    }
    Ok(Outcome::Yes)
}

pub(super) fn self_tested(
    arguments: &SelfTest,
    board: &str,
    model: &str,
    passed: u16,
    total: u16,
    out: &mut impl Write,
) -> Result<Outcome> {
    if arguments.json {
        let result = json!({
            "model_id": model,
            "device": board,
            "passed": passed,
            "total": total,
        });
        writeln!(out, "{result}")?;
    } else {
        writeln!(
            out,
            "{passed} of {total} golden vectors came out right, byte for byte, on {board}"
        )?;
    }
    Ok(match passed == total {
        true => Outcome::Yes,
        false => Outcome::No,
    })
}
