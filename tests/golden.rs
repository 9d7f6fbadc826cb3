//! Exported files, byte for byte. `cargo xtask golden` rewrites them; a change must be
//! meant.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use host_trainer::export::onnx;
use host_trainer::export::plan::plan;
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::quantize::int8::QuantizedGraph;
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
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

#[test]
fn golden_exports() {
    let tower = Conv4 {
        input: [16, 32],
        width: 4,
        embedding: 6,
        normalized: true,
    };
    let preprocess = signers(tower.input).preprocess;
    let tower = TowerSpec::Conv4(tower).build().unwrap();
    let fused = FusedGraph::new(&tower, &untrained(&tower, 1)).unwrap();
    let ranges = made_up_ranges(fused.values(), 2);
    let quantized = QuantizedGraph::new(&fused, &ranges, preprocess.quantization).unwrap();
    let metadata = [(onnx::MODEL_ID, "00")];
    check(
        "tower.onnx",
        &onnx::encode(&onnx::float(&fused, &preprocess, &metadata)),
    );
    check(
        "tower.int8.onnx",
        &onnx::encode(&onnx::int8(&quantized, &metadata)),
    );
    let plan = plan(&quantized).unwrap();
    check(
        "tower.plan.txt",
        format!("{:#?}\n{:#?}\n", plan.header, plan.steps).as_bytes(),
    );
    check("tower.weights.bin", &plan.weights);
}
