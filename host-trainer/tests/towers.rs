//! Every tower is the same network in libtorch, where it is trained, and in the ONNX file
//! that is made of it.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use host_trainer::engine::tract::TractFloatEmbedder;
use host_trainer::engine::{Embedder, Embeddings, ModelFacts};
use host_trainer::export::onnx;
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::depthwise_separable::{Activation, DepthwiseSeparable};
use host_trainer::tower::residual::Residual;
use host_trainer::tower::torch::{Mode, TorchTower};
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};
use tch::{Device, Kind, Tensor};

const SAMPLES: i64 = 8;

fn towers() -> Vec<TowerSpec> {
    let residual = |input, pooled, normalized| {
        TowerSpec::Residual(Residual {
            input,
            width: 6,
            blocks: 2,
            pooled,
            embedding: 10,
            normalized,
        })
    };
    let depthwise_separable = |input, activation, normalized| {
        TowerSpec::DepthwiseSeparable(DepthwiseSeparable {
            input,
            width: 0.125,
            activation,
            embedding: 10,
            normalized,
        })
    };
    vec![
        TowerSpec::Conv4(Conv4 {
            input: [20, 33],
            width: 6,
            embedding: 10,
            normalized: true,
        }),
        residual([28, 28], true, true),
        residual([97, 99], false, false),
        depthwise_separable([28, 28], Activation::Prelu, true),
        depthwise_separable([50, 112], Activation::Relu, false),
    ]
}

fn facts(tower: &TowerSpec) -> ModelFacts {
    let [height, width] = tower.input();
    ModelFacts {
        model_id: None,
        preprocess: PicturePreprocess {
            width: width as u16,
            height: height as u16,
            colour: Colour::Grey,
            tone: Tone::Keep,
            crop: Crop::Whole,
            fit: Fit::Stretch,
            quantization: Quantization {
                scale: 1.0 / 128.0,
                zero_point: 100,
            },
        }
        .into(),
        comparison: Comparison {
            embedding: EmbeddingFormat {
                dim: tower.embedding() as u16,
                normalized: tower.normalized(),
                zero_point: 0,
                scale: 1.0,
            },
            distance: Distance::Euclidean,
            fusion: Fusion::Prototype,
        },
        cohort: None,
    }
}

#[test]
fn libtorch_and_the_exported_network_agree() {
    // Batches this small gain nothing from more.
    tch::set_num_threads(1);
    for spec in towers() {
        let (tower, facts) = (spec.build().unwrap(), facts(&spec));
        let quantization = facts.preprocess.quantization();
        tch::manual_seed(4);
        let torch = TorchTower::new(&tower.graph, tower.normalized, quantization, Device::Cpu);
        let [height, width] = spec.input().map(|side| side as i64);
        let shape = [SAMPLES, 1, height, width];
        let bytes = Tensor::randint(256, shape, (Kind::Uint8, Device::Cpu));
        let input = torch.dequantize(&bytes);
        let expected = tch::no_grad(|| {
            // Twenty batches bring the running statistics to where the data are.
            for _ in 0..20 {
                let _ = torch.forward(&input, Mode::Training);
            }
            torch.forward(&input, Mode::Inference)
        });
        assert_eq!(expected.size(), [SAMPLES, spec.embedding() as i64]);
        let expected = Vec::<f32>::try_from(&expected.reshape(-1)).unwrap();

        let fused = FusedGraph::new(&tower, &torch.parameters().unwrap()).unwrap();
        let file = onnx::encode(&onnx::float(&fused, &facts.preprocess, &[]));
        let bytes = Vec::<u8>::try_from(&bytes.reshape(-1)).unwrap();
        let mut exported = TractFloatEmbedder::new(&file, facts).unwrap();
        let Embeddings::Float { values, .. } = exported.embed(&bytes).unwrap() else {
            panic!("expected real numbers");
        };
        let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        for (value, expected) in values.iter().zip(&expected) {
            let apart = (value - expected).abs();
            assert!(apart < 1e-4 * largest, "{spec:?}: {value}, {expected}");
        }
    }
}
