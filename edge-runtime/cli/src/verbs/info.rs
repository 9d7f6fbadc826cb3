use std::io::Write;

use anyhow::Result;
use edge_runtime::segmenter::most_references;
use edge_runtime::store::file::STRUCTURE_SHOTS;
use serde_json::{Value, json};
use shared::Preprocess;
use shared::artifact::signature::Manifest;
use shared::segmentation::RecordShape;
use shared::support_set::Comparison;

use super::operating_point;
use crate::Outcome;
use crate::arguments::Info;
use crate::model::marks;
use crate::trust::Signature;

pub(super) fn run(arguments: &Info, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.trust.open(&arguments.model)?;
    let signature = arguments.trust.signature(&model)?;
    let artifact = model.artifact()?;
    let (contract, plan, card) = (artifact.contract(), artifact.plan(), artifact.card());
    let (preprocess, comparison) = (contract.preprocess, contract.comparison);
    let record = RecordShape::new(plan.reference_len());
    let points: Vec<_> = artifact.operating_points().iter().collect();
    let measured_on = artifact.operating_points().data();
    if arguments.json {
        let points: Vec<Value> = points.iter().map(operating_point).collect();
        let info = json!({
            "name": card.name,
            "model_id": artifact.model_id().to_string(),
            "task": if marks(&artifact) { "segmentation" } else { "embedding" },
            "data": card.data,
            "terms": card.terms,
            "signature": as_json(&signature),
            "preprocess": match preprocess {
                Preprocess::Picture(picture) => json!(picture),
                Preprocess::Pen(pen) => json!(pen),
            },
            "comparison": comparison,
            "cohort": artifact.cohort().map(|cohort| json!({
                "members": cohort.len(),
                "normalization": cohort.normalization(),
            })),
            "references": marks(&artifact).then(|| json!({
                "bytes": plan.reference_len(),
                "embeddings": record.shots,
                "most": most_references(record, STRUCTURE_SHOTS),
            })),
            "macs": plan.macs(),
            "artifact_bytes": model.artifact_len(),
            "weight_bytes": artifact.weights().len(),
            "arena_bytes": plan.arena_len(),
            "steps": plan.steps().count(),
            "golden_vectors": artifact.golden().iter().count(),
            "measured_on": measured_on,
            "operating_points": points,
        });
        writeln!(out, "{info}")?;
        return Ok(Outcome::Yes);
    }
    writeln!(out, "{}  model {}", card.name, artifact.model_id())?;
    writeln!(out, "trained on   {}", card.data)?;
    writeln!(out, "terms        {}", card.terms)?;
    writeln!(out, "signature    {}", words(&signature))?;
    match preprocess {
        Preprocess::Picture(picture) => writeln!(
            out,
            "input        {} x {} pixels, {:?}, tone {:?}, crop {:?}, fit {:?}",
            picture.width, picture.height, picture.colour, picture.tone, picture.crop, picture.fit
        )?,
        Preprocess::Pen(pen) => writeln!(
            out,
            "input        at most {} steps of what a pen did, by {:?}, measured by {:?}",
            pen.steps, pen.sampling, pen.scale
        )?,
    }
    if marks(&artifact) {
        writeln!(
            out,
            "marks        a structure, as at most {} references show it, each kept as {} bytes: {} x {} x int8",
            most_references(record, STRUCTURE_SHOTS),
            plan.reference_len(),
            record.shots,
            record.dim
        )?;
    } else {
        embedding(&comparison, out)?;
    }
    if let Some(cohort) = artifact.cohort() {
        writeln!(
            out,
            "cohort       {} embeddings of training samples, by which distances are normalized ({:?})",
            cohort.len(),
            cohort.normalization()
        )?;
    }
    writeln!(
        out,
        "costs        {} multiply-accumulates, {} bytes of artifact, {} bytes of activation memory",
        plan.macs(),
        model.artifact_len(),
        plan.arena_len()
    )?;
    writeln!(out, "measured on  {measured_on}")?;
    if points.is_empty() {
        return Ok(Outcome::Yes);
    }
    writeln!(
        out,
        "  shots  FAR aimed at  threshold  FAR (95 %: below)   FRR (95 %: below)   impostors  genuine"
    )?;
    for point in points {
        writeln!(
            out,
            "  {:>5}  {:>10.2} %  {:>9.4}  {:>5.2} % ({:>5.2} %)   {:>5.2} % ({:>5.2} %)   {:>9}  {:>7}",
            point.shots,
            100.0 * point.far_target,
            point.threshold,
            100.0 * point.far,
            100.0 * point.far_upper,
            100.0 * point.frr,
            100.0 * point.frr_upper,
            point.impostors,
            point.genuine
        )?;
    }
    Ok(Outcome::Yes)
}

/// How samples are compared.
fn embedding(comparison: &Comparison, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "embedding    {} x int8{}, {} distance, samples fused by {:?}",
        comparison.embedding.dim,
        match comparison.embedding.normalized {
            true => format!(
                ", unit length in {} steps",
                comparison.embedding.unit_length()
            ),
            false => String::new(),
        },
        comparison.distance,
        comparison.fusion
    )
}

/// Whose signature it is, for people.
pub(super) fn words(signature: &Signature) -> String {
    match signature {
        Signature::Absent => "none".into(),
        Signature::Unchecked(Manifest { version, key, .. }) => format!(
            "version {version}, by key {key} as it states: --trust the public key to check that"
        ),
        Signature::By(file, Manifest { version, key, .. }) => {
            format!("version {version}, by {} (key {key})", file.display())
        }
        Signature::Unfit(error) => format!("does not fit: {error}"),
    }
}

fn as_json(signature: &Signature) -> Value {
    let (manifest, trusted) = match signature {
        Signature::Absent => return Value::Null,
        Signature::Unchecked(manifest) => (manifest, None),
        Signature::By(file, manifest) => (manifest, Some(file.display().to_string())),
        Signature::Unfit(error) => return json!({ "error": error.to_string() }),
    };
    json!({
        "version": manifest.version,
        "key": manifest.key.to_string(),
        "trusted": trusted,
    })
}
