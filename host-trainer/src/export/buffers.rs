//! Which values of a program share memory, and where it lies.

use anyhow::{Context, Result};

use super::arena::{self, Lifetime, Placement};
use super::program::{Operation, Part, Program, ProgramStep};
use crate::quantize::int8::{QuantizedGraph, QuantizedLayer};

/// For each step the input whose memory it overwrites with its output, if it works in
/// place.
pub(super) type Overwritten = Vec<Option<usize>>;

/// Memory of all values: a step that works in place gives its output the buffer of its
/// input.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    /// What the steps overwrite.
    pub(super) overwritten: Overwritten,
    /// The buffer of each value.
    of_values: Vec<usize>,
    /// What each buffer needs.
    pub(super) lifetimes: Vec<Lifetime>,
    /// Where each buffer lies.
    pub(super) placement: Placement,
}

impl Buffers {
    /// Plans values with these lifetimes, the input first; of two ways to work in
    /// place by the one with the shortest arena.
    pub(super) fn plan(values: &[Lifetime], ways: [Overwritten; 2]) -> Self {
        let [first, second] = ways.map(|way| Self::new(values, way));
        match second.placement.peak < first.placement.peak {
            true => second,
            false => first,
        }
    }

    fn new(values: &[Lifetime], overwritten: Overwritten) -> Self {
        let mut of_values: Vec<usize> = vec![];
        let mut lifetimes: Vec<Lifetime> = vec![];
        let no_step = std::iter::once(&None);
        for (value, overwritten) in values.iter().zip(no_step.chain(&overwritten)) {
            let buffer = match *overwritten {
                Some(input) => of_values[input],
                None => {
                    lifetimes.push(*value);
                    lifetimes.len() - 1
                }
            };
            let shared = &mut lifetimes[buffer];
            shared.len = shared.len.max(value.len);
            shared.last = value.last;
            of_values.push(buffer);
        }
        Self {
            placement: arena::plan(&lifetimes),
            overwritten,
            of_values,
            lifetimes,
        }
    }

    /// First byte of a value in the arena.
    pub(super) fn offset(&self, value: usize) -> usize {
        self.placement.offsets[self.of_values[value]]
    }
}

/// What each value needs if no step works in place. Value n + 1 is written by step n; the
/// input is there before step 0, the embedding outlives the last.
pub(super) fn lifetimes(program: &Program) -> Vec<Lifetime> {
    let lifetime = |(value, part): (usize, &Part)| Lifetime {
        len: part.shape.len(),
        first: value.saturating_sub(1),
        last: last_reader(program, value),
    };
    program.values.iter().enumerate().map(lifetime).collect()
}

/// Two ways to work in place: of a sum whose inputs can both be overwritten, the first one
/// is, or the second one, which is often a shortcut that then stays where it is through a
/// whole stage.
///
/// # Errors
/// When a later layer still reads what would have to be overwritten.
pub(super) fn overwritten(graph: &QuantizedGraph, program: &Program) -> Result<[Overwritten; 2]> {
    let way = |last_first| -> Result<Overwritten> {
        let steps = 0..program.steps.len();
        let inputs = steps.map(|step| in_place(graph, program, step, last_first));
        inputs.collect()
    };
    Ok([way(false)?, way(true)?])
}

/// The input that a step overwrites: the first, or the last, that no later step reads; of a
/// copy into a map that map.
fn in_place(
    graph: &QuantizedGraph,
    program: &Program,
    step: usize,
    last_first: bool,
) -> Result<Option<usize>> {
    let ProgramStep { operation, inputs } = &program.steps[step];
    let node = match *operation {
        Operation::Copy { .. } => return Ok(inputs.get(1).copied()),
        Operation::Node { node, .. } => &graph.nodes[node],
    };
    let mut inputs = match node.layer {
        QuantizedLayer::Conv2d(_)
        | QuantizedLayer::MaxPool { .. }
        | QuantizedLayer::Gru(_)
        | QuantizedLayer::SequenceMean
        | QuantizedLayer::Upsample
        | QuantizedLayer::Compare { .. } => return Ok(None),
        QuantizedLayer::Add | QuantizedLayer::Prelu { .. } | QuantizedLayer::UnitVectors => {
            inputs.clone()
        }
    };
    inputs.retain(|&input| last_reader(program, input) == step);
    let input = match last_first {
        true => inputs.last(),
        false => inputs.first(),
    };
    let input = input.with_context(|| {
        format!(
            "layer {} works in place: expected an input that no later layer reads, found none: let the others read its output",
            node.name
        )
    });
    Ok(Some(*input?))
}

/// The last step that reads a value; the embedding is read after all steps.
fn last_reader(program: &Program, value: usize) -> usize {
    let mut steps = program.steps.iter();
    let last = steps.rposition(|step| step.inputs.contains(&value));
    last.unwrap_or(program.steps.len())
}
