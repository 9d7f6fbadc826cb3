//! Layers over sequences in libtorch.

use std::collections::BTreeMap;

use shared::preprocess::Quantization;
use tch::{Kind, Tensor};

use super::graph::{KEEPS, Layer, Node};

/// Which rows of `[n, channels, rows, 1]` are steps, `[n, rows]` of ones and zeros: those that
/// do not begin with what byte 0 stands for.
pub(super) fn steps(input: &Tensor, bytes: Quantization) -> Tensor {
    let least = (0.5 - f64::from(bytes.zero_point)) * f64::from(bytes.scale);
    let first = input.select(1, 0).select(-1, 0);
    first.gt(least).to_kind(input.kind())
}

/// Gated recurrent units over `[n, channels, rows, 1]`; zeros in rows that are no step. There
/// a further input keeps the state, so that a second direction begins at the last step.
pub(super) fn gru(
    node: &Node,
    input: &Tensor,
    steps: &Tensor,
    tensors: &BTreeMap<String, Tensor>,
) -> Tensor {
    let Layer::Gru {
        units,
        bidirectional,
    } = node.layer
    else {
        return input.shallow_clone();
    };
    let kind = (input.kind(), input.device());
    let units = units as i64;
    let gates = [0.0, f64::from(KEEPS), 0.0].map(|weight| Tensor::full([units, 1], weight, kind));
    let keeps = Tensor::cat(&gates, 0);
    let directions = if bidirectional { 2 } else { 1 };
    let mut parameters = vec![];
    for direction in &["", "_reverse"][..directions] {
        let parameter = |name: &str| {
            let name = format!("{}.{name}{direction}", node.name);
            tensors[&name].to_kind(input.kind())
        };
        parameters.push(Tensor::cat(&[&parameter("weight_ih"), &keeps], 1));
        parameters.extend(["weight_hh", "bias_ih", "bias_hh"].map(parameter));
    }
    let rows = input.squeeze_dim(-1).transpose(1, 2);
    let absent: Tensor = 1.0 - steps.unsqueeze(-1);
    let rows = Tensor::cat(&[&rows, &absent], -1);
    let state = Tensor::zeros([directions as i64, input.size()[0], units], kind);
    let (output, _) = rows.gru(
        &state,
        &parameters,
        true,
        1,
        0.0,
        false,
        bidirectional,
        true,
    );
    let output = output * steps.unsqueeze(-1);
    output.transpose(1, 2).unsqueeze(-1)
}

/// The mean over steps of `[n, channels, rows, 1]`, `[n, channels, 1, 1]`.
pub(super) fn mean(input: &Tensor, steps: &Tensor) -> Tensor {
    let count = steps.sum_dim_intlist(1, true, None::<Kind>).clamp_min(1.0);
    let sum = input
        .squeeze_dim(-1)
        .matmul(&steps.unsqueeze(-1))
        .squeeze_dim(-1);
    (sum / count).unsqueeze(-1).unsqueeze(-1)
}
