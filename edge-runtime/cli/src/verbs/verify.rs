use std::io::Write;

use anyhow::{Context, Result};
use edge_runtime::store::TemplateStore;
use serde_json::{Value, json};

use super::{LEARNED, basis, drift, number, operating_point};
use crate::Outcome;
use crate::arguments::Verify;
use crate::model::recognizer;

pub(super) fn run(arguments: &Verify, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.recognizer.model.open()?;
    let mut recognizer = recognizer(&model, &arguments.recognizer)?;
    let mut probes = vec![];
    let mut enrolled = 0;
    for file in arguments.samples.all()? {
        let read = file.read()?;
        let file = file.path;
        let context = || file.display().to_string();
        let sample = read.sample().with_context(context)?;
        let (verification, shots) = recognizer
            .verify(&arguments.subject, sample)
            .with_context(|| format!("{}, subject {}", file.display(), arguments.subject))?;
        enrolled = shots;
        probes.push((file, verification));
    }
    let all = probes
        .iter()
        .all(|(_, verification)| verification.accepted());
    let point = recognizer.operating_point(enrolled);
    let mut templates = recognizer.store().templates();
    let is_learned = templates.any(|t| t.subject() == arguments.subject && t.learned().is_some());
    let drift = recognizer.store().drift(&arguments.subject);
    let drift = drift.unwrap_or_default();
    drift::advise(&arguments.subject, drift);
    if arguments.json {
        let probe =
            |(file, verification): &(std::path::PathBuf, shared::decision::Verification)| {
                json!({
                    "picture": file.display().to_string(),
                    "verdict": verdict(verification.accepted()),
                    "distance": number(verification.distance),
                    "threshold": number(verification.threshold),
                })
            };
        let mut answer = json!({
            "subject": arguments.subject,
            "verdict": verdict(all),
            "model_id": model.artifact()?.model_id().to_string(),
            "engine": arguments.recognizer.model.engine.name(),
            "shots": enrolled,
            "learned": is_learned,
            "operating_point": point.as_ref().map_or(Value::Null, operating_point),
            "drift": drift::as_json(drift),
            "probes": probes.iter().map(probe).collect::<Vec<_>>(),
        });
        if let [(_, verification)] = &probes[..] {
            answer["distance"] = number(verification.distance);
            answer["threshold"] = number(verification.threshold);
        }
        writeln!(out, "{answer}")?;
    } else {
        for (file, verification) in &probes {
            writeln!(
                out,
                "{}  {}  distance {:.4}",
                file.display(),
                verdict(verification.accepted()),
                verification.distance
            )?;
        }
        if let Some(point) = point {
            writeln!(out, "{}", basis(&point))?;
            if is_learned {
                writeln!(out, "{LEARNED}")?;
            }
        }
    }
    Ok(if all { Outcome::Yes } else { Outcome::No })
}

fn verdict(accepted: bool) -> &'static str {
    if accepted { "accept" } else { "reject" }
}
