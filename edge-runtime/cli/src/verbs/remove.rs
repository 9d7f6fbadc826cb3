use anyhow::Result;
use edge_runtime::loader::Model;
use serde_json::json;

use crate::Outcome;
use crate::arguments::Remove;
use crate::model::recognizer;

pub(super) fn run(arguments: &Remove) -> Result<Outcome> {
    let model = Model::open(&arguments.recognizer.model.model)?;
    let mut recognizer = recognizer(&model, &arguments.recognizer)?;
    let removed = recognizer.remove(&arguments.subject)?;
    if arguments.json {
        println!(
            "{}",
            json!({"subject": arguments.subject, "removed": removed})
        );
    } else if removed {
        println!("{}: removed", arguments.subject);
    } else {
        println!("{}: was not enrolled", arguments.subject);
    }
    Ok(if removed { Outcome::Yes } else { Outcome::No })
}
