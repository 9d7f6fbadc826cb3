//! What `evaluate` measures, on every engine that can run on a device.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{DATASET, DEVICE_ENGINES, FAR, FIGURES, MODEL, host_trainer, path_of, there};
use crate::process;
use crate::workspace::Workspace;

/// One engine's verification figures; rates are fractions.
#[derive(Clone, Debug, PartialEq)]
struct Figures {
    engine: &'static str,
    /// Against skilled forgeries.
    skilled: Impostors,
    /// Against signatures of other signers, at the same threshold.
    random: Impostors,
    /// Genuine signatures that were rejected at that threshold.
    frr: f64,
}

/// How one kind of impostors fared.
#[derive(Clone, Debug, PartialEq)]
struct Impostors {
    comparisons: u64,
    eer: f64,
    far: f64,
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
    if let Ok(printed) = fs::read_to_string(&path)
        && is_of_model(workspace, &printed)?
        && there(workspace, &kept)
    {
        return Ok(printed);
    }
    let mut evaluate = host_trainer(workspace);
    evaluate
        .args(["evaluate", MODEL, "--dataset", DATASET])
        .args(["--protocol", "verification", "--far", FAR])
        .args(["--engine", engine, "--json"]);
    let printed = process::output(&mut evaluate)?;
    fs::create_dir_all(path_of(workspace, FIGURES))?;
    // Written beside and renamed: a half file would be taken for a whole one.
    let half = path.with_extension("partial");
    fs::write(&half, &printed)
        .and_then(|()| fs::rename(&half, &path))
        .with_context(|| format!("cannot write {kept}"))?;
    Ok(printed)
}

/// Whether figures are of the model that is there now.
fn is_of_model(workspace: &Workspace, printed: &str) -> Result<bool> {
    let card = format!("{MODEL}/model.toml");
    let card = fs::read_to_string(path_of(workspace, &card))
        .with_context(|| format!("cannot read {card}"))?;
    let json: Value = serde_json::from_str(printed).unwrap_or_default();
    let id = json["model_id"].as_str();
    Ok(id.is_some_and(|id| card.contains(id)))
}

fn read(engine: &'static str, printed: &str) -> Result<Figures> {
    let json: Value = serde_json::from_str(printed)
        .with_context(|| format!("expected one JSON object of `evaluate`, found {printed:?}"))?;
    let number = |pointer: &str| {
        json.pointer(pointer)
            .and_then(Value::as_f64)
            .with_context(|| format!("expected a number `{pointer}` in what `evaluate` printed"))
    };
    let impostors = |comparisons: &str, of: &str| {
        let comparisons = json.pointer(comparisons).and_then(Value::as_u64);
        Ok::<_, anyhow::Error>(Impostors {
            comparisons: comparisons
                .context("expected a count of impostors in what `evaluate` printed")?,
            eer: number(&format!("{of}/eer"))?,
            far: number(&format!("{of}/far"))?,
        })
    };
    Ok(Figures {
        engine,
        skilled: impostors("/impostor_comparisons", "")?,
        random: impostors("/random_impostors/comparisons", "/random_impostors")?,
        frr: number("/frr")?,
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
        writeln!(
            f,
            "Verification of signers never seen in training, at the threshold that accepted\n\
             at most {FAR} of the skilled forgeries on the signers that chose it"
        )?;
        writeln!(
            f,
            "  engine  impostors          comparisons      EER      FAR      FRR"
        )?;
        for row in &self.0 {
            for (name, impostors) in [
                ("skilled forgeries", &row.skilled),
                ("other signers", &row.random),
            ] {
                writeln!(
                    f,
                    "  {:6}  {name:17}  {:>11}  {:>5.2} %  {:>5.2} %  {:>5.2} %",
                    row.engine,
                    impostors.comparisons,
                    100.0 * impostors.eer,
                    100.0 * impostors.far,
                    100.0 * row.frr,
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const PRINTED: &str = r#"{"eer": 0.05, "far": 0.01, "frr": 0.125, "impostor_comparisons": 1200,
        "random_impostors": {"eer": 0.02, "far": 0.001, "comparisons": 900}, "more": {}}"#;

    #[test]
    fn figures_are_read_and_shown_in_percent() {
        let figures = read("int8", PRINTED).unwrap();
        assert_eq!(figures.skilled.comparisons, 1200);
        assert_eq!(figures.random.eer, 0.02);
        let shown = Table(vec![figures]).to_string();
        assert!(shown.contains("12.50 %"), "{shown}");
    }

    #[test]
    fn a_figure_that_is_not_there_is_named() {
        let refused = read("int8", r#"{"impostor_comparisons": 1, "frr": 1}"#).unwrap_err();
        assert!(refused.to_string().contains("`/eer`"), "{refused}");
        assert!(read("int8", "no JSON").is_err());
    }

    #[test]
    fn engines_are_compared_by_their_figures_alone() {
        let int8 = read("int8", PRINTED).unwrap();
        let tract = read("tract", PRINTED).unwrap();
        assert!(same(&int8, &tract));
        assert!(!same(&int8, &Figures { frr: 0.5, ..tract }));
    }
}
