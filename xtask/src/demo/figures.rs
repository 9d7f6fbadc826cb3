//! What `evaluate` measures, on every engine that can run on a device.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{DATASET, DEVICE_ENGINES, FIGURES, MODEL, host_trainer, path_of, there};
use crate::process;
use crate::workspace::Workspace;

/// One engine's verification figures; rates are fractions.
#[derive(Clone, Debug, PartialEq)]
struct Figures {
    engine: &'static str,
    comparisons: u64,
    accuracy: f64,
    eer: f64,
    far: f64,
    frr: f64,
}

/// The table of all engines' figures.
pub(super) struct Table(Vec<Figures>);

/// Evaluates the demo's model on every engine; takes what an earlier run measured.
pub(super) fn of_every_engine(workspace: &Workspace) -> Result<Table> {
    let figures = DEVICE_ENGINES
        .into_iter()
        .map(|engine| read(engine, &evaluate(workspace, engine)?))
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        figures.windows(2).all(|pair| same(&pair[0], &pair[1])),
        "expected the same figures on every engine, found {figures:?}"
    );
    Ok(Table(figures))
}

/// What `evaluate` printed, kept for the next run.
fn evaluate(workspace: &Workspace, engine: &str) -> Result<String> {
    let kept = format!("{FIGURES}/{engine}.json");
    let path = path_of(workspace, &kept);
    if there(workspace, &kept) {
        return Ok(fs::read_to_string(&path)?);
    }
    let mut evaluate = host_trainer(workspace);
    evaluate
        .args(["evaluate", MODEL, "--dataset", DATASET])
        .args(["--protocol", "verification", "--engine", engine, "--json"]);
    let printed = process::output(&mut evaluate)?;
    fs::create_dir_all(path_of(workspace, FIGURES))?;
    // Written beside and renamed: a half file would be taken for a whole one.
    let half = path.with_extension("partial");
    fs::write(&half, &printed)
        .and_then(|()| fs::rename(&half, &path))
        .with_context(|| format!("cannot write {kept}"))?;
    Ok(printed)
}

fn read(engine: &'static str, printed: &str) -> Result<Figures> {
    let json: Value = serde_json::from_str(printed)
        .with_context(|| format!("expected one JSON object of `evaluate`, found {printed:?}"))?;
    let rate = |name: &str| {
        json[name]
            .as_f64()
            .with_context(|| format!("expected a number `{name}` in what `evaluate` printed"))
    };
    Ok(Figures {
        engine,
        comparisons: json["comparisons"]
            .as_u64()
            .context("expected a count `comparisons` in what `evaluate` printed")?,
        accuracy: rate("accuracy")?,
        eer: rate("eer")?,
        far: rate("far")?,
        frr: rate("frr")?,
    })
}

fn same(a: &Figures, b: &Figures) -> bool {
    let engine = a.engine;
    *a == Figures {
        engine,
        ..b.clone()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Verification of signers never seen in training")?;
        writeln!(
            f,
            "  engine  comparisons  accuracy      EER      FAR      FRR"
        )?;
        for row in &self.0 {
            writeln!(
                f,
                "  {:6}  {:>11}  {:>6.2} %  {:>5.2} %  {:>5.2} %  {:>5.2} %",
                row.engine,
                row.comparisons,
                100.0 * row.accuracy,
                100.0 * row.eer,
                100.0 * row.far,
                100.0 * row.frr,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const PRINTED: &str = r#"{"comparisons": 1200, "accuracy": 0.95, "eer": 0.05, "far": 0.01, "frr": 0.125, "more": {}}"#;

    #[test]
    fn figures_are_read_and_shown_in_percent() {
        let figures = read("int8", PRINTED).unwrap();
        assert_eq!(figures.comparisons, 1200);
        let shown = Table(vec![figures]).to_string();
        assert!(shown.contains("12.50 %"), "{shown}");
    }

    #[test]
    fn a_figure_that_is_not_there_is_named() {
        let refused = read("int8", r#"{"comparisons": 1, "accuracy": 1}"#).unwrap_err();
        assert!(refused.to_string().contains("`eer`"), "{refused}");
        assert!(read("int8", "no JSON").is_err());
    }

    #[test]
    fn engines_are_compared_by_their_figures_alone() {
        let int8 = read("int8", PRINTED).unwrap();
        let tract = read("tract", PRINTED).unwrap();
        assert!(same(&int8, &tract));
        assert!(!same(&int8, &Figures { far: 0.5, ..tract }));
    }
}
