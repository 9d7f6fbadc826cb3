#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::kernels::InstructionSet;
use proptest::prelude::*;
use shared::artifact::{Artifact, golden};

use super::*;
use crate::export::artifact::Draft;
use crate::export::costs::made_up;
use crate::export::plan::{DevicePlan, plan, plan_program};
use crate::export::tests::contract;
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
    made_up(&tower.graph).unwrap()
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

/// The embedding of noise, on every instruction set.
fn run(graph: &QuantizedGraph, plan: DevicePlan) -> Vec<u8> {
    let artifact = Draft::new(contract(graph), plan)
        .unwrap()
        .unmeasured()
        .unwrap();
    let artifact = Artifact::parse(&artifact).unwrap();
    let mut input = vec![0; artifact.plan().input().len()];
    golden::fill_input(3, artifact.contract().preprocess.row_len(), &mut input);
    let mut embedding = vec![0; artifact.plan().output().len()];
    let arena = vec![0; artifact.plan().arena_len()];
    let mut engine = Int8Engine::new(artifact.clone(), arena).unwrap();
    engine.run(&input, &mut embedding).unwrap();
    for set in InstructionSet::supported() {
        let mut engine = PackedInt8Engine::new(artifact.clone(), set).unwrap();
        let mut found = vec![0; embedding.len()];
        engine.run(&input, &mut found).unwrap();
        assert_eq!(found, embedding, "{set}");
    }
    embedding
}

/// Rows of a first pool's output do not share rows of the convolution before it, so that
/// patches are free.
#[test]
fn patches_of_a_conv4_save_memory_and_cost_no_work() {
    let graph = made_up(&conv4([28, 28], 64).graph).unwrap();
    let whole = plan(&graph).unwrap();
    let patches = Patches {
        nodes: 2,
        grid: [2, 2],
    };
    let program = Program::patched(&graph, patches).unwrap();
    let patched = plan_program(&graph, &program).unwrap();
    assert_eq!(patched.macs(), whole.macs());
    // Weights are there once.
    assert_eq!(patched.weights, whole.weights);
    // The input and the pooled map, a patch of 14 x 14 of the first convolution, what of the
    // input it reads, and what the pool makes of it.
    let live = 28 * 28 + 14 * 14 * 64 + 14 * 14 * 64 + 7 * 7 * 64;
    assert!(
        patched.arena_len() <= live + 15 * 15,
        "{}",
        patched.arena_len()
    );
    assert_eq!(run(&graph, patched), run(&graph, whole));
}

#[test]
fn what_neighbours_share_is_computed_twice() {
    // conv3x3 with 3 filters twice: cells of 4 x 4, of 5 x 5 one layer before.
    let graph = chain([8, 8], &[0, 0]);
    let patches = Patches {
        nodes: 2,
        grid: [2, 2],
    };
    let program = Program::patched(&graph, patches).unwrap();
    let embedding = 2 * 3 * 8 * 8;
    assert_eq!(
        Program::whole(&graph).macs(&graph),
        64 * 27 + 64 * 81 + embedding
    );
    assert_eq!(program.macs(&graph), 100 * 27 + 64 * 81 + embedding);
}

#[test]
fn splits_and_grids_that_cannot_be_are_refused() {
    let graph = chain([8, 8], &[3, 0]);
    let refused = |nodes, grid| {
        let patches = Patches { nodes, grid };
        Program::patched(&graph, patches).unwrap_err().to_string()
    };
    assert!(refused(0, [2, 2]).contains("expected 1 to 4 nodes"));
    assert!(refused(5, [1, 1]).contains("expected 1 to 4 nodes"));
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
        let patches = Patches { nodes: split, grid };
        let program = Program::patched(&graph, patches).unwrap();
        let QuantizedLayer::Conv2d(dense) = &graph.nodes[split].layer else {
            unreachable!("the last layer is fully connected");
        };
        let mut macs = dense.weights.len() as u64;
        let mut covered = BTreeSet::new();
        for cell in cells(height, width, grid) {
            let needed = needed(&graph, split, &cell);
            let found = regions(&graph, split, cell);
            covered.extend(needed[split].iter().copied());
            for (value, positions) in needed.iter().enumerate() {
                prop_assert_eq!(&around(positions), &found[value]);
            }
            for (step, node) in graph.nodes[..split].iter().enumerate() {
                let QuantizedLayer::Conv2d(conv) = &node.layer else {
                    continue;
                };
                let region = around(&needed[step + 1]);
                let area = region.rows.len() * region.columns.len();
                macs += (area * conv.weights.len()) as u64;
            }
        }
        prop_assert_eq!(program.macs(&graph), macs);
        prop_assert_eq!(covered.len(), height * width);
    }

    #[test]
    fn patches_give_the_bytes_of_whole_maps(
        input in [12usize..24, 12usize..24],
        kinds in prop::collection::vec(0usize..4, 1..4),
        grid in [1usize..4, 1usize..4],
    ) {
        let graph = chain(input, &kinds);
        let split = graph.nodes.len() - 1;
        let Shape { height, width, .. } = graph.shape(split);
        prop_assume!(grid[0] <= height && grid[1] <= width);
        let patches = Patches { nodes: split, grid };
        let program = Program::patched(&graph, patches).unwrap();
        let patched = plan_program(&graph, &program).unwrap();
        prop_assert_eq!(run(&graph, patched), run(&graph, plan(&graph).unwrap()));
    }
}
