//! Exported files, byte for byte. `cargo xtask golden` rewrites them; a change must be
//! meant.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use host_trainer::export::onnx;
use host_trainer::export::plan::plan;
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::quantize::int8::QuantizedGraph;
use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::{Graph, Layer, Shape, Tower, TowerSpec};
use tests::{made_up_ranges, root, signers, untrained};

fn check(name: &str, bytes: &[u8]) {
    let path = root().join("tests/golden").join(name);
    if std::env::var("SEMBLANCE_GOLDEN").as_deref() == Ok("rewrite") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    let golden = fs::read(&path).unwrap_or_default();
    assert!(
        golden == bytes,
        "{name}: expected the {} golden bytes, found {} others: if that is meant, `cargo xtask golden`",
        golden.len(),
        bytes.len()
    );
}

/// Convolution and pooling.
#[test]
fn golden_exports_of_a_tower() {
    let spec = TowerSpec::Conv4(Conv4 {
        input: [16, 32],
        width: 4,
        embedding: 6,
        normalized: true,
    });
    check_exports("tower", &spec.build().unwrap());
}

/// Depthwise convolution, sum, PReLU and average.
#[test]
fn golden_exports_of_a_block() {
    let mut graph = Graph::new(Shape::grey([5, 6]));
    let mut push = |name, layer, inputs: &[usize]| graph.push(name, layer, inputs).unwrap();
    let wide = push("expand", Layer::conv(3, 1, 1), &[0]);
    let wide = push("prelu", Layer::Prelu, &[wide]);
    let depthwise = push("depthwise", Layer::depthwise(3, 3, 1), &[wide]);
    let normalized = push("norm", Layer::BatchNorm, &[depthwise]);
    let sum = push("add", Layer::Add, &[normalized, wide]);
    let sum = push("relu", Layer::Relu, &[sum]);
    let mean = push("pool", Layer::GlobalAveragePool, &[sum]);
    push("embedding", Layer::dense(2, 1, 1), &[mean]);
    let tower = Tower {
        graph,
        ..TowerSpec::Conv4(Conv4 {
            input: [16, 16],
            width: 1,
            embedding: 2,
            normalized: false,
        })
        .build()
        .unwrap()
    };
    check_exports("block", &tower);
}

fn check_exports(name: &str, tower: &Tower) {
    let Shape { height, width, .. } = tower.graph.input_shape();
    let preprocess = signers([height, width]).preprocess;
    let fused = FusedGraph::new(tower, &untrained(tower, 1)).unwrap();
    let ranges = made_up_ranges(fused.values(), 2);
    let quantized = QuantizedGraph::new(&fused, &ranges, preprocess.quantization()).unwrap();
    let metadata = [(onnx::MODEL_ID, "00")];
    check(
        &format!("{name}.onnx"),
        &onnx::encode(&onnx::float(&fused, &preprocess, &metadata)),
    );
    check(
        &format!("{name}.int8.onnx"),
        &onnx::encode(&onnx::int8(&quantized, onnx::Format::Operators, &metadata).unwrap()),
    );
    let plan = plan(&quantized).unwrap();
    check(
        &format!("{name}.plan.txt"),
        format!("{:#?}\n{:#?}\n", plan.header, plan.steps).as_bytes(),
    );
    check(&format!("{name}.weights.bin"), &plan.weights);
}
