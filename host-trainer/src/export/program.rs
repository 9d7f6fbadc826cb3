//! What a device computes, step by step: a graph's nodes over whole maps, or the first of
//! them patch by patch.
//!
//! Of the largest maps, which the first nodes write, only a patch is in memory at a time, and
//! what neighbouring patches both need is computed twice (Lin et al., "MCUNetV2:
//! memory-efficient patch-based inference for tiny deep learning", 2021, section 3). Every
//! number is the same as over whole maps.

use std::ops::Range;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::quantize::ValueId;
use crate::quantize::gru::QuantizedGru;
use crate::quantize::int8::{QuantizedGraph, QuantizedLayer, QuantizedNode};
use crate::tower::Shape;

/// Which nodes run patch by patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patches {
    /// The first so many nodes of the graph.
    pub nodes: usize,
    /// Rows and columns of patches that make up the map which the last of them writes.
    pub grid: [usize; 2],
}

/// Steps, each of which makes one value of earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The input, and what each step makes.
    pub(super) values: Vec<Part>,
    /// The steps, in order.
    pub(super) steps: Vec<ProgramStep>,
}

/// A value of the graph, or a rectangle of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Which value.
    pub(super) value: ValueId,
    /// Its own shape.
    pub(super) shape: Shape,
}

/// What a step does with which values, counted through the program.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProgramStep {
    pub(super) operation: Operation,
    pub(super) inputs: Vec<usize>,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A node of the graph, with so much padding before its input.
    Node { node: usize, padding: [usize; 2] },
    /// Copies a rectangle of the first input to a place in the second one, or in a new map.
    Copy {
        from: [usize; 2],
        to: [usize; 2],
        size: [usize; 2],
    },
}

/// Part of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

/// How a layer's windows lie over its input: kernel, stride, padding.
type Windows = [[usize; 2]; 3];

impl Program {
    /// Every node over whole maps.
    pub fn whole(graph: &QuantizedGraph) -> Self {
        let mut program = Self::new(graph);
        for node in 0..graph.nodes.len() {
            let padding = windows(&graph.nodes[node].layer).map_or([0, 0], |[.., p]| p);
            let inputs = graph.nodes[node].inputs.clone();
            let shape = graph.nodes[node].shape;
            program.push_node(node, padding, inputs, shape);
        }
        program
    }

    /// The first nodes patch by patch, the others over whole maps.
    ///
    /// # Errors
    /// When the network reads sequences, there are no nodes before or after the patches, a later node reads another map
    /// than the one they make up, or the grid is finer than that map.
    pub fn patched(graph: &QuantizedGraph, patches: Patches) -> Result<Self> {
        let Patches { nodes: split, grid } = patches;
        let nodes = graph.nodes.len();
        ensure!(
            (1..nodes).contains(&split),
            "expected 1 to {} nodes in patches, found {split}",
            nodes.saturating_sub(1)
        );
        ensure!(
            !graph.is_recurrent(),
            "expected a network over pictures to run in patches, found one over sequences"
        );
        let grows = |node: &QuantizedNode| matches!(node.layer, QuantizedLayer::Upsample);
        ensure!(
            !graph.nodes[..split].iter().any(grows),
            "expected layers before the first map that grows to run in patches, found such a one"
        );
        let later = graph.nodes[split..].iter().flat_map(|node| &node.inputs);
        ensure!(
            later.min() >= Some(&split),
            "expected patches up to where only one map is read later, found more after {split} nodes: end them with a block"
        );
        let map = graph.shape(split);
        let Shape { height, width, .. } = map;
        ensure!(
            (1..=height).contains(&grid[0]) && (1..=width).contains(&grid[1]),
            "expected a grid of 1 x 1 to {height} x {width} patches, found {} x {}",
            grid[0],
            grid[1]
        );
        let mut program = Self::new(graph);
        let mut made: Option<usize> = None;
        for cell in cells(height, width, grid) {
            let patch = program.push_patch(graph, split, &cell);
            let copy = Operation::Copy {
                from: [0, 0],
                to: [cell.rows.start, cell.columns.start],
                size: [cell.rows.len(), cell.columns.len()],
            };
            let inputs = [patch].into_iter().chain(made).collect();
            made = Some(program.push(copy, inputs, split, map));
        }
        // From here on as it is, under the numbers that values have now.
        let mut now: Vec<usize> = vec![0; split];
        now.extend(made);
        for node in split..nodes {
            let padding = windows(&graph.nodes[node].layer).map_or([0, 0], |[.., p]| p);
            let inputs = graph.nodes[node].inputs.iter().map(|&v| now[v]).collect();
            let value = program.push_node(node, padding, inputs, graph.nodes[node].shape);
            now.push(value);
        }
        Ok(program)
    }

    /// Multiply-accumulate operations of one pass.
    pub fn macs(&self, graph: &QuantizedGraph) -> u64 {
        let of = |(step, value): (&ProgramStep, &Part)| match step.operation {
            Operation::Node { node, .. } => match &graph.nodes[node].layer {
                QuantizedLayer::Conv2d(conv) => {
                    let area = value.shape.height * value.shape.width;
                    (conv.weights.len() * area) as u64
                }
                QuantizedLayer::Gru(directions) => {
                    let weights = directions.iter().map(QuantizedGru::weights);
                    (weights.sum::<usize>() * value.shape.height) as u64
                }
                QuantizedLayer::Compare { grid, .. } => {
                    let prototypes = 2 + 2 * grid * grid;
                    (prototypes * graph.shape(graph.nodes[node].inputs[0]).len()) as u64
                }
                _ => 0,
            },
            Operation::Copy { .. } => 0,
        };
        self.steps.iter().zip(&self.values[1..]).map(of).sum()
    }

    fn new(graph: &QuantizedGraph) -> Self {
        Self {
            values: vec![Part {
                value: 0,
                shape: graph.input,
            }],
            steps: vec![],
        }
    }

    /// Appends a step that makes `shape` of value `value`; the value's number here.
    fn push(
        &mut self,
        operation: Operation,
        inputs: Vec<usize>,
        value: ValueId,
        shape: Shape,
    ) -> usize {
        self.steps.push(ProgramStep { operation, inputs });
        self.values.push(Part { value, shape });
        self.steps.len()
    }

    fn push_node(
        &mut self,
        node: usize,
        padding: [usize; 2],
        inputs: Vec<usize>,
        shape: Shape,
    ) -> usize {
        self.push(Operation::Node { node, padding }, inputs, node + 1, shape)
    }

    /// Appends what makes `cell` of value `split`; its number here.
    fn push_patch(&mut self, graph: &QuantizedGraph, split: ValueId, cell: &Region) -> usize {
        let regions = regions(graph, split, cell.clone());
        // Of each value its number here and what of it is there.
        let mut there: Vec<(usize, Region)> = vec![(0, whole(graph.input))];
        for (node, output) in regions[1..].iter().enumerate() {
            if output.rows.is_empty() {
                // Nobody reads it; nobody asks for it either.
                there.push((0, output.clone()));
                continue;
            }
            let layer = &graph.nodes[node].layer;
            let mut inputs = vec![];
            for &value in &graph.nodes[node].inputs {
                let wanted = read(layer, output, graph.shape(value));
                let (number, found) = there[value].clone();
                inputs.push(match found == wanted {
                    true => number,
                    false => self.push_cut(graph, value, number, &found, &wanted),
                });
            }
            let padding = windows(layer).map_or([0, 0], |[_, stride, padding]| {
                // What of the padding is left where the first window begins.
                let first = [output.rows.start, output.columns.start];
                [0, 1].map(|axis| padding[axis].saturating_sub(first[axis] * stride[axis]))
            });
            let shape = Shape {
                channels: graph.nodes[node].shape.channels,
                height: output.rows.len(),
                width: output.columns.len(),
            };
            let number = self.push_node(node, padding, inputs, shape);
            there.push((number, output.clone()));
        }
        there[split].0
    }

    /// Appends a copy of `wanted` of a value of which `found` is there.
    fn push_cut(
        &mut self,
        graph: &QuantizedGraph,
        value: ValueId,
        number: usize,
        found: &Region,
        wanted: &Region,
    ) -> usize {
        let size = [wanted.rows.len(), wanted.columns.len()];
        let copy = Operation::Copy {
            from: [
                wanted.rows.start - found.rows.start,
                wanted.columns.start - found.columns.start,
            ],
            to: [0, 0],
            size,
        };
        let shape = Shape {
            channels: graph.shape(value).channels,
            height: size[0],
            width: size[1],
        };
        self.push(copy, vec![number], value, shape)
    }
}

/// Windows over an input, of a layer that has them.
fn windows(layer: &QuantizedLayer) -> Option<Windows> {
    match layer {
        QuantizedLayer::Conv2d(conv) => Some([conv.kernel, conv.stride, conv.padding]),
        &QuantizedLayer::MaxPool {
            kernel,
            stride,
            padding,
        } => Some([kernel, stride, padding]),
        QuantizedLayer::Add
        | QuantizedLayer::Prelu { .. }
        | QuantizedLayer::Gru(_)
        | QuantizedLayer::SequenceMean
        | QuantizedLayer::UnitVectors
        | QuantizedLayer::Upsample
        | QuantizedLayer::Compare { .. } => None,
    }
}

/// Cells of nearly equal size that make up a map, row by row.
pub(super) fn cells(height: usize, width: usize, grid: [usize; 2]) -> impl Iterator<Item = Region> {
    let part =
        |size: usize, parts: usize, index: usize| size * index / parts..size * (index + 1) / parts;
    (0..grid[0]).flat_map(move |row| {
        (0..grid[1]).map(move |column| Region {
            rows: part(height, grid[0], row),
            columns: part(width, grid[1], column),
        })
    })
}

/// What `cell` of value `split` needs of each value up to it, the input first.
pub(super) fn regions(graph: &QuantizedGraph, split: ValueId, cell: Region) -> Vec<Region> {
    let nothing = Region {
        rows: 0..0,
        columns: 0..0,
    };
    let mut regions = vec![nothing; split];
    regions.push(cell);
    for (step, node) in graph.nodes[..split].iter().enumerate().rev() {
        let output = regions[step + 1].clone();
        // Empty where nobody reads it.
        for &input in node.inputs.iter().filter(|_| !output.rows.is_empty()) {
            let read = read(&node.layer, &output, graph.shape(input));
            regions[input] = union(&regions[input], read);
        }
    }
    regions
}

/// What a layer reads of its input of `shape` for `output`.
fn read(layer: &QuantizedLayer, output: &Region, shape: Shape) -> Region {
    let Some([kernel, stride, padding]) = windows(layer) else {
        return output.clone();
    };
    let along = |axis: usize, output: &Range<usize>, size: usize| {
        let first = output.start * stride[axis];
        let end = (output.end - 1) * stride[axis] + kernel[axis];
        first.saturating_sub(padding[axis])..(end - padding[axis]).min(size)
    };
    Region {
        rows: along(0, &output.rows, shape.height),
        columns: along(1, &output.columns, shape.width),
    }
}

/// The smallest region that holds both; an empty one holds nothing.
fn union(a: &Region, b: Region) -> Region {
    if a.rows.is_empty() {
        return b;
    }
    let along = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
    Region {
        rows: along(&a.rows, &b.rows),
        columns: along(&a.columns, &b.columns),
    }
}

fn whole(shape: Shape) -> Region {
    Region {
        rows: 0..shape.height,
        columns: 0..shape.width,
    }
}

#[cfg(test)]
mod tests;
