//! The engines, each with the same network.

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::engine::tract::TractEngine;
use edge_runtime::kernels::InstructionSet;
use host_trainer::engine::ort::environment;
use host_trainer::export::artifact::Draft;
use host_trainer::export::onnx::{self, EMBEDDING_Q8, Format};
use host_trainer::export::plan::plan;
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::quantize::int8::QuantizedGraph;
use host_trainer::tower::{Shape, Tower};
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::TensorRef;
use shared::artifact::{Artifact, Contract};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};
use tests::{made_up_ranges, signers, untrained};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

/// An engine, and what embeds one batch with it.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut() -> Vec<u8>>,
}

/// A network in all engines.
pub(crate) struct Network {
    pub(crate) artifact: Artifact<'static>,
    /// What embeds a batch, ours first.
    pub(crate) embedding: Vec<Peer>,
    /// What loads the network and embeds one sample, ours first.
    pub(crate) loading: Vec<Peer>,
}

/// The network of a tower.
pub(crate) fn all(tower: &Tower, batch: usize) -> Network {
    let Shape { height, width, .. } = tower.graph.input_shape();
    let preprocess = signers([height, width]).preprocess;
    let fused = FusedGraph::new(tower, &untrained(tower, 1)).unwrap();
    let ranges = made_up_ranges(fused.values(), 2);
    let quantized = QuantizedGraph::new(&fused, &ranges, preprocess.quantization()).unwrap();
    let output = quantized.output();
    let contract = Contract {
        preprocess,
        comparison: Comparison {
            embedding: EmbeddingFormat {
                dim: tower.embedding_dim() as u16,
                normalized: false,
                zero_point: output.zero_point,
                scale: output.scale * 2.0,
            },
            distance: Distance::Euclidean,
            fusion: Fusion::Prototype,
        },
    };
    let draft = Draft::new(contract, plan(&quantized).unwrap()).unwrap();
    // Peers live as long as the benchmark.
    let bytes: &'static [u8] = draft.unmeasured().unwrap().leak();
    let artifact = Artifact::parse(bytes).unwrap();
    let input: &'static [u8] = noise(batch * height * width).leak();
    let shape = [batch, 1, height, width];

    let sets = InstructionSet::supported();
    let mut peers: Vec<Peer> = sets.map(|set| packed(&artifact, set, input)).collect();
    peers.push(in_place(&artifact, input));
    if batch == 1 {
        let id = artifact.model_id().to_string();
        let metadata = [(onnx::MODEL_ID, id.as_str())];
        for (name, format) in [
            ("ours in tract, operators", Format::Operators),
            ("ours in tract, Q/DQ", Format::DequantizeQuantize),
        ] {
            let onnx = onnx::encode(&onnx::int8(&quantized, format, &metadata).unwrap());
            let engine = TractEngine::load(&onnx, &artifact).unwrap();
            peers.push(own(name.into(), &artifact, engine, input));
        }
    }
    let float = onnx::encode(&onnx::float(&fused, &preprocess, &[]));
    let operators = bytes_only(onnx::int8(&quantized, Format::Operators, &[]).unwrap());
    let between = bytes_only(onnx::int8(&quantized, Format::DequantizeQuantize, &[]).unwrap());
    peers.push(runtime("ONNX Runtime, float32", &float, shape, input));
    peers.push(runtime("ONNX Runtime, int8, Q/DQ", &between, shape, input));
    peers.push(runtime(
        "ONNX Runtime, int8, operators",
        &operators,
        shape,
        input,
    ));
    if batch == 1 {
        peers.push(stock_tract("tract, float32", &float, shape, input));
        peers.push(stock_tract(
            "tract, int8, operators",
            &operators,
            shape,
            input,
        ));
        peers.push(stock_tract("tract, int8, Q/DQ", &between, shape, input));
    }
    let expected = (peers[0].run)();
    for peer in &mut peers {
        let found = (peer.run)();
        // Optimized, ONNX Runtime adds in other arithmetic; `tests/parity.rs` compares with
        // what it computes as written.
        let is_exact =
            peer.name.starts_with("ours") || peer.name.ends_with("tract, int8, operators");
        assert!(
            !is_exact || found == expected,
            "{} gives other bytes",
            peer.name
        );
    }
    Network {
        artifact,
        embedding: peers,
        loading: loading(bytes, operators, shape, input),
    }
}

/// What loads the network from bytes in memory and embeds the first sample.
fn loading(
    artifact: &'static [u8],
    operators: Vec<u8>,
    [_, channels, height, width]: [usize; 4],
    input: &'static [u8],
) -> Vec<Peer> {
    let shape = [1, channels, height, width];
    let input = &input[..shape.iter().product()];
    let ours = Box::new(move || {
        let artifact = Artifact::parse(artifact).unwrap();
        let mut output = vec![0; artifact.plan().output().len()];
        let set = InstructionSet::fastest();
        let mut engine = PackedInt8Engine::new(artifact, set).unwrap();
        engine.run(input, &mut output).unwrap();
        output
    });
    let theirs = Box::new(move || {
        (runtime("ONNX Runtime, int8, operators", &operators, shape, input).run)()
    });
    let peer = |name: &str, run: Box<dyn FnMut() -> Vec<u8>>| Peer {
        name: name.into(),
        run,
    };
    vec![
        peer("load to first embedding, ours", ours),
        peer("load to first, ONNX Runtime", theirs),
    ]
}

pub(crate) fn noise(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}

fn packed(artifact: &Artifact<'static>, set: InstructionSet, input: &'static [u8]) -> Peer {
    let engine = PackedInt8Engine::new(artifact.clone(), set).unwrap();
    own(format!("ours, {set}"), artifact, engine, input)
}

fn in_place(artifact: &Artifact<'static>, input: &'static [u8]) -> Peer {
    let engine = Int8Engine::new(artifact.clone(), vec![0; artifact.plan().arena_len()]).unwrap();
    own("ours, of microcontrollers".into(), artifact, engine, input)
}

fn own(
    name: String,
    artifact: &Artifact<'static>,
    mut engine: impl Engine + 'static,
    input: &'static [u8],
) -> Peer {
    let [from, to] = [artifact.plan().input(), artifact.plan().output()].map(|place| place.len());
    let run = Box::new(move || {
        let samples = input.chunks_exact(from);
        let mut output = vec![0; samples.len() * to];
        for (sample, output) in samples.zip(output.chunks_exact_mut(to)) {
            engine.run(sample, output).unwrap();
        }
        output
    });
    Peer { name, run }
}

/// Without the real-numbered output, which would be computed for nobody.
fn bytes_only(mut model: ModelProto) -> Vec<u8> {
    let graph = model.graph.as_mut().unwrap();
    graph.output.retain(|output| output.name == EMBEDDING_Q8);
    graph.node.retain(|node| node.name != onnx::EMBEDDING);
    onnx::encode(&model)
}

/// ONNX Runtime with all that it does to be fast in one thread.
pub(crate) fn session(onnx: &[u8]) -> Session {
    Session::builder(environment().unwrap())
        .unwrap()
        .with_optimization_level(GraphOptimizationLevel::All)
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .commit_from_memory(onnx)
        .unwrap()
}

fn runtime(name: &str, onnx: &[u8], shape: [usize; 4], input: &'static [u8]) -> Peer {
    let mut session = session(onnx);
    let is_float = name.contains("float32");
    let run = Box::new(move || {
        let input = TensorRef::from_array_view((shape, input)).unwrap();
        let outputs = session.run(ort::inputs![input]).unwrap();
        match is_float {
            true => outputs[onnx::EMBEDDING]
                .try_extract_tensor::<f32>()
                .unwrap()
                .1
                .iter()
                .map(|&value| value as u8)
                .collect(),
            false => outputs[EMBEDDING_Q8]
                .try_extract_tensor::<u8>()
                .unwrap()
                .1
                .to_vec(),
        }
    });
    Peer {
        name: name.into(),
        run,
    }
}

fn stock_tract(name: &str, onnx: &[u8], shape: [usize; 4], input: &'static [u8]) -> Peer {
    let mut model = tract_onnx::onnx().model_for_read(&mut &onnx[..]).unwrap();
    model.set_input_fact(0, u8::fact(shape).into()).unwrap();
    let plan = model.into_optimized().unwrap().into_runnable().unwrap();
    let is_float = name.contains("float32");
    let run = Box::new(move || {
        let input = Tensor::from_shape(&shape, input).unwrap();
        let outputs = plan.run(tvec!(input.into_tvalue())).unwrap();
        let plain = outputs[0].try_as_plain_ram().unwrap();
        match is_float {
            true => plain
                .as_slice::<f32>()
                .unwrap()
                .iter()
                .map(|&value| value as u8)
                .collect(),
            false => plain.as_slice::<u8>().unwrap().to_vec(),
        }
    });
    Peer {
        name: name.into(),
        run,
    }
}
