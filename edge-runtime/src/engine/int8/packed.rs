//! The int8 engine of Linux-class boards: weights packed for the vector instructions of the
//! processor when the model is loaded.

use std::vec;
use std::vec::Vec;

use shared::ModelId;
use shared::artifact::{Artifact, Contract, Step};
use shared::segmentation::References;

use super::step::PackedStep;
use super::{memory, reference, split};
use crate::engine::{Engine, EngineError, Memory, SegmentationEngine, check_length};
use crate::kernels::{InstructionSet, compare};

/// Packed weights may take so many times what the stored ones do, and the margin: filters
/// as 16 bits take twice, and few channels fill up a register.
const PACKED_BY_STORED: usize = 4;
const PACKED_MARGIN: usize = 4 << 20;

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

impl<'a> PackedInt8Engine<'a> {
    /// Packs the artifact's weights for `set`; an instruction set that the processor does
    /// not have computes as the scalar one.
    ///
    /// # Errors
    /// [`EngineError::Plan`], which parsing an artifact excludes.
    pub fn new(artifact: Artifact<'a>, set: InstructionSet) -> Result<Self, EngineError> {
        let weights = artifact.weights();
        let steps = artifact.plan().steps();
        // Steps may share weights, each of them packing its own copy.
        let mut room = PACKED_BY_STORED * weights.len() + PACKED_MARGIN;
        let steps = steps.map(|step| {
            let packed = PackedStep::new(step, set, weights)?;
            Some(match room.checked_sub(packed.packed_len()) {
                Some(left) => {
                    room = left;
                    packed
                }
                None => PackedStep::in_place(step, set),
            })
        });
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

    /// Bytes of packed weights, beside those of the artifact.
    pub fn packed_len(&self) -> usize {
        self.steps.iter().map(PackedStep::packed_len).sum()
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

    fn memory(&mut self) -> Memory<'_> {
        memory(&mut self.arena, self.artifact.plan().input().range())
    }

    fn run_in_place(&mut self, output: &mut [u8]) -> Result<(), EngineError> {
        self.segment_in_place(References::default(), output)
    }
}

impl SegmentationEngine for PackedInt8Engine<'_> {
    fn reference_in_place(&mut self, mask: &[u8], record: &mut [i8]) -> Result<(), EngineError> {
        let encoder = self.artifact.plan().encoder_steps();
        self.run_steps(encoder, References::default())?;
        reference::read(self.artifact.plan(), &self.arena, mask, record)
    }

    fn segment_in_place(
        &mut self,
        references: References<'_>,
        output: &mut [u8],
    ) -> Result<(), EngineError> {
        let to = self.artifact.plan().output();
        check_length("an output", to.len(), output.len())?;
        self.run_steps(self.steps.len(), references)?;
        let result = self.arena.get(to.range()).ok_or(EngineError::Plan)?;
        output.copy_from_slice(result);
        Ok(())
    }
}

impl PackedInt8Engine<'_> {
    /// Runs the first steps.
    fn run_steps(&mut self, steps: usize, references: References<'_>) -> Result<(), EngineError> {
        let weights = self.artifact.weights();
        for step in self.steps.iter().take(steps) {
            let arena = &mut self.arena;
            run(step, weights, references, arena, &mut self.scratch).ok_or(EngineError::Plan)?;
        }
        Ok(())
    }
}

/// Runs a step between its places in the arena.
fn run(
    step: &PackedStep,
    weights: &[u8],
    references: References<'_>,
    arena: &mut [u8],
    scratch: &mut [u8],
) -> Option<()> {
    let (read, write) = match step.step() {
        Step::Compare(step) => {
            let (features, output) = split(arena, step.features.range(), step.output.range())?;
            compare::scalar::compare(step, references, features, output);
            return Some(());
        }
        Step::UnitVectors(vectors) => {
            let values = arena.get_mut(vectors.place.range())?;
            return step.compute(weights, &[], values, scratch);
        }
        Step::Upsample(upsample) => (upsample.input, upsample.output),
        Step::Conv2d(conv) | Step::DepthwiseConv2d(conv) => (conv.input, conv.output),
        Step::MaxPool(pool) => (pool.input, pool.output),
        Step::Add(add) => (add.other, add.place),
        Step::Copy(copy) => (copy.input, copy.output),
        Step::Gru(gru) => (gru.input, gru.output),
        Step::SequenceMean(mean) => (mean.input, mean.output),
        Step::Prelu(prelu) => {
            return step.compute(weights, &[], arena.get_mut(prelu.place.range())?, scratch);
        }
    };
    let (input, output) = split(arena, read.range(), write.range())?;
    step.compute(weights, input, output, scratch)
}
