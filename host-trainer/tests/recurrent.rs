//! Recurrent towers are the same network in libtorch, in ONNX Runtime and in tract, whatever
//! the lengths of sequences, and nearly the same in integers.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use host_trainer::dataset::{Kind as SampleKind, Tensors};
use host_trainer::engine::int8::Int8Embedder;
#[cfg(feature = "ort")]
use host_trainer::engine::ort::OrtEmbedder;
use host_trainer::engine::tract::TractFloatEmbedder;
use host_trainer::engine::{Embedder, Embeddings, ModelFacts, Precision};
use host_trainer::export::artifact::Draft;
use host_trainer::export::onnx;
use host_trainer::export::plan::plan;
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::quantize::recipe::{Recipe, quantize};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::recurrent::Recurrent;
use host_trainer::tower::torch::{Mode, TorchTower};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::artifact::Contract;
use shared::preprocess::pen::{FEATURES, PenPreprocess, Sampling, Scale};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat, Preprocess};
use tch::{Device, Tensor};

const STEPS: u16 = 30;
const DIM: usize = 10;
const LENGTHS: [usize; 8] = [30, 1, 2, 29, 15, 7, 22, 30];

fn tower(layers: usize, bidirectional: bool) -> TowerSpec {
    TowerSpec::Recurrent(Recurrent {
        steps: STEPS.into(),
        features: FEATURES,
        width: 12,
        layers,
        bidirectional,
        embedding: DIM,
        normalized: true,
    })
}

fn comparison(embedding: EmbeddingFormat) -> Comparison {
    Comparison {
        embedding,
        distance: Distance::Euclidean,
        fusion: Fusion::Prototype,
    }
}

fn facts() -> ModelFacts {
    ModelFacts {
        model_id: None,
        preprocess: preprocess(),
        comparison: comparison(EmbeddingFormat {
            dim: DIM as u16,
            normalized: true,
            zero_point: 0,
            scale: 1.0,
        }),
        cohort: None,
    }
}

fn preprocess() -> Preprocess {
    PenPreprocess {
        steps: STEPS,
        sampling: Sampling::Time(25),
        scale: Scale::Signature { upright: false },
    }
    .into()
}

/// Sequences of these lengths.
fn samples(lengths: &[usize]) -> Tensors {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut pixels = vec![];
    for &length in lengths {
        let steps = (0..length * FEATURES).map(|_| random.random_range(30..=226u8));
        pixels.extend(steps);
        pixels.resize(
            pixels.len().next_multiple_of(usize::from(STEPS) * FEATURES),
            0,
        );
    }
    Tensors {
        preprocess: preprocess(),
        pixels,
        classes: vec![0; lengths.len()],
        kinds: vec![SampleKind::Genuine; lengths.len()],
        indices: (0..lengths.len() as u32).collect(),
    }
}

/// A tower whose weights are large enough for gates to open and close.
fn torch(spec: &TowerSpec) -> TorchTower {
    tch::set_num_threads(1);
    tch::manual_seed(6);
    let tower = spec.build().unwrap();
    let quantization = preprocess().quantization();
    let torch = TorchTower::new(&tower.graph, true, quantization, Device::Cpu);
    let mut parameters = torch.parameters().unwrap();
    let numbers = parameters
        .values_mut()
        .flat_map(|tensor| &mut tensor.values);
    numbers.for_each(|number| *number *= 2.0);
    TorchTower::with_parameters(&tower.graph, true, quantization, &parameters, Device::Cpu).unwrap()
}

fn floats(embeddings: Embeddings) -> Vec<f32> {
    match embeddings {
        Embeddings::Float { values, .. } => values,
        Embeddings::Int8 { .. } => panic!("expected real numbers"),
    }
}

fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-4,
            "{what}: {found}, {expected}"
        );
    }
}

#[test]
fn engines_agree_whatever_the_lengths() {
    for (layers, bidirectional) in [(1, false), (2, false), (1, true), (2, true)] {
        let spec = tower(layers, bidirectional);
        let torch = torch(&spec);
        let samples = samples(&LENGTHS);
        let rows = Tensor::from_slice(&samples.pixels)
            .reshape([LENGTHS.len() as i64, STEPS.into(), 1, FEATURES as i64])
            .permute([0, 3, 1, 2]);
        let input = torch.dequantize(&rows);
        let embed = |mode| {
            let embeddings = tch::no_grad(|| torch.forward(&input, mode));
            Vec::<f32>::try_from(&embeddings.reshape(-1)).unwrap()
        };
        let expected = embed(Mode::Inference);
        assert_near(&embed(Mode::Training), &expected, "training");

        let fused = FusedGraph::new(&spec.build().unwrap(), &torch.parameters().unwrap()).unwrap();
        let file = onnx::encode(&onnx::float(&fused, &preprocess(), &[]));
        let mut tract = TractFloatEmbedder::new(&file, facts()).unwrap();
        assert_near(
            &floats(tract.embed(&samples.pixels).unwrap()),
            &expected,
            "tract",
        );
        #[cfg(feature = "ort")]
        {
            let mut ort = OrtEmbedder::new(&file, facts(), Precision::Float).unwrap();
            assert_near(
                &floats(ort.embed(&samples.pixels).unwrap()),
                &expected,
                "ONNX Runtime",
            );
        }
    }
}

#[test]
fn padding_has_no_say() {
    let torch = torch(&tower(2, true));
    let embed = |rows: &[u8], steps: i64| {
        let rows = Tensor::from_slice(rows)
            .reshape([1, steps, 1, FEATURES as i64])
            .permute([0, 3, 1, 2]);
        let embedding = tch::no_grad(|| torch.forward(&torch.dequantize(&rows), Mode::Inference));
        Vec::<f32>::try_from(&embedding.reshape(-1)).unwrap()
    };
    let samples = samples(&[11]);
    let whole = embed(samples.sample(0), STEPS.into());
    assert_near(
        &embed(&samples.sample(0)[..11 * FEATURES], 11),
        &whole,
        "without padding",
    );
    assert!(
        whole
            .iter()
            .zip(&embed(&samples.sample(0)[..10 * FEATURES], 10))
            .any(|(a, b)| (a - b).abs() > 1e-3)
    );
}

#[test]
fn integers_are_near() {
    for (layers, bidirectional) in [(1, false), (2, true)] {
        let spec = tower(layers, bidirectional);
        let torch = torch(&spec);
        let fused = FusedGraph::new(&spec.build().unwrap(), &torch.parameters().unwrap()).unwrap();
        let lengths: Vec<usize> = (0..60)
            .map(|index| 1 + index % usize::from(STEPS))
            .collect();
        let samples = samples(&lengths);
        let quantized = quantize(&fused, Recipe::default(), &samples).unwrap().graph;
        assert!(onnx::int8(&quantized, onnx::Format::Operators, &[]).is_err());
        let contract = Contract {
            preprocess: preprocess(),
            comparison: comparison(quantized.embedding()),
        };
        let draft = Draft::new(contract, plan(&quantized).unwrap()).unwrap();
        let mut int8 = Int8Embedder::new(draft.unmeasured().unwrap()).unwrap();
        let int8 = int8.embed(&samples.pixels).unwrap();
        let file = onnx::encode(&onnx::float(&fused, &preprocess(), &[]));
        let mut float = TractFloatEmbedder::new(&file, facts()).unwrap();
        let float = float.embed(&samples.pixels).unwrap();
        let cosine = |index: usize| {
            let distance = Distance::Cosine.between(float.get(index), int8.get(index));
            1.0 - distance.unwrap()
        };
        let least = (0..samples.len()).map(cosine).fold(1.0, f32::min);
        assert!(least > 0.99, "{layers} {bidirectional}: {least}");
    }
}
