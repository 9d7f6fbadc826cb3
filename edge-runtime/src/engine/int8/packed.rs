//! The int8 engine of Linux-class boards: weights packed for the vector instructions of the
//! processor when the model is loaded.

use core::ops::Range;
use std::vec;
use std::vec::Vec;

use shared::ModelId;
use shared::artifact::plan::section;
use shared::artifact::{Artifact, Contract, Step};

use super::{filters, run_step, split};
use crate::engine::{Engine, EngineError, check_length};
use crate::kernels::conv2d::packed::PackedConv2d;
use crate::kernels::depthwise_conv2d::packed::PackedDepthwiseConv2d;
use crate::kernels::{InstructionSet, add, max_pool, prelu};

/// Runs the plan of an artifact with vector instructions: the same bytes as
/// [`Int8Engine`](super::Int8Engine), sooner, for the memory of another copy of the weights.
#[derive(Debug)]
pub struct PackedInt8Engine<'a> {
    artifact: Artifact<'a>,
    set: InstructionSet,
    steps: Vec<PackedStep>,
    arena: Vec<u8>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum PackedStep {
    Conv2d {
        packed: PackedConv2d,
        input: Range<usize>,
        output: Range<usize>,
    },
    DepthwiseConv2d {
        packed: PackedDepthwiseConv2d,
        input: Range<usize>,
        output: Range<usize>,
    },
    /// One that needs no packing, or cannot be packed.
    Plain(Step),
}

impl<'a> PackedInt8Engine<'a> {
    /// Packs the artifact's weights for `set`; an instruction set that the processor does
    /// not have computes as the scalar one.
    ///
    /// # Errors
    /// [`EngineError::Plan`], which parsing an artifact excludes.
    pub fn new(artifact: Artifact<'a>, set: InstructionSet) -> Result<Self, EngineError> {
        let weights = artifact.weights();
        let steps = artifact.plan().steps();
        let steps = steps.map(|step| PackedStep::new(step, set, weights));
        let steps: Vec<PackedStep> = steps.collect::<Option<_>>().ok_or(EngineError::Plan)?;
        let scratch = steps.iter().map(PackedStep::scratch_len).max();
        Ok(Self {
            arena: vec![0; artifact.plan().arena_len()],
            scratch: vec![0; scratch.unwrap_or(0)],
            artifact,
            set,
            steps,
        })
    }

    /// The instructions that it was packed for.
    pub fn instruction_set(&self) -> InstructionSet {
        self.set
    }
}

impl Engine for PackedInt8Engine<'_> {
    fn model_id(&self) -> ModelId {
        self.artifact.model_id()
    }

    fn contract(&self) -> &Contract {
        self.artifact.contract()
    }

    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), EngineError> {
        let plan = self.artifact.plan();
        let [from, to] = [plan.input(), plan.output()];
        check_length("an input", from.len(), input.len())?;
        check_length("an output", to.len(), output.len())?;
        let place = self.arena.get_mut(from.range()).ok_or(EngineError::Plan)?;
        place.copy_from_slice(input);
        let weights = self.artifact.weights();
        for step in &self.steps {
            step.run(self.set, weights, &mut self.arena, &mut self.scratch)
                .ok_or(EngineError::Plan)?;
        }
        let embedding = self.arena.get(to.range()).ok_or(EngineError::Plan)?;
        output.copy_from_slice(embedding);
        Ok(())
    }
}

impl PackedStep {
    fn new(step: Step, set: InstructionSet, weights: &[u8]) -> Option<Self> {
        let packed = match &step {
            Step::Conv2d(conv) => {
                let filters = filters(weights, conv, conv.filter_len())?;
                let packed = PackedConv2d::new(set, conv, &filters);
                packed.map(|packed| Self::Conv2d {
                    packed,
                    input: conv.input.range(),
                    output: conv.output.range(),
                })
            }
            Step::DepthwiseConv2d(conv) => {
                let filters = filters(weights, conv, conv.taps())?;
                let packed = PackedDepthwiseConv2d::new(set, conv, &filters);
                packed.map(|packed| Self::DepthwiseConv2d {
                    packed,
                    input: conv.input.range(),
                    output: conv.output.range(),
                })
            }
            _ => None,
        };
        Some(packed.unwrap_or(Self::Plain(step)))
    }

    fn scratch_len(&self) -> usize {
        match self {
            Self::Conv2d { packed, .. } => packed.scratch_len(),
            Self::DepthwiseConv2d { packed, .. } => packed.scratch_len(),
            Self::Plain(_) => 0,
        }
    }

    fn run(
        &self,
        set: InstructionSet,
        weights: &[u8],
        arena: &mut [u8],
        scratch: &mut [u8],
    ) -> Option<()> {
        match self {
            Self::Conv2d {
                packed,
                input,
                output,
            } => {
                let (input, output) = split(arena, input.clone(), output.clone())?;
                packed.run(input, output, scratch);
            }
            Self::DepthwiseConv2d {
                packed,
                input,
                output,
            } => {
                let (input, output) = split(arena, input.clone(), output.clone())?;
                packed.run(input, output, scratch);
            }
            Self::Plain(Step::Add(step)) => {
                let (other, values) = split(arena, step.other.range(), step.place.range())?;
                add::add(set, step, values, other);
            }
            Self::Plain(Step::MaxPool(step)) => {
                let (input, output) = split(arena, step.input.range(), step.output.range())?;
                max_pool::max_pool(set, step, input, output);
            }
            Self::Plain(Step::Prelu(step)) => {
                let length = 4 * usize::from(step.place.channels);
                let slopes = section(weights, step.slopes, length)?;
                prelu::prelu(set, step, slopes, arena.get_mut(step.place.range())?);
            }
            Self::Plain(step) => run_step(step, weights, arena)?,
        }
        Some(())
    }
}
