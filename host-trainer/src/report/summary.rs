//! The main figures, for people at the top of the page and for programs.

use anyhow::Result;
use serde::Serialize;

use super::Content;
use super::subject::Subject;
use crate::export::costs::costs;

/// The main figures; rates are fractions. What there is not is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The model's name.
    pub name: String,
    /// Its identity; null for a run.
    pub model_id: Option<String>,
    /// What it was judged on.
    pub dataset: String,
    /// `torch`, `ort`, `tract` or `int8`.
    pub engine: &'static str,
    /// `float` or `int8`.
    pub precision: &'static str,
    /// Samples of the test part.
    pub samples: usize,
    /// What was found on it.
    pub test: Option<TestSummary>,
    /// Costs of one embedding and of its program.
    pub costs: CostsSummary,
    /// Steps and epochs that the training wrote down.
    pub training: Option<TrainingSummary>,
}

/// What was found on the test part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestSummary {
    /// Enrolled samples per class.
    pub shots: usize,
    /// Classes that were judged.
    pub classes: usize,
    /// Who tried to be accepted.
    pub impostors: &'static str,
    /// The rate at which false accepts and false rejects are equal.
    pub eer: f64,
    /// The thresholds, laxest first.
    pub operating_points: Vec<PointSummary>,
    /// Share of probes whose own class is the nearest of all.
    pub identified: f64,
    /// 95 % interval of it.
    pub identified_ci95: [f64; 2],
}

/// A threshold and what it does on the test part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PointSummary {
    /// The false-accept rate that it was chosen for.
    pub far_target: f32,
    /// The largest distance that is accepted.
    pub threshold: f32,
    /// Share of impostors that are accepted.
    pub far: f64,
    /// 95 % interval of it.
    pub far_ci95: [f64; 2],
    /// Share of genuine probes that are rejected.
    pub frr: f64,
    /// 95 % interval of it.
    pub frr_ci95: [f64; 2],
}

/// Costs of one embedding and of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CostsSummary {
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// Numbers that were learnt.
    pub parameters: u64,
    /// Bytes of `model.bin`.
    pub artifact_bytes: Option<u64>,
    /// Bytes of activation memory.
    pub arena_bytes: Option<u64>,
}

/// What a training wrote down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrainingSummary {
    /// Steps.
    pub steps: usize,
    /// Epochs.
    pub epochs: usize,
    /// The best validation figure.
    pub best_validation: Option<f64>,
    /// Lines that could not be read.
    pub unreadable_lines: usize,
}

impl Summary {
    /// Takes the main figures out of a report's content.
    ///
    /// # Errors
    /// When the artifact is damaged.
    pub fn new(content: &Content<'_>) -> Result<Self> {
        let subject = content.subject;
        Ok(Self {
            name: subject.name.clone(),
            model_id: subject
                .artifact()?
                .map(|artifact| artifact.model_id().to_string()),
            dataset: content.dataset.name.clone(),
            engine: content.engine,
            precision: content.precision,
            samples: content.test.tensors.len(),
            test: test(content),
            costs: costs_of(subject)?,
            training: content.history.map(|history| TrainingSummary {
                steps: history.steps.len(),
                epochs: history.epochs.len(),
                best_validation: history.best().map(|(_, epoch)| epoch.validation),
                unreadable_lines: history.unreadable,
            }),
        })
    }
}

fn test(content: &Content<'_>) -> Option<TestSummary> {
    let judgement = content.judgement.as_ref().ok()?;
    let judged = &judgement.judged;
    let points = judged.points.iter().map(|point| PointSummary {
        far_target: point.stated.far_target,
        threshold: point.stated.threshold,
        far: point.far.rate,
        far_ci95: point.far.ci95,
        frr: point.frr.rate,
        frr_ci95: point.frr.ci95,
    });
    Some(TestSummary {
        shots: judged.shots,
        classes: judged.classes.len(),
        impostors: judged.impostors.name(),
        eer: judged.curves[0].eer,
        operating_points: points.collect(),
        identified: judgement.identification.accuracy,
        identified_ci95: judgement.identification.ci95,
    })
}

fn costs_of(subject: &Subject) -> Result<CostsSummary> {
    let costs = costs(&subject.config.tower.build()?)?;
    let exported = subject.exported.as_ref();
    // What was exported may run patch by patch.
    let [macs, arena] = match subject.artifact()? {
        Some(artifact) => [artifact.plan().macs(), artifact.plan().arena_len() as u64],
        None => [costs.macs, costs.arena_bytes],
    };
    Ok(CostsSummary {
        macs,
        parameters: costs.parameters,
        artifact_bytes: exported.map(|exported| exported.artifact.len() as u64),
        arena_bytes: Some(arena),
    })
}
