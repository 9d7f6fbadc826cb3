//! Gated recurrent units in integers; `shared/docs/int8-arithmetic.md` specifies them.

use anyhow::{Result, ensure};
use shared::artifact::plan::MAX_BIAS;
use shared::preprocess::Quantization;

use super::fused::FusedGru;

/// What a state's byte means.
pub const STATE: Quantization = Quantization {
    scale: 1.0 / 128.0,
    zero_point: 128,
};

/// Steps of a gate's input in 1.
const GATE_STEPS: f64 = 4096.0;

/// Steps of a multiplier in 1.
const MULTIPLIER_STEPS: f64 = (1 << 24) as f64;

/// Units of one direction, gates in the order reset, update, new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedGru {
    /// Of the inputs, then of the states.
    products: [Products; 2],
}

/// What bytes are multiplied with on their way to gates.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Products {
    /// `[3 units, columns]`, -127 to 127.
    weights: Vec<i8>,
    /// `[3 units]`; what zero points add to sums is in them.
    bias: Vec<i32>,
    /// `[3 units]`, in steps of 2^-24.
    multipliers: Vec<i32>,
}

impl QuantizedGru {
    /// Units over inputs whose bytes mean `input`.
    ///
    /// # Errors
    /// When a row of weights does not fit.
    pub(super) fn new(units: &FusedGru, input: Quantization) -> Result<Self> {
        Ok(Self {
            products: [
                Products::new(&units.input_weights, &units.input_bias, input)?,
                Products::new(&units.state_weights, &units.state_bias, STATE)?,
            ],
        })
    }

    /// Number of weights: multiply-accumulates of a step.
    pub fn weights(&self) -> usize {
        self.products.iter().map(|p| p.weights.len()).sum()
    }

    /// As they lie in an artifact.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![];
        for products in &self.products {
            bytes.extend(products.weights.iter().map(|weight| *weight as u8));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let [inputs, states] = &self.products;
        for row in 0..inputs.bias.len() {
            for products in [inputs, states] {
                bytes.extend(products.bias[row].to_le_bytes());
                bytes.extend(products.multipliers[row].to_le_bytes());
            }
        }
        bytes
    }
}

impl Products {
    fn new(weights: &[f32], bias: &[f32], input: Quantization) -> Result<Self> {
        let columns = weights.len() / bias.len();
        let mut products = Self {
            weights: vec![],
            bias: vec![],
            multipliers: vec![],
        };
        for (row, bias) in weights.chunks_exact(columns).zip(bias) {
            let largest = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
            let scale = f64::from(largest.max(1e-8)) / 127.0;
            let steps = row
                .iter()
                .map(|w| (f64::from(*w) / scale).round_ties_even());
            let steps: Vec<i8> = steps.map(|step| step.clamp(-127.0, 127.0) as i8).collect();
            let sum: i64 = steps.iter().map(|&step| i64::from(step)).sum();
            let zero = i64::from(input.zero_point) * sum;
            let step = f64::from(input.scale) * scale;
            let bias = (f64::from(*bias) / step).round_ties_even() - zero as f64;
            let limit = f64::from(MAX_BIAS);
            products.bias.push(bias.clamp(-limit, limit) as i32);
            products.multipliers.push(fixed_point(step * GATE_STEPS)?);
            products.weights.extend(steps);
        }
        Ok(products)
    }
}

/// A factor in steps of 2^-24.
///
/// # Errors
/// When it is too large for 32 bits.
pub fn fixed_point(factor: f64) -> Result<i32> {
    let steps = (factor * MULTIPLIER_STEPS).round_ties_even();
    ensure!(
        (0.0..=f64::from(i32::MAX)).contains(&steps),
        "expected a factor below 128, found {factor}: values are of too different scales"
    );
    Ok(steps as i32)
}
