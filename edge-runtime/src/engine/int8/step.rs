//! One step by itself, its weights packed.

use shared::artifact::Step;
use shared::artifact::plan::section;

use super::filters;
use crate::kernels::conv2d::packed::PackedConv2d;
use crate::kernels::depthwise_conv2d::packed::PackedDepthwiseConv2d;
use crate::kernels::{
    InstructionSet, add, conv2d, copy, depthwise_conv2d, gru, max_pool, prelu, sequence_mean,
    unit_vectors, upsample,
};

/// A step that was packed for an instruction set.
#[derive(Clone, Debug)]
pub struct PackedStep {
    step: Step,
    set: InstructionSet,
    packed: Packed,
}

#[derive(Clone, Debug)]
enum Packed {
    Conv2d(PackedConv2d),
    DepthwiseConv2d(PackedDepthwiseConv2d),
    /// One that needs no packing, or cannot be packed.
    Nothing,
}

impl PackedStep {
    /// Packs a step; none where its weights are not there.
    pub fn new(step: Step, set: InstructionSet, weights: &[u8]) -> Option<Self> {
        let packed = match &step {
            Step::Conv2d(conv) => {
                let filters = filters(weights, conv, conv.filter_len())?;
                PackedConv2d::new(set, conv, &filters).map(Packed::Conv2d)
            }
            Step::DepthwiseConv2d(conv) => {
                let filters = filters(weights, conv, conv.taps())?;
                PackedDepthwiseConv2d::new(set, conv, &filters).map(Packed::DepthwiseConv2d)
            }
            Step::MaxPool(_)
            | Step::Add(_)
            | Step::Prelu(_)
            | Step::Copy(_)
            | Step::Gru(_)
            | Step::SequenceMean(_)
            | Step::UnitVectors(_)
            | Step::Upsample(_)
            | Step::Compare(_) => None,
        };
        Some(Self {
            step,
            set,
            packed: packed.unwrap_or(Packed::Nothing),
        })
    }

    /// A step that computes with weights where they lie.
    pub(super) fn in_place(step: Step, set: InstructionSet) -> Self {
        Self {
            step,
            set,
            packed: Packed::Nothing,
        }
    }

    /// Bytes of packed weights.
    pub fn packed_len(&self) -> usize {
        match &self.packed {
            Packed::Conv2d(packed) => packed.packed_len(),
            Packed::DepthwiseConv2d(packed) => packed.packed_len(),
            Packed::Nothing => 0,
        }
    }

    pub(super) fn step(&self) -> &Step {
        &self.step
    }

    /// Bytes of scratch memory that computing it needs.
    pub fn scratch_len(&self) -> usize {
        match &self.packed {
            Packed::Conv2d(packed) => packed.scratch_len(),
            Packed::DepthwiseConv2d(packed) => packed.scratch_len(),
            Packed::Nothing => match &self.step {
                Step::Gru(gru) => gru.state.len(),
                _ => 0,
            },
        }
    }

    /// Computes the step; nothing where `weights` are too few, nor of a comparison, which asks
    /// for references. `input` is the place that it
    /// reads; of a sum the other addend; of a PReLU and unit vectors nothing. `output` is the
    /// place that it writes; sums, PReLU, unit vectors and copies find in it what they overwrite or leave. `weights` are
    /// those that it was packed from.
    ///
    /// # Panics
    /// Where a buffer is not of the size that the step states.
    pub fn compute(
        &self,
        weights: &[u8],
        input: &[u8],
        output: &mut [u8],
        scratch: &mut [u8],
    ) -> Option<()> {
        match (&self.packed, &self.step) {
            (Packed::Conv2d(packed), _) => packed.run(input, output, scratch),
            (Packed::DepthwiseConv2d(packed), _) => packed.run(input, output, scratch),
            (Packed::Nothing, Step::Conv2d(conv)) => {
                let filters = filters(weights, conv, conv.filter_len())?;
                conv2d::scalar::conv2d(conv, &filters, input, output);
            }
            (Packed::Nothing, Step::DepthwiseConv2d(conv)) => {
                let filters = filters(weights, conv, conv.taps())?;
                depthwise_conv2d::scalar::depthwise_conv2d(conv, &filters, input, output);
            }
            (Packed::Nothing, Step::MaxPool(step)) => {
                max_pool::max_pool(self.set, step, input, output);
            }
            (Packed::Nothing, Step::Add(step)) => add::add(self.set, step, output, input),
            (Packed::Nothing, Step::Copy(step)) => copy::scalar::copy(step, input, output),
            (Packed::Nothing, Step::Gru(step)) => {
                let state = scratch.get_mut(..step.state.len())?;
                gru::scalar::gru(step, weights, input, state, output);
            }
            (Packed::Nothing, Step::SequenceMean(step)) => {
                sequence_mean::scalar::sequence_mean(step, input, output);
            }
            (Packed::Nothing, Step::UnitVectors(step)) => {
                unit_vectors::scalar::unit_vectors(step, output);
            }
            (Packed::Nothing, Step::Upsample(step)) => {
                upsample::scalar::upsample(step, input, output);
            }
            (Packed::Nothing, Step::Compare(_)) => return None,
            (Packed::Nothing, Step::Prelu(step)) => {
                let length = 4 * usize::from(step.place.channels);
                let slopes = section(weights, step.slopes, length)?;
                prelu::prelu(self.set, step, slopes, output);
            }
        }
        Some(())
    }
}
