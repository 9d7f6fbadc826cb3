#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::export::costs::made_up;
use crate::tower::conv4::Conv4;
use crate::tower::{Graph, Layer, Tower, TowerSpec};

fn conv4(input: [usize; 2], width: usize) -> Tower {
    let tower = TowerSpec::Conv4(Conv4 {
        input,
        width,
        embedding: width,
        normalized: true,
    });
    tower.build().unwrap()
}

/// The layers that `kinds` name, then a fully connected one.
fn chain(input: [usize; 2], kinds: &[usize]) -> QuantizedGraph {
    let mut graph = Graph::new(Shape::grey(input));
    let mut last = 0;
    let mut push =
        |name: String, layer, inputs: &[usize]| graph.push(&name, layer, inputs).unwrap();
    for (index, kind) in kinds.iter().enumerate() {
        let name = format!("layer{index}");
        last = match kind {
            0 => push(name, Layer::conv(3, 3, 1), &[last]),
            1 => push(name, Layer::conv(2, 5, 2), &[last]),
            2 => {
                let pool = Layer::MaxPool {
                    kernel: [3, 3],
                    stride: [2, 2],
                    padding: [1, 1],
                };
                push(name, pool, &[last])
            }
            _ => {
                let wide = push(format!("{name}.wide"), Layer::conv(4, 1, 1), &[last]);
                let narrow = push(format!("{name}.narrow"), Layer::depthwise(4, 3, 1), &[wide]);
                push(name, Layer::Add, &[narrow, wide])
            }
        };
    }
    let Shape { height, width, .. } = graph.shape(last);
    graph
        .push("embedding", Layer::dense(2, height, width), &[last])
        .unwrap();
    let tower = Tower {
        graph,
        ..conv4([16, 16], 1)
    };
    made_up(&tower).unwrap()
}

/// Rows and columns of each value that the cell needs, found position by position.
fn needed(graph: &QuantizedGraph, split: usize, cell: &Region) -> Vec<BTreeSet<(usize, usize)>> {
    let mut needed = vec![BTreeSet::new(); split + 1];
    for y in cell.rows.clone() {
        needed[split].extend(cell.columns.clone().map(|x| (y, x)));
    }
    for (step, node) in graph.nodes[..split].iter().enumerate().rev() {
        let (kernel, stride, padding) = match &node.layer {
            QuantizedLayer::Conv2d(conv) => (conv.kernel, conv.stride, conv.padding),
            QuantizedLayer::MaxPool {
                kernel,
                stride,
                padding,
            } => (*kernel, *stride, *padding),
            _ => ([1, 1], [1, 1], [0, 0]),
        };
        for (y, x) in needed[step + 1].clone() {
            for tap in 0..kernel[0] * kernel[1] {
                let row = (y * stride[0] + tap / kernel[1]).checked_sub(padding[0]);
                let column = (x * stride[1] + tap % kernel[1]).checked_sub(padding[1]);
                for &input in &node.inputs {
                    let shape = graph.shape(input);
                    let inside = |size: usize| move |at: &usize| *at < size;
                    let row = row.filter(inside(shape.height));
                    let column = column.filter(inside(shape.width));
                    needed[input].extend(row.zip(column));
                }
            }
        }
    }
    needed
}

/// The smallest region around positions.
fn around(positions: &BTreeSet<(usize, usize)>) -> Region {
    let span = |at: fn(&(usize, usize)) -> usize| {
        let least = positions.iter().map(at).min().unwrap();
        least..positions.iter().map(at).max().unwrap() + 1
    };
    Region {
        rows: span(|&(row, _)| row),
        columns: span(|&(_, column)| column),
    }
}

/// Rows of a first pool's output do not share rows of the convolution before it, so that
/// patches are free.
#[test]
fn patches_of_a_conv4_save_memory_and_cost_no_work() {
    let graph = made_up(&conv4([28, 28], 64)).unwrap();
    let costs = patch_costs(&graph, 2, [2, 2]).unwrap();
    assert_eq!(costs.work_ratio(), 1.0);
    // The input, a quarter of the first convolution's 28 x 28, the pooled map.
    assert_eq!(costs.arena_bytes, 28 * 28 + 2 * 14 * 14 * 64);
    let first = Region {
        rows: 0..15,
        columns: 0..15,
    };
    assert_eq!(costs.inputs[0], first);
    assert_eq!(costs.inputs.len(), 4);
}

#[test]
fn what_neighbours_share_is_computed_twice() {
    // conv3x3 with 3 filters twice: cells of 4 x 4, of 5 x 5 one layer before.
    let graph = chain([8, 8], &[0, 0]);
    let costs = patch_costs(&graph, 2, [2, 2]).unwrap();
    let embedding = 2 * 3 * 8 * 8;
    assert_eq!(costs.whole_macs, 64 * 27 + 64 * 81 + embedding);
    assert_eq!(costs.macs, 100 * 27 + 64 * 81 + embedding);
    // Input, the map, a patch between the layers.
    assert_eq!(costs.arena_bytes, 64 + 192 + 5 * 5 * 3);
}

#[test]
fn splits_and_grids_that_cannot_be_are_refused() {
    let graph = chain([8, 8], &[3, 0]);
    let refused = |split, grid| patch_costs(&graph, split, grid).unwrap_err().to_string();
    assert!(refused(0, [2, 2]).contains("expected 1 to 4 steps"));
    assert!(refused(5, [1, 1]).contains("expected 1 to 4 steps"));
    assert!(refused(2, [2, 2]).contains("only one map"));
    assert!(refused(3, [2, 9]).contains("8 x 8 patches, found 2 x 9"));
    assert!(refused(3, [0, 2]).contains("found 0 x 2"));
}

proptest! {
    #[test]
    fn regions_and_work_are_those_found_position_by_position(
        input in [12usize..20, 12usize..20],
        kinds in prop::collection::vec(0usize..4, 1..4),
        grid in [1usize..4, 1usize..4],
    ) {
        let graph = chain(input, &kinds);
        let split = graph.nodes.len() - 1;
        let Shape { height, width, .. } = graph.shape(split);
        prop_assume!(grid[0] <= height && grid[1] <= width);
        let costs = patch_costs(&graph, split, grid).unwrap();
        let mut macs = macs_per_position(&graph, &graph.nodes[split]);
        let mut covered = BTreeSet::new();
        for (cell, found) in cells(height, width, grid).zip(&costs.inputs) {
            let needed = needed(&graph, split, &cell);
            prop_assert_eq!(&around(&needed[0]), found);
            covered.extend(needed[split].iter().copied());
            for (step, node) in graph.nodes[..split].iter().enumerate() {
                let QuantizedLayer::Conv2d(conv) = &node.layer else {
                    continue;
                };
                let region = around(&needed[step + 1]);
                let area = region.rows.len() * region.columns.len();
                macs += (area * conv.weights.len()) as u64;
            }
        }
        prop_assert_eq!(costs.macs, macs);
        prop_assert_eq!(covered.len(), height * width);
    }

    #[test]
    fn an_arena_of_patches_holds_the_input_and_the_map(
        kinds in prop::collection::vec(0usize..4, 1..4),
        grid in [1usize..4, 1usize..4],
    ) {
        let graph = chain([16, 24], &kinds);
        let split = graph.nodes.len() - 1;
        let Shape { height, width, .. } = graph.shape(split);
        prop_assume!(grid[0] <= height && grid[1] <= width);
        let costs = patch_costs(&graph, split, grid).unwrap();
        prop_assert!(costs.arena_bytes >= graph.shape(0).len() + graph.shape(split).len());
    }
}
