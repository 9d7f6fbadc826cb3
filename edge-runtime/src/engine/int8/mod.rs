//! The int8 engine: runs an artifact's plan with our kernels, weights in place.

#[cfg(feature = "std")]
pub mod packed;
#[cfg(feature = "segmentation")]
mod reference;
#[cfg(feature = "std")]
pub mod step;
pub mod stream;

use core::ops::Range;

use shared::ModelId;
use shared::artifact::plan::{Conv2d, section};
use shared::artifact::{Artifact, Contract, Step};
use shared::bytes::copy_front;
use shared::segmentation::References;

#[cfg(feature = "segmentation")]
use super::SegmentationEngine;
use super::{Engine, EngineError, Memory, check_arena, check_length};
use crate::kernels;
use crate::kernels::conv2d::Filters;

/// Runs the plan of `artifact` in `arena`, which may be borrowed or owned.
#[derive(Debug)]
pub struct Int8Engine<'a, A> {
    artifact: Artifact<'a>,
    arena: A,
}

impl<'a, A: AsMut<[u8]> + AsRef<[u8]>> Int8Engine<'a, A> {
    /// An engine that works in `arena`.
    ///
    /// # Errors
    /// [`EngineError::Length`] when the arena is smaller than the plan's.
    pub fn new(artifact: Artifact<'a>, arena: A) -> Result<Self, EngineError> {
        check_arena(&artifact, arena.as_ref().len())?;
        Ok(Self { artifact, arena })
    }

    /// The artifact it runs.
    pub fn artifact(&self) -> &Artifact<'a> {
        &self.artifact
    }
}

impl<'a, A: AsMut<[u8]> + AsRef<[u8]>> Engine for Int8Engine<'a, A> {
    fn model_id(&self) -> ModelId {
        self.artifact.model_id()
    }

    fn contract(&self) -> &Contract {
        self.artifact.contract()
    }

    fn memory(&mut self) -> Memory<'_> {
        memory(self.arena.as_mut(), self.artifact.plan().input().range())
    }

    fn run_in_place(&mut self, output: &mut [u8]) -> Result<(), EngineError> {
        self.run_all(References::default(), output)
    }
}

impl<A: AsMut<[u8]> + AsRef<[u8]>> Int8Engine<'_, A> {
    fn run_all(
        &mut self,
        references: References<'_>,
        output: &mut [u8],
    ) -> Result<(), EngineError> {
        let plan = self.artifact.plan();
        let arena = self.arena.as_mut();
        check_length("an output", plan.output().len(), output.len())?;
        for step in plan.steps() {
            let weights = self.artifact.weights();
            run_step(&step, weights, references, arena).ok_or(EngineError::Plan)?;
        }
        let result = arena.get(plan.output().range()).ok_or(EngineError::Plan)?;
        copy_front(output, result);
        Ok(())
    }
}

#[cfg(feature = "segmentation")]
impl<'a, A: AsMut<[u8]> + AsRef<[u8]>> SegmentationEngine for Int8Engine<'a, A> {
    fn reference_in_place(&mut self, mask: &[u8], record: &mut [i8]) -> Result<(), EngineError> {
        let (plan, arena) = (self.artifact.plan(), self.arena.as_mut());
        for step in plan.steps().take(plan.encoder_steps()) {
            let none = References::default();
            run_step(&step, self.artifact.weights(), none, arena).ok_or(EngineError::Plan)?;
        }
        reference::read(plan, arena, mask, record)
    }

    fn segment_in_place(
        &mut self,
        references: References<'_>,
        output: &mut [u8],
    ) -> Result<(), EngineError> {
        self.run_all(references, output)
    }
}

/// An arena between two runs: the place of the input, and what is longer of what lies before
/// it and what lies after it.
fn memory(arena: &mut [u8], input: Range<usize>) -> Memory<'_> {
    let (arena, after) = arena.split_at_mut_checked(input.end).unwrap_or_default();
    let (before, input) = arena.split_at_mut_checked(input.start).unwrap_or_default();
    let idle = if before.len() > after.len() {
        before
    } else {
        after
    };
    Memory { input, idle }
}

#[cfg_attr(not(feature = "segmentation"), allow(unused_variables))]
fn run_step(
    step: &Step,
    weights: &[u8],
    references: References<'_>,
    arena: &mut [u8],
) -> Option<()> {
    match step {
        Step::Conv2d(conv) => run_conv2d(conv, weights, arena),
        #[cfg(feature = "segmentation")]
        Step::Compare(compare) => {
            let (features, output) =
                split(arena, compare.features.range(), compare.output.range())?;
            kernels::compare::scalar::compare(compare, references, features, output);
            Some(())
        }
        step => run_small_step(step, weights, arena),
    }
}

// Two functions, of which neither's memory is a burden on the stack of the other.
#[inline(never)]
fn run_conv2d(conv: &Conv2d, weights: &[u8], arena: &mut [u8]) -> Option<()> {
    let filters = filters_and_more(weights, conv, conv.filter_len())?;
    let (input, output) = split(arena, conv.input.range(), conv.output.range())?;
    kernels::conv2d::conv2d(conv, &filters, input, output);
    Some(())
}

#[inline(never)]
fn run_small_step(step: &Step, weights: &[u8], arena: &mut [u8]) -> Option<()> {
    match step {
        // Run by themselves.
        Step::Conv2d(_) | Step::Compare(_) => return None,
        Step::DepthwiseConv2d(conv) => {
            let filters = filters_and_more(weights, conv, conv.taps())?;
            let (input, output) = split(arena, conv.input.range(), conv.output.range())?;
            kernels::depthwise_conv2d::depthwise_conv2d(conv, &filters, input, output);
        }
        Step::MaxPool(pool) => {
            let (input, output) = split(arena, pool.input.range(), pool.output.range())?;
            kernels::max_pool::native::max_pool(pool, input, output);
        }
        Step::Add(add) => {
            let (other, values) = split(arena, add.other.range(), add.place.range())?;
            kernels::add::native::add(add, values, other);
        }
        Step::Prelu(prelu) => {
            let length = 4 * usize::from(prelu.place.channels);
            let slopes = section(weights, prelu.slopes, length)?;
            let values = arena.get_mut(prelu.place.range())?;
            kernels::prelu::native::prelu(prelu, slopes, values);
        }
        Step::Copy(copy) => {
            let (input, output) = split(arena, copy.input.range(), copy.output.range())?;
            kernels::copy::scalar::copy(copy, input, output);
        }
        Step::Gru(gru) => {
            let ranges = [gru.input, gru.state, gru.output].map(|place| place.range());
            let [input, state, output] = arena.get_disjoint_mut(ranges).ok()?;
            kernels::gru::scalar::gru(gru, weights, input, state, output);
        }
        Step::SequenceMean(mean) => {
            let (input, output) = split(arena, mean.input.range(), mean.output.range())?;
            kernels::sequence_mean::scalar::sequence_mean(mean, input, output);
        }
        #[cfg(feature = "segmentation")]
        Step::UnitVectors(vectors) => {
            let values = arena.get_mut(vectors.place.range())?;
            kernels::unit_vectors::scalar::unit_vectors(vectors, values);
        }
        #[cfg(feature = "segmentation")]
        Step::Upsample(upsample) => {
            let (input, output) = split(arena, upsample.input.range(), upsample.output.range())?;
            kernels::upsample::scalar::upsample(upsample, input, output);
        }
        // Boards without it are not given such networks.
        #[cfg(not(feature = "segmentation"))]
        Step::UnitVectors(_) | Step::Upsample(_) => return None,
    }
    Some(())
}

/// The same, the weights with all that follows them, which kernels of boards may read past
/// the end of a filter.
fn filters_and_more<'a>(weights: &'a [u8], conv: &Conv2d, len: usize) -> Option<Filters<'a>> {
    Some(Filters {
        weights: weights.get(conv.weights as usize..)?,
        ..filters(weights, conv, len)?
    })
}

/// The constants of a convolution whose filters have `len` weights each.
fn filters<'a>(weights: &'a [u8], conv: &Conv2d, len: usize) -> Option<Filters<'a>> {
    let channels = usize::from(conv.output.channels);
    Some(Filters {
        weights: section(weights, conv.weights, len * channels)?,
        bias: section(weights, conv.bias, 4 * channels)?,
        multipliers: section(weights, conv.multipliers, 4 * channels)?,
    })
}

/// Two disjoint parts of the arena: one to read, one to write.
fn split(arena: &mut [u8], read: Range<usize>, write: Range<usize>) -> Option<(&[u8], &mut [u8])> {
    if read.end <= write.start {
        let (low, high) = arena.split_at_mut_checked(write.start)?;
        Some((low.get(read)?, high.get_mut(..write.end - write.start)?))
    } else {
        let (low, high) = arena.split_at_mut_checked(read.start)?;
        Some((high.get(..read.end - read.start)?, low.get_mut(write)?))
    }
}
