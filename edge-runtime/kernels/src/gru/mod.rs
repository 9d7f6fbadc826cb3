//! A recurrent layer over uint8 sequences, in integers throughout.

use shared::artifact::plan::Gru;

pub mod gates;
pub mod scalar;

/// The constants of one direction, as they lie in the artifact.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// int8 `[3, units, in channels]`, of the inputs.
    pub inputs: &'a [u8],
    /// int8 `[3, units, units]`, of the states.
    pub states: &'a [u8],
    /// Little-endian int32 `[3, units, 4]`: bias and multiplier of the inputs, of the states.
    pub constants: &'a [u8],
}

impl<'a> Weights<'a> {
    /// Those of a direction (0, 1) in the weights of a plan; nothing where they are not there.
    pub fn of(gru: &Gru, weights: &'a [u8], direction: usize) -> Option<Self> {
        let [inputs, states, constants] = gru.weights_len();
        let all = inputs.checked_add(states)?.checked_add(constants)?;
        let first = (gru.weights as usize).checked_add(direction.checked_mul(all)?)?;
        let (inputs, rest) = weights.get(first..)?.split_at_checked(inputs)?;
        let (states, rest) = rest.split_at_checked(states)?;
        Some(Self {
            inputs,
            states,
            constants: rest.get(..constants)?,
        })
    }
}
