//! `host-trainer report` of a network that segments.

use std::io::Write;

use anyhow::{Result, ensure};
use serde_json::json;

use super::ReportArgs;
use crate::checkpoint::{EVENTS, write_whole};
use crate::cli::tell;
use crate::config::CONFIG;
use crate::dataset::DatasetName;
use crate::engine::EngineName;
use crate::report::events::History;
use crate::report::segmentation::{Subject, judge, render};
use crate::segmentation::config::{SegmentationConfig, segments};
use crate::segmentation::dataset::{self, chosen};
use crate::segmentation::engine::open;
use crate::segmentation::export::SegmentationCard;

/// The network in a folder, when it is one that segments.
pub(super) fn subject(args: &ReportArgs) -> Result<Option<Subject>> {
    let folder = args.model.as_path();
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if !segments(folder) {
        return Ok(None);
    }
    let mut subject = if folder.join(CONFIG).is_file() {
        Subject {
            name: name.into_owned(),
            config: SegmentationConfig::load(folder)?,
            exported: None,
            history: None,
        }
    } else {
        let card = SegmentationCard::load(folder)?;
        Subject {
            config: card.config(),
            name: card.name,
            exported: Some((card.model_id, card.costs)),
            history: None,
        }
    };
    if let Some(run) = &args.run {
        ensure!(
            SegmentationConfig::load(run)? == subject.config,
            "{}: expected the run that {} was made from, found one of another configuration: name that run, or leave --run out",
            run.display(),
            folder.display()
        );
    }
    let run = args.run.as_deref().unwrap_or(folder);
    if run.join(EVENTS).is_file() {
        subject.history = Some(History::load(run)?);
    }
    Ok(Some(subject))
}

pub(super) fn run(args: &ReportArgs, subject: &Subject, out: &mut impl Write) -> Result<()> {
    ensure!(
        args.dataset.is_none_or(|name| name == DatasetName::Medseg) && args.shots.is_none(),
        "expected --dataset medseg, and no --shots, of a network that segments, found another"
    );
    let usual = match subject.exported {
        Some(_) => EngineName::Int8,
        None => EngineName::Tract,
    };
    let engine = args.engine.unwrap_or(usual);
    let mut artifact = vec![];
    let mut network = open(&args.model, engine, args.precision, &mut artifact)?;
    let tasks = dataset::load(args.data.data.as_deref())?;
    let thumbnails = args.thumbnails || !DatasetName::Medseg.may_be_biometric();
    let mut judged = vec![];
    for task in chosen(&tasks, args.task.as_deref())? {
        tell(format_args!("judging {}", task.name));
        let (samples, is_learnt) = (network.judging(task)?, network.has_learnt(task));
        judged.push(judge(&mut network, &samples, is_learnt, thumbnails)?);
    }
    write_whole(&args.out, render(subject, &network, &judged)?.as_bytes())?;
    if !args.json {
        writeln!(out, "{}: report of {}", args.out.display(), subject.name)?;
        return Ok(());
    }
    let reports: Vec<_> = judged.iter().flat_map(|task| &task.reports).collect();
    let answer = json!({ "path": args.out, "name": subject.name, "tasks": reports });
    writeln!(out, "{answer}")?;
    Ok(())
}
