//! The int8 engine one step of a sequence at a time, as a pen moves on: states and sums stay,
//! no event and no step does. The same bytes as over the whole sequence.

use shared::artifact::plan::{Gru, SequenceMean};
use shared::artifact::{Artifact, Step};
use shared::bytes::copy_front;
use shared::segmentation::References;

use super::run_step;
use crate::engine::{EngineError, check_length};
use crate::kernels::gru::{Weights, scalar};
use crate::kernels::sequence_mean::scalar::{centred, of_sum};

/// Runs a plan that begins with recurrent layers which only look back, and the mean over
/// their steps, in `memory`, which may be borrowed or owned.
///
/// ```text
/// memory: states of the layers | two rows | a sum for each channel | arena of what follows
/// ```
#[derive(Debug)]
pub struct StreamEngine<'a, A> {
    artifact: Artifact<'a>,
    memory: A,
    layout: Layout,
    /// So far.
    steps: u16,
}

/// Bytes of the parts of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    states: usize,
    row: usize,
    sums: usize,
    arena: usize,
}

impl Layout {
    fn len(&self) -> usize {
        self.states + 2 * self.row + self.sums + self.arena
    }

    /// That of a plan; nothing where it needs more than one step at a time.
    fn of(artifact: &Artifact<'_>) -> Option<Self> {
        let plan = artifact.plan();
        let mut layout = Self {
            states: 0,
            row: usize::from(plan.input().channels),
            sums: 0,
            arena: 0,
        };
        let mut sequence = plan.input();
        let mut mean = None;
        for step in plan.steps() {
            match (&step, mean) {
                (Step::Gru(gru), None) if gru.input == sequence && !gru.bidirectional => {
                    layout.states += gru.state.len();
                    layout.row = layout.row.max(gru.output.channels.into());
                    sequence = gru.output;
                }
                (Step::SequenceMean(step), None) if step.input == sequence => {
                    layout.sums = 4 * usize::from(step.input.channels);
                    mean = Some(step.output);
                }
                // Sequences are as high as the input; what follows the mean is not.
                (step, Some(_)) if step.reads().all(|place| place.height < sequence.height) => {}
                _ => return None,
            }
            if mean.is_some() {
                layout.arena = layout.arena.max(step.writes().range().end);
            }
        }
        mean.map(|_| layout)
    }
}

impl<'a, A: AsMut<[u8]> + AsRef<[u8]>> StreamEngine<'a, A> {
    /// Bytes of memory that a model needs; nothing where it cannot be run so.
    pub fn memory_len(artifact: &Artifact<'_>) -> Option<usize> {
        Layout::of(artifact).map(|layout| layout.len())
    }

    /// An engine that works in `memory`, at the beginning of a sequence.
    ///
    /// # Errors
    /// [`EngineError::Plan`] when the plan looks ahead, [`EngineError::Length`] when the memory
    /// is smaller than [`memory_len`](Self::memory_len).
    pub fn new(artifact: Artifact<'a>, memory: A) -> Result<Self, EngineError> {
        let layout = Layout::of(&artifact).ok_or(EngineError::Plan)?;
        if memory.as_ref().len() < layout.len() {
            return Err(EngineError::Length {
                what: "memory",
                expected: layout.len(),
                found: memory.as_ref().len(),
            });
        }
        let mut engine = Self {
            artifact,
            memory,
            layout,
            steps: 0,
        };
        engine.begin();
        Ok(engine)
    }

    /// The artifact it runs.
    pub fn artifact(&self) -> &Artifact<'a> {
        &self.artifact
    }

    /// Forgets all steps.
    pub fn begin(&mut self) {
        self.steps = 0;
        let [states, _, sums, _] = parts(self.memory.as_mut(), &self.layout);
        sums.fill(0);
        let mut rest = states;
        for gru in grus(&self.artifact) {
            let (state, after) = rest
                .split_at_mut_checked(gru.state.len())
                .unwrap_or_default();
            scalar::begin(state);
            rest = after;
        }
    }

    /// Takes the next step, a row of features. One that begins with byte 0 is none, and of
    /// steps that a whole sequence has no room for none counts.
    ///
    /// # Errors
    /// [`EngineError::Length`] for a row of another length.
    pub fn step(&mut self, row: &[u8]) -> Result<(), EngineError> {
        let input = self.artifact.plan().input();
        check_length("a step", input.channels.into(), row.len())?;
        if row.first() == Some(&0) || self.steps >= input.height {
            return Ok(());
        }
        self.steps += 1;
        let [states, rows, sums, _] = parts(self.memory.as_mut(), &self.layout);
        let (mut from, mut to) = rows
            .split_at_mut_checked(self.layout.row)
            .unwrap_or_default();
        copy_front(from, row);
        let mut rest = states;
        for gru in grus(&self.artifact) {
            let weights = Weights::of(&gru, self.artifact.weights(), 0).ok_or(EngineError::Plan)?;
            let (state, after) = rest
                .split_at_mut_checked(gru.state.len())
                .unwrap_or_default();
            scalar::step(&gru, &weights, from, state, to);
            rest = after;
            core::mem::swap(&mut from, &mut to);
        }
        let mean = mean(&self.artifact).ok_or(EngineError::Plan)?;
        for (sum, value) in sums.as_chunks_mut::<4>().0.iter_mut().zip(&*from) {
            let more = i32::from_le_bytes(*sum).wrapping_add(centred(&mean, *value));
            *sum = more.to_le_bytes();
        }
        Ok(())
    }

    /// The raw embedding of the steps so far, which stay: more may follow.
    ///
    /// # Errors
    /// [`EngineError::Length`] for an output of another length.
    pub fn finish(&mut self, output: &mut [u8]) -> Result<(), EngineError> {
        let to = self.artifact.plan().output();
        check_length("an output", to.len(), output.len())?;
        let [_, _, sums, arena] = parts(self.memory.as_mut(), &self.layout);
        let mean = mean(&self.artifact).ok_or(EngineError::Plan)?;
        let place = arena
            .get_mut(mean.output.range())
            .ok_or(EngineError::Plan)?;
        for (value, sum) in place.iter_mut().zip(sums.as_chunks::<4>().0) {
            *value = of_sum(&mean, i32::from_le_bytes(*sum), self.steps.into());
        }
        let steps = self.artifact.plan().steps();
        let is_mean = |step: &Step| matches!(step, Step::SequenceMean(_));
        for step in steps.skip_while(|step| !is_mean(step)).skip(1) {
            let none = References::default();
            run_step(&step, self.artifact.weights(), none, arena).ok_or(EngineError::Plan)?;
        }
        copy_front(output, arena.get(to.range()).ok_or(EngineError::Plan)?);
        Ok(())
    }
}

/// The recurrent layers of a plan.
fn grus(artifact: &Artifact<'_>) -> impl Iterator<Item = Gru> {
    artifact.plan().steps().filter_map(|step| match step {
        Step::Gru(gru) => Some(gru),
        _ => None,
    })
}

fn mean(artifact: &Artifact<'_>) -> Option<SequenceMean> {
    artifact.plan().steps().find_map(|step| match step {
        Step::SequenceMean(mean) => Some(mean),
        _ => None,
    })
}

/// States, rows, sums and arena.
fn parts<'m>(memory: &'m mut [u8], layout: &Layout) -> [&'m mut [u8]; 4] {
    let (states, rest) = memory
        .split_at_mut_checked(layout.states)
        .unwrap_or_default();
    let (rows, rest) = rest
        .split_at_mut_checked(2 * layout.row)
        .unwrap_or_default();
    let (sums, arena) = rest.split_at_mut_checked(layout.sums).unwrap_or_default();
    [states, rows, sums, arena]
}
