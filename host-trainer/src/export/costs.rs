//! What a tower will cost on a device, known before it is trained: sizes do not depend
//! on weights.

use anyhow::Result;
use serde::Serialize;
use shared::preprocess::Quantization;

use super::plan::plan;
use crate::quantize::calibrate::Range;
use crate::quantize::fused::{FusedGraph, check_embedding};
use crate::quantize::int8::QuantizedGraph;
use crate::tower::parameters::{Initial, specifications};
use crate::tower::{Graph, Parameters, Tensor, Tower};

/// Costs on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// Multiply-accumulate operations of one embedding.
    pub macs: u64,
    /// Numbers that training finds.
    pub parameters: u64,
    /// Bytes of int8 filters, biases and all other constants: `model.bin` but for a few
    /// kilobytes.
    pub flash_bytes: u64,
    /// Bytes of activation memory.
    pub arena_bytes: u64,
    /// The most bytes of activations that live during one step, which no arena is shorter
    /// than.
    pub live_bytes: u64,
}

/// Plans a tower of made-up weights as export would.
///
/// # Errors
/// When the tower cannot be exported, whatever its weights will be.
pub fn costs(tower: &Tower) -> Result<Costs> {
    check_embedding(&FusedGraph::of(
        &tower.graph,
        tower.normalized,
        &weights(&tower.graph),
    )?)?;
    costs_of(&tower.graph)
}

/// The same of any network.
///
/// # Errors
/// As [`costs`].
pub fn costs_of(graph: &Graph) -> Result<Costs> {
    let specifications = specifications(graph);
    let trainable = specifications.iter().filter(|s| s.is_trainable());
    let parameters = trainable.map(|s| s.len() as u64).sum();
    let plan = plan(&made_up(graph)?)?;
    Ok(Costs {
        macs: plan.macs(),
        parameters,
        flash_bytes: plan.weights.len() as u64,
        arena_bytes: u64::from(plan.header.arena_len),
        live_bytes: plan.live_bytes as u64,
    })
}

/// A network with made-up weights and ranges, quantized.
///
/// # Errors
/// As [`costs`].
pub(super) fn made_up(graph: &Graph) -> Result<QuantizedGraph> {
    let fused = FusedGraph::of(graph, false, &weights(graph))?;
    let range = Range {
        least: -1.0,
        most: 1.0,
    };
    let input = Quantization {
        scale: 1.0 / 255.0,
        zero_point: 0,
    };
    QuantizedGraph::new(&fused, &vec![range; fused.values()], input)
}

/// Made-up weights.
fn weights(graph: &Graph) -> Parameters {
    specifications(graph)
        .into_iter()
        .map(|specification| {
            let value = match specification.initial {
                Initial::He { fan_in } => (2.0 / fan_in as f64).sqrt(),
                Initial::Constant(value) | Initial::Statistic(value) => value,
            };
            let tensor = Tensor {
                values: vec![value as f32; specification.len()],
                shape: specification.shape,
            };
            (specification.name, tensor)
        })
        .collect()
}
