use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shared::template::SubjectId;

use super::number;
use crate::Outcome;
use crate::arguments::Enroll;
use crate::model::recognizer;
use crate::pictures;

pub(super) fn run(arguments: &Enroll, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.recognizer.model.open()?;
    // Templates are bound to an identity, which had better be the content's.
    model.identified_artifact()?;
    let mut recognizer = recognizer(&model, &arguments.recognizer)?;
    let subject = SubjectId::new(&arguments.subject)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut template = recognizer.begin(subject, now.map_or(0, |now| now.as_secs()))?;
    let files = arguments.samples.files()?;
    for file in &files {
        let picture = pictures::read(file)?;
        let context = || file.display().to_string();
        let image = picture.image().with_context(context)?;
        recognizer
            .add(&mut template, &image)
            .with_context(context)?;
    }
    let shots = template.shot_count();
    let point = recognizer.operating_point(shots.saturating_sub(1).max(1));
    let threshold = point.map_or(f32::INFINITY, |point| point.threshold);
    let distances: Vec<f32> = recognizer.self_distances(&template).collect();
    recognizer.enroll(template)?;
    for (file, distance) in files.iter().zip(&distances) {
        if *distance > threshold {
            // A warning that nobody can see changes nothing.
            let _ = writeln!(
                std::io::stderr(),
                "warning: {}: expected to be at most {threshold:.4} from the other samples, found {distance:.4}: is it of the same subject?",
                file.display()
            );
        }
    }
    if arguments.json {
        let distances: Vec<Value> = distances.iter().copied().map(number).collect();
        let enrolled = json!({
            "subject": arguments.subject,
            "shots": shots,
            "model_id": model.artifact()?.model_id().to_string(),
            "engine": arguments.recognizer.model.engine.name(),
            "self_distances": distances,
            "threshold": number(threshold),
        });
        writeln!(out, "{enrolled}")?;
    } else {
        writeln!(
            out,
            "{}: enrolled with {shots} {} in {}",
            arguments.subject,
            if shots == 1 { "sample" } else { "samples" },
            arguments.recognizer.store()?.display()
        )?;
    }
    Ok(Outcome::Yes)
}
