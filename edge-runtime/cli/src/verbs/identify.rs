use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use edge_runtime::store::TemplateStore;
use serde_json::{Value, json};
use shared::decision::{Identification, Unknown};
use shared::template::Template;

use super::{LEARNED, basis, number, operating_point};
use crate::Outcome;
use crate::arguments::Identify;
use crate::model::recognizer;

pub(super) fn run(arguments: &Identify, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.recognizer.model.open()?;
    let mut recognizer = recognizer(&model, &arguments.recognizer)?;
    let (mut answers, mut all) = (vec![], true);
    for file in arguments.samples.all()? {
        let read = file.read()?;
        let file = file.path;
        let context = || file.display().to_string();
        let sample = read.sample().with_context(context)?;
        let (answer, probability) = recognizer.identify(sample).with_context(context)?;
        all &= matches!(answer, Identification::Match { .. });
        if arguments.json {
            answers.push(as_json(&file, &answer, probability));
        } else {
            let probable = probability.map_or_else(String::new, |probability| {
                format!(", probability {probability:.3} among the enrolled")
            });
            writeln!(out, "{}  {}{probable}", file.display(), in_words(&answer))?;
        }
    }
    let shots = recognizer.store().templates().map(Template::shot_count);
    let point = recognizer.operating_point(shots.min().unwrap_or(1));
    let enrolled = recognizer.store().templates().count();
    let is_learned = recognizer
        .store()
        .templates()
        .any(|t| t.learned().is_some());
    if arguments.json {
        let mut object = json!({
            "model_id": model.artifact()?.model_id().to_string(),
            "engine": arguments.recognizer.model.engine.name(),
            "operating_point": point.as_ref().map_or(Value::Null, operating_point),
            "enrolled": enrolled,
            "learned": is_learned,
            "stranger_bound": number(recognizer.stranger_bound()),
            "probes": answers,
        });
        if let [answer] = object["probes"].as_array().map_or(&[][..], Vec::as_slice) {
            let fields = answer.as_object().cloned().unwrap_or_default();
            for (key, value) in fields {
                object[key] = value;
            }
        }
        writeln!(out, "{object}")?;
    } else if let Some(point) = point {
        writeln!(out, "{}", basis(&point))?;
        if is_learned {
            writeln!(out, "{LEARNED}")?;
        }
        writeln!(
            out,
            "{enrolled} enrolled: a stranger is taken for one of them in at most {:.2} % of cases (the sum of those bounds)",
            100.0 * recognizer.stranger_bound()
        )?;
    }
    Ok(if all { Outcome::Yes } else { Outcome::No })
}

fn as_json(file: &Path, answer: &Identification<'_>, probability: Option<f32>) -> Value {
    let picture = file.display().to_string();
    match answer {
        Identification::Match {
            subject,
            distance,
            margin,
        } => json!({
            "picture": picture,
            "verdict": "accept",
            "subject": subject.as_str(),
            "distance": number(*distance),
            "margin": number(*margin),
            "probability": probability.map(number),
        }),
        Identification::Unknown(reason) => {
            let (reason, nearest, distance, margin) = match reason {
                Unknown::NobodyEnrolled => ("nobody-enrolled", None, None, None),
                Unknown::TooFar { nearest, distance } => {
                    ("too-far", Some(nearest.as_str()), Some(*distance), None)
                }
                Unknown::Ambiguous {
                    nearest,
                    distance,
                    margin,
                    ..
                } => (
                    "ambiguous",
                    Some(nearest.as_str()),
                    Some(*distance),
                    Some(*margin),
                ),
            };
            json!({
                "picture": picture,
                "verdict": "unknown",
                "reason": reason,
                "nearest": nearest,
                "distance": distance.map(number),
                "margin": margin.map(number),
            })
        }
    }
}

fn in_words(answer: &Identification<'_>) -> String {
    match answer {
        Identification::Match {
            subject,
            distance,
            margin,
        } => match margin.is_finite() {
            true => format!("{subject}  distance {distance:.4}, the next is {margin:.4} farther"),
            false => format!("{subject}  distance {distance:.4}"),
        },
        Identification::Unknown(Unknown::NobodyEnrolled) => "unknown: nobody is enrolled".into(),
        Identification::Unknown(Unknown::TooFar { nearest, distance }) => {
            format!("unknown: the nearest, {nearest}, is too far ({distance:.4})")
        }
        Identification::Unknown(Unknown::Ambiguous {
            nearest,
            runner_up,
            margin,
            ..
        }) => {
            format!("unknown: {nearest} and {runner_up} are about equally near ({margin:.4} apart)")
        }
    }
}
