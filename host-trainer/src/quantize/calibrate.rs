//! Which real numbers occur where: the ranges that int8 must cover.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tract_onnx::prelude::*;

use super::fused::FusedGraph;
use crate::dataset::Tensors;
use crate::export::onnx::{encode, float, layer};

/// The smallest and the largest number that a value took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// At most 0.
    pub least: f32,
    /// At least 0.
    pub most: f32,
}

/// Runs the real-numbered tower on `samples`: the range of every value, each
/// widened to hold zero, which must have an exact quantized counterpart.
///
/// # Errors
/// When there are no samples or the tower cannot be run.
pub fn ranges(fused: &FusedGraph, samples: &Tensors) -> Result<Vec<Range>> {
    ensure!(
        !samples.is_empty(),
        "expected samples to calibrate with, found none: the training part of the data set is empty"
    );
    let preprocess = &samples.preprocess;
    let model = float(fused, preprocess, &[]);
    let plan = plan(&encode(&model), fused)
        .map_err(|error| anyhow::anyhow!("{error:#}"))
        .context("the float tower does not load for calibration")?;
    let shape = [
        1,
        1,
        usize::from(preprocess.height),
        usize::from(preprocess.width),
    ];
    let mut ranges = vec![
        Range {
            least: 0.0,
            most: 0.0
        };
        fused.values()
    ];
    for index in 0..samples.len() {
        let outputs = Tensor::from_shape(&shape, samples.sample(index))
            .and_then(|input| plan.run(tvec!(input.into_tvalue())))
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the float tower does not run for calibration")?;
        for (range, output) in ranges.iter_mut().skip(1).zip(&outputs) {
            let values = output
                .try_as_plain_ram()
                .and_then(|plain| plain.as_slice::<f32>());
            let values = values.map_err(|error| anyhow::anyhow!("{error:#}"))?;
            range.least = values.iter().copied().fold(range.least, f32::min);
            range.most = values.iter().copied().fold(range.most, f32::max);
        }
    }
    let scale = preprocess.quantization.scale;
    let zero_point = f32::from(preprocess.quantization.zero_point);
    ranges[0] = Range {
        least: -zero_point * scale,
        most: (255.0 - zero_point) * scale,
    };
    Ok(ranges)
}

/// The tower with the output of every node in reach.
fn plan(model: &[u8], fused: &FusedGraph) -> TractResult<Arc<TypedRunnableModel>> {
    let mut model = onnx().model_for_read(&mut &model[..])?;
    let shape = [1, 1, fused.input.height, fused.input.width];
    model.set_input_fact(0, u8::fact(shape).into())?;
    model.select_outputs_by_name(fused.nodes.iter().map(|node| layer(&node.name)))?;
    model.into_optimized()?.into_runnable()
}
