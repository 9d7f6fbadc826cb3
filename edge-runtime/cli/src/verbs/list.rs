use std::io::Write;

use anyhow::Result;
use edge_runtime::store::TemplateStore;
use serde_json::json;

use super::{drift, number, structures};
use crate::Outcome;
use crate::arguments::List;
use crate::model::{marks, recognizer};

pub(super) fn run(arguments: &List, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.recognizer.model.open()?;
    if marks(&model.artifact()?) {
        return structures::list(arguments, &model, out);
    }
    let recognizer = recognizer(&model, &arguments.recognizer)?;
    let store = recognizer.store();
    let templates = store.templates();
    let drift_of = |subject: &str| store.drift(subject).unwrap_or_default();
    if arguments.json {
        let subject = |template: &shared::template::Template<_, _>| {
            json!({
                "subject": template.subject(),
                "shots": template.shot_count(),
                "enrolled_at": template.enrolled_at(),
                "scale": template.learned().map(|learned| number(learned.scale)),
                "drift": drift::as_json(drift_of(template.subject())),
            })
        };
        let list = json!({
            "model_id": model.artifact()?.model_id().to_string(),
            "subjects": templates.map(subject).collect::<Vec<_>>(),
        });
        writeln!(out, "{list}")?;
        return Ok(Outcome::Yes);
    }
    for template in templates {
        writeln!(
            out,
            "{}  {} samples{}{}",
            template.subject(),
            template.shot_count(),
            match template.learned() {
                Some(_) => ", a learnt prototype",
                None => "",
            },
            drift::in_words(drift_of(template.subject()))
        )?;
    }
    Ok(Outcome::Yes)
}
