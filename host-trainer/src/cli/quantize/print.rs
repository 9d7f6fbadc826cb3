//! A model's card, for people.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use shared::quality::Bounds;

use crate::cli::percent;
use crate::export::card::{ModelCard, Quantization};
use crate::export::program::Patches;
use crate::head::Head;
use crate::quantize::recipe::Recipe;

/// What was exported, how near it is, and what it costs.
pub(super) fn card(folder: &Path, card: &ModelCard, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}: model {}", folder.display(), card.model_id)?;
    writeln!(
        out,
        "{} bytes, {} bytes of activation memory, {} multiply-accumulates an embedding",
        card.costs.artifact_bytes, card.costs.arena_bytes, card.costs.macs
    )?;
    if let Some(Patches { nodes, grid }) = card.costs.patches {
        writeln!(
            out,
            "the first {nodes} layers in {} x {} patches",
            grid[0], grid[1]
        )?;
    }
    writeln!(
        out,
        "several samples of a class become one distance by {}",
        Head::Fused(card.fusion).name()
    )?;
    if let Some(cohort) = &card.cohort {
        writeln!(
            out,
            "distances are normalized ({:?}) by {} training samples, which go with the model",
            cohort.normalization, cohort.members
        )?;
    }
    match &card.quality {
        Some(bounds) => quality(bounds, out)?,
        None => writeln!(
            out,
            "enrolment refuses blank and small pictures only: too few training pictures to bound others"
        )?,
    }
    quantization(&card.quantization, out)?;
    for figures in &card.templates {
        writeln!(
            out,
            "{} templates, {} bytes an embedding: EER {}, {}-way 1-shot {} (validation samples)",
            figures.precision,
            figures.bytes,
            percent(figures.eer),
            figures.ways,
            percent(figures.accuracy)
        )?;
    }
    operating_points(card, out)
}

fn quality(bounds: &Bounds, out: &mut impl Write) -> Result<()> {
    let percent = |share: u16| 100.0 * f64::from(share) / f64::from(u16::MAX);
    let sharpness = |value: u16| f64::from(value) / 256.0;
    writeln!(
        out,
        "enrolment takes pictures with contrast from {}, sharpness {:.2} to {:.2}, at most {:.1} % of pixels 0 and {:.1} % of them 255",
        bounds.least_contrast,
        sharpness(bounds.least_sharpness),
        sharpness(bounds.most_sharpness),
        percent(bounds.most_dark),
        percent(bounds.most_bright)
    )?;
    Ok(())
}

fn quantization(quantization: &Quantization, out: &mut impl Write) -> Result<()> {
    let chosen = &quantization.recipe;
    for tried in &quantization.tried {
        let mark = if tried.recipe == *chosen {
            ", taken"
        } else {
            ""
        };
        writeln!(
            out,
            "tried {}: mean cosine {:.5}{mark}",
            words(&tried.recipe),
            tried.mean_cosine
        )?;
    }
    writeln!(
        out,
        "quantized by {}; int8 against float embeddings of validation samples: mean cosine {:.5}, least {:.5}",
        words(chosen),
        quantization.mean_cosine,
        quantization.least_cosine
    )?;
    writeln!(
        out,
        "int8 against float values of {} training samples that were left out:",
        quantization.held_out_samples
    )?;
    let longest = quantization.layers.iter().map(|layer| layer.name.len());
    let width = longest.max().unwrap_or(0).max("layer".len());
    writeln!(out, "  {:<width$}  SQNR      cosine", "layer")?;
    for layer in &quantization.layers {
        writeln!(
            out,
            "  {:<width$}  {:>5.1} dB  {:.5}",
            layer.name, layer.sqnr_db, layer.cosine
        )?;
    }
    for sample in &quantization.worst {
        writeln!(
            out,
            "  sample {} of class {}: cosine {:.5}",
            sample.index, sample.class, sample.cosine
        )?;
    }
    Ok(())
}

fn words(recipe: &Recipe) -> String {
    let mut words = recipe.calibration.name().to_owned();
    if recipe.equalized {
        words += ", equalized channels";
    }
    if recipe.bias_corrected {
        words += ", corrected biases";
    }
    words
}

fn operating_points(card: &ModelCard, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "operating points (validation classes; upper ends of 95 % intervals in brackets):"
    )?;
    writeln!(
        out,
        "  shots  FAR aimed at  threshold  FAR               FRR"
    )?;
    for point in &card.operating_points {
        writeln!(
            out,
            "  {:>5}  {:>10.2} %  {:>9.4}  {:>5.2} % (< {:>5.2} %)  {:>5.2} % (< {:>5.2} %)",
            point.shots,
            100.0 * point.far_target,
            point.threshold,
            100.0 * point.far,
            100.0 * point.far_upper,
            100.0 * point.frr,
            100.0 * point.frr_upper
        )?;
    }
    Ok(())
}
