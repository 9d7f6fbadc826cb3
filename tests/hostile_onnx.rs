//! An ONNX file that somebody altered, for whom the artifact vouches all the same, is refused
//! by name before tract works on it; nothing panics, and nothing takes memory without end.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use edge_runtime::engine::EngineError;
use edge_runtime::engine::tract::TractEngine;
use proptest::prelude::*;
use prost::Message;
use shared::artifact::Artifact;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, StringStringEntryProto};

const ARTIFACT: &[u8] = include_bytes!("../models/omniglot-vinyals/model.bin");
const ONNX: &[u8] = include_bytes!("../models/omniglot-vinyals/model.int8.onnx");

fn load(onnx: &[u8]) -> Result<TractEngine, EngineError> {
    TractEngine::load(onnx, &Artifact::parse(ARTIFACT).unwrap())
}

/// What is said of the file with an altered graph.
fn refused(alter: impl FnOnce(&mut GraphProto)) -> String {
    let mut model = ModelProto::decode(ONNX).unwrap();
    alter(model.graph.as_mut().unwrap());
    match load(&model.encode_to_vec()) {
        Err(EngineError::Tract(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn first<'a>(graph: &'a mut GraphProto, operator: &str) -> &'a mut NodeProto {
    let mut nodes = graph.node.iter_mut();
    nodes.find(|node| node.op_type == operator).unwrap()
}

/// Sets every number of an attribute.
fn set(node: &mut NodeProto, name: &str, value: i64) {
    let mut attributes = node.attribute.iter_mut();
    let attribute = attributes.find(|attribute| attribute.name == name);
    attribute.unwrap().ints.fill(value);
}

#[test]
fn the_file_itself_is_taken() {
    load(ONNX).unwrap();
}

#[test]
fn another_file_is_never_referred_to() {
    let message = refused(|graph| {
        graph.initializer[0].external_data = vec![StringStringEntryProto {
            key: "location".into(),
            value: "/etc/passwd".into(),
        }];
    });
    assert!(message.contains("another file"), "{message}");
    let message = refused(|graph| graph.initializer[0].data_location = Some(1));
    assert!(message.contains("another file"), "{message}");
}

#[test]
fn operators_that_no_quantized_network_has_are_named() {
    for operator in ["Loop", "Scan", "ConstantOfShape", "Tile", "SemblanceAdd"] {
        let message = refused(|graph| first(graph, "MaxPool").op_type = operator.into());
        assert!(message.contains(operator), "{message}");
    }
    let message = refused(|graph| first(graph, "MaxPool").domain = "elsewhere".into());
    assert!(message.contains("operator"), "{message}");
}

#[test]
fn sizes_are_bounded_before_memory_is_asked_for() {
    for value in [-2, 1 << 20, 1 << 40, i64::MAX, i64::MIN] {
        let message = refused(|graph| set(first(graph, "MaxPool"), "kernel_shape", value));
        assert!(message.contains("attribute \"kernel_shape\""), "{message}");
    }
    for dims in [vec![1 << 40], vec![i64::MAX, i64::MAX], vec![-1]] {
        let message = refused(|graph| graph.initializer[0].dims = dims);
        assert!(message.contains("shape"), "{message}");
    }
    let message = refused(|graph| set(first(graph, "QLinearConv"), "pads", 20_000));
    assert!(message.contains("bytes of memory"), "{message}");
}

#[test]
fn nothing_is_computed_while_a_file_is_read() {
    let message = refused(|graph| {
        let constant = graph.initializer[0].name.clone();
        let pool = first(graph, "MaxPool");
        pool.input = vec![constant];
    });
    assert!(message.contains("constants alone"), "{message}");
}

#[test]
fn every_cut_is_refused() {
    for end in (0..ONNX.len()).step_by(997) {
        assert!(load(&ONNX[..end]).is_err(), "{end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Outside the weights, where most bytes are.
    #[test]
    fn altered_bytes_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = ONNX.to_vec();
        let structure: Vec<usize> = [0..400, bytes.len() - 6000..bytes.len()]
            .into_iter()
            .flatten()
            .collect();
        for (at, value) in changes {
            bytes[*at.get(&structure)] = value;
        }
        let _ = load(&bytes);
    }
}
