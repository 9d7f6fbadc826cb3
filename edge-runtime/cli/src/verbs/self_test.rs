use std::io::Write;

use anyhow::Result;
use edge_runtime::engine::self_test_artifact;
use serde_json::json;

use crate::Outcome;
use crate::arguments::SelfTest;
use crate::model::engine;

pub(super) fn run(arguments: &SelfTest, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.model.open()?;
    let artifact = model.artifact()?;
    let mut engine = engine(&model, arguments.model.engine)?;
    let (passed, total) = self_test_artifact(&mut engine, &artifact)?;
    let name = arguments.model.engine.name();
    if arguments.json {
        let result = json!({
            "model_id": artifact.model_id().to_string(),
            "engine": name,
            "passed": passed,
            "total": total,
        });
        writeln!(out, "{result}")?;
    } else {
        writeln!(
            out,
            "{passed} of {total} golden vectors came out right, byte for byte, engine {name}"
        )?;
    }
    Ok(if passed == total {
        Outcome::Yes
    } else {
        Outcome::No
    })
}
