//! Memory of every tower family.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use shared::artifact::Contract;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Tone};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};

use super::arena;
use super::artifact::Draft;
use super::buffers::{Buffers, lifetimes, overwritten};
use super::costs::{costs, made_up};
use super::plan::{low_memory, plan};
use super::program::Program;
use crate::quantize::int8::QuantizedGraph;
use crate::tower::conv4::Conv4;
use crate::tower::depthwise_separable::{Activation, DepthwiseSeparable};
use crate::tower::residual::Residual;
use crate::tower::{Tower, TowerSpec};

fn conv4(height: usize, width: usize, channels: usize) -> TowerSpec {
    TowerSpec::Conv4(Conv4 {
        input: [height, width],
        width: channels,
        embedding: channels,
        normalized: true,
    })
}

fn residual(height: usize, width: usize, channels: usize, blocks: usize) -> TowerSpec {
    TowerSpec::Residual(Residual {
        input: [height, width],
        width: channels,
        blocks,
        pooled: true,
        embedding: 64,
        normalized: true,
    })
}

fn depthwise_separable(
    height: usize,
    width: usize,
    multiplier: f64,
    activation: Activation,
) -> TowerSpec {
    TowerSpec::DepthwiseSeparable(DepthwiseSeparable {
        input: [height, width],
        width: multiplier,
        activation,
        embedding: 64,
        normalized: true,
    })
}

/// Small, odd, oblong and large ones of every family.
fn towers() -> Vec<(&'static str, Tower)> {
    let towers = [
        ("conv4 8 @16", conv4(16, 16, 8)),
        ("conv4 64 @28", conv4(28, 28, 64)),
        ("conv4 7 @33x47", conv4(33, 47, 7)),
        ("conv4 32 @32x64", conv4(32, 64, 32)),
        ("conv4 64 @96", conv4(96, 96, 64)),
        ("residual 5 @16x21", residual(16, 21, 5, 2)),
        ("residual 16 @28", residual(28, 28, 16, 1)),
        ("residual 16 @32", residual(32, 32, 16, 1)),
        ("residual 4 @49x64", residual(49, 64, 4, 1)),
        ("residual 3 @97x112", residual(97, 112, 3, 3)),
        ("residual 32 @112", residual(112, 112, 32, 2)),
        (
            "separable 0.125 @16 prelu",
            depthwise_separable(16, 16, 0.125, Activation::Prelu),
        ),
        (
            "separable 0.25 @28",
            depthwise_separable(28, 28, 0.25, Activation::Relu),
        ),
        (
            "separable 0.3 @33x47 prelu",
            depthwise_separable(33, 47, 0.3, Activation::Prelu),
        ),
        (
            "separable 0.25 @96",
            depthwise_separable(96, 96, 0.25, Activation::Relu),
        ),
        (
            "separable 0.5 @112 prelu",
            depthwise_separable(112, 112, 0.5, Activation::Prelu),
        ),
    ];
    towers
        .map(|(name, tower)| (name, tower.build().unwrap()))
        .to_vec()
}

/// Alignment included.
#[test]
fn arenas_are_at_most_a_tenth_longer_than_what_lives() {
    println!("tower: live bytes, bytes with greedy orders only, bytes");
    for (name, tower) in towers() {
        let costs = costs(&tower).unwrap();
        let graph = made_up(&tower.graph).unwrap();
        let buffers = {
            let program = Program::whole(&graph);
            let ways = overwritten(&graph, &program).unwrap();
            Buffers::plan(&lifetimes(&program), ways)
        };
        let greedy = arena::greedy(&buffers.lifetimes).peak as u64;
        let (live, arena) = (costs.live_bytes, costs.arena_bytes);
        println!("{name}: {live}, {greedy}, {arena}");
        assert!(live <= arena && arena <= greedy, "{name}");
        assert!(10 * arena <= 11 * live, "{name}: {live}, {arena}");
    }
}

/// The format's checks see no value overwritten that is still read.
#[test]
fn devices_accept_the_plans() {
    for (name, tower) in towers() {
        let graph = made_up(&tower.graph).unwrap();
        let draft = Draft::new(contract(&graph), plan(&graph).unwrap());
        assert!(draft.is_ok(), "{name}: {:?}", draft.err());
    }
}

/// A contract that the graph's plans fit.
pub(super) fn contract(graph: &QuantizedGraph) -> Contract {
    let [height, width] = [graph.input.height, graph.input.width].map(|side| side as u16);
    Contract {
        preprocess: PicturePreprocess {
            width,
            height,
            colour: Colour::Grey,
            tone: Tone::Ink,
            crop: Crop::Ink,
            fit: Fit::Contain,
            quantization: graph.quantizations[0],
        }
        .into(),
        comparison: Comparison {
            embedding: EmbeddingFormat {
                dim: graph.shape(graph.nodes.len()).len() as u16,
                normalized: true,
                zero_point: graph.output().zero_point,
                scale: EmbeddingFormat::UNIT_SCALE,
            },
            distance: Distance::Cosine,
            fusion: Fusion::Prototype,
        },
    }
}

/// Where large maps become small early, patches are worth their work: at most 0.6 of the
/// memory for at most 1.85 times the work.
#[test]
fn patches_of_large_maps_save_memory() {
    let worthwhile = ["conv4 64 @28", "residual 16 @32", "separable 0.25 @96"];
    println!("tower: patches, bytes, bytes without, times the work");
    for (name, tower) in towers() {
        let graph = made_up(&tower.graph).unwrap();
        let whole = plan(&graph).unwrap();
        let (plan, patches) = low_memory(&graph).unwrap();
        let work = plan.macs() as f64 / whole.macs() as f64;
        let [arena, without] = [plan.arena_len(), whole.arena_len()];
        println!("{name}: {patches:?}, {arena}, {without}, {work:.3}");
        assert!(arena <= without && work <= 1.85, "{name}: {arena}, {work}");
        if worthwhile.contains(&name) {
            assert!(10 * arena <= 6 * without, "{name}: {arena}, {without}");
        }
        let draft = Draft::new(contract(&graph), plan);
        assert!(draft.is_ok(), "{name}: {:?}", draft.err());
    }
}
