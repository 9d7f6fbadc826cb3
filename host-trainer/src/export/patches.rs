//! What a network costs whose first steps run patch by patch: of the largest maps, which
//! the first steps write, only a patch is in memory at a time, and what neighbouring
//! patches both need is computed twice (Lin et al., "MCUNetV2: memory-efficient
//! patch-based inference for tiny deep learning", 2021, section 3).
//!
//! Engines run whole maps; this says beforehand what patches would be worth.

use std::ops::Range;

use anyhow::{Result, ensure};

use super::buffers::{Buffers, lifetimes, overwritten};
use crate::quantize::ValueId;
use crate::quantize::int8::{QuantizedGraph, QuantizedLayer, QuantizedNode};
use crate::tower::Shape;

/// Part of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Rows.
    pub rows: Range<usize>,
    /// Columns.
    pub columns: Range<usize>,
}

/// Costs of a network whose first steps run patch by patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchCosts {
    /// What each patch reads of the network's input, row by row of the grid.
    pub inputs: Vec<Region>,
    /// Multiply-accumulate operations of one embedding.
    pub macs: u64,
    /// The same without patches.
    pub whole_macs: u64,
    /// Bytes of activation memory; the network's input and the map that the patches make
    /// up are in it as a whole.
    pub arena_bytes: usize,
}

impl PatchCosts {
    /// How many times the work of whole maps this is. It can be below 1: what a pool drops
    /// at the edge is not computed.
    pub fn work_ratio(&self) -> f64 {
        self.macs as f64 / self.whole_macs as f64
    }
}

/// Costs with the first `split` steps run for each cell of a `grid` (rows, columns) over
/// the map that the last of them writes.
///
/// # Errors
/// When `split` leaves no steps before or after it, a later step reads another map than
/// that one, the grid is finer than the map, or no memory can be planned.
pub fn patch_costs(graph: &QuantizedGraph, split: usize, grid: [usize; 2]) -> Result<PatchCosts> {
    let steps = graph.nodes.len();
    ensure!(
        (1..steps).contains(&split),
        "expected 1 to {} steps in patches, found {split}",
        steps - 1
    );
    let later = graph.nodes[split..].iter().flat_map(|node| &node.inputs);
    ensure!(
        later.min() >= Some(&split),
        "expected a split where only one map is read later, found more after {split} steps: split at the end of a block"
    );
    let Shape { height, width, .. } = graph.shape(split);
    ensure!(
        (1..=height).contains(&grid[0]) && (1..=width).contains(&grid[1]),
        "expected a grid of 1 x 1 to {height} x {width} patches, found {} x {}",
        grid[0],
        grid[1]
    );
    let patches: Vec<Vec<Region>> = cells(height, width, grid)
        .map(|cell| regions(graph, split, cell))
        .collect();
    let (mut macs, mut whole_macs) = (0, 0);
    for (step, node) in graph.nodes.iter().enumerate() {
        let whole = macs_per_position(graph, node) * positions(&whole(node.shape));
        whole_macs += whole;
        macs += match step < split {
            true => {
                let computed = patches.iter().map(|regions| positions(&regions[step + 1]));
                macs_per_position(graph, node) * computed.sum::<u64>()
            }
            false => whole,
        };
    }
    Ok(PatchCosts {
        arena_bytes: arena_bytes(graph, &patches, split)?,
        inputs: patches
            .into_iter()
            .map(|mut regions| regions.swap_remove(0))
            .collect(),
        macs,
        whole_macs,
    })
}

/// Cells of nearly equal size that make up a map, row by row.
fn cells(height: usize, width: usize, grid: [usize; 2]) -> impl Iterator<Item = Region> {
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
fn regions(graph: &QuantizedGraph, split: ValueId, cell: Region) -> Vec<Region> {
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
    let (kernel, stride, padding) = match layer {
        QuantizedLayer::Conv2d(conv) => (conv.kernel, conv.stride, conv.padding),
        &QuantizedLayer::MaxPool {
            kernel,
            stride,
            padding,
        } => (kernel, stride, padding),
        QuantizedLayer::Add | QuantizedLayer::Prelu { .. } => return output.clone(),
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

fn positions(region: &Region) -> u64 {
    (region.rows.len() * region.columns.len()) as u64
}

/// Multiply-accumulate operations of all channels at one row and column of the output.
fn macs_per_position(graph: &QuantizedGraph, node: &QuantizedNode) -> u64 {
    match &node.layer {
        QuantizedLayer::Conv2d(conv) => {
            let channels = graph.shape(node.inputs[0]).channels / conv.groups;
            (node.shape.channels * channels * conv.kernel[0] * conv.kernel[1]) as u64
        }
        _ => 0,
    }
}

/// The arena in which each value before the split has a buffer for the largest patch.
fn arena_bytes(graph: &QuantizedGraph, patches: &[Vec<Region>], split: ValueId) -> Result<usize> {
    let mut values = lifetimes(graph);
    for (value, lifetime) in values[..split].iter_mut().enumerate() {
        let largest = patches
            .iter()
            .map(|regions| positions(&regions[value]))
            .max();
        lifetime.len = graph.shape(value).channels * largest.unwrap_or(0) as usize;
    }
    // From the first patch to the last.
    values[0].len = graph.shape(0).len();
    values[0].last = split - 1;
    values[split].first = 0;
    let mut ways = overwritten(graph)?;
    // Other patches read the input too, and the last step writes a cell of the map.
    for way in &mut ways {
        for (step, overwritten) in way[..split].iter_mut().enumerate() {
            if step == split - 1 || *overwritten == Some(0) {
                *overwritten = None;
            }
        }
    }
    Ok(Buffers::plan(&values, ways).placement.peak)
}

#[cfg(test)]
mod tests;
