//! The official one-shot test of Omniglot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::{ALL_RUNS, locate};
use crate::dataset::Source;
use crate::dataset::archive::for_each_entry;

/// One trial of the official test: a drawing to be matched with one of a run's 20.
#[derive(Clone, Debug)]
pub struct Run {
    /// The 20 reference drawings.
    pub references: Vec<Source>,
    /// Drawings to classify, each with the index of its reference.
    pub trials: Vec<(Source, usize)>,
}

/// Reads the official test: 20 runs of 20 trials, 20-way 1-shot within alphabet.
///
/// # Errors
/// When the archive is missing, damaged or incomplete.
pub fn all_runs(data: &Path) -> Result<Vec<Run>> {
    let archive = locate(data, ALL_RUNS)?;
    let mut files: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
    for_each_entry(&archive, |name, bytes| {
        files.insert(name.to_owned(), bytes.into());
    })?;
    let runs: BTreeSet<String> = files
        .keys()
        .filter_map(|name| name.split_once('/'))
        .map(|(run, _)| run.to_owned())
        .filter(|run| run.starts_with("run"))
        .collect();
    ensure!(
        !runs.is_empty(),
        "{}: expected runNN folders, found none",
        archive.display()
    );
    runs.iter()
        .map(|run| read_run(run, &files).with_context(|| archive.display().to_string()))
        .collect()
}

fn read_run(run: &str, files: &BTreeMap<String, Arc<[u8]>>) -> Result<Run> {
    let file = |name: &str| {
        files
            .get(name)
            .with_context(|| format!("expected {name} in the archive, found none"))
    };
    let labels = file(&format!("{run}/class_labels.txt"))?;
    let labels = std::str::from_utf8(labels).context("class_labels.txt is not text")?;
    let prefix = format!("{run}/training/");
    let names: Vec<&String> = files
        .keys()
        .filter(|name| name.starts_with(&prefix) && name.ends_with(".png"))
        .collect();
    let references = names
        .iter()
        .map(|name| Ok(Source::Encoded(file(name)?.clone())))
        .collect::<Result<_>>()?;
    let trials = labels
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let (probe, reference) = line
                .split_once(' ')
                .with_context(|| format!("expected two file names, found {line:?}"))?;
            let index = names
                .iter()
                .position(|name| name.as_str() == reference.trim())
                .with_context(|| format!("expected {reference} in the archive, found none"))?;
            Ok((Source::Encoded(file(probe)?.clone()), index))
        })
        .collect::<Result<_>>()?;
    Ok(Run { references, trials })
}
