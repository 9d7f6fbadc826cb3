//! From a tower's real numbers to int8, and what is lost on the way.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod few_signers;

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use host_trainer::checkpoint::Run;
use host_trainer::config::RunConfig;
use host_trainer::dataset::{Dataset, Part, Tensors};
use host_trainer::export::artifact::Draft;
use host_trainer::export::card::{ModelCard, Quantization};
use host_trainer::export::model::{Options, Source, export};
use host_trainer::export::plan::plan;
use host_trainer::quantize::aware::FakeQuantization;
use host_trainer::quantize::calibrate::{Method, Statistics};
use host_trainer::quantize::equalize::{equalization, equalized};
use host_trainer::quantize::fidelity::{self, LayerFidelity, SampleFidelity};
use host_trainer::quantize::float::FloatGraph;
use host_trainer::quantize::fused::{FusedGraph, FusedLayer};
use host_trainer::quantize::interpret::Interpreter;
use host_trainer::quantize::recipe::{Recipe, Tried, choose, quantize};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::depthwise_separable::{Activation, DepthwiseSeparable};
use host_trainer::tower::residual::Residual;
use host_trainer::tower::torch::{Mode, TorchTower};
use host_trainer::train::{Best, Trainer, aware};
use shared::Distance;
use shared::artifact::{Artifact, Contract};
use shared::support_set::{Comparison, Fusion};
use tch::{Device, Tensor};

use few_signers::{TRIPLET, alone, config, dataset};

/// A tower of each architecture, for generated signatures.
fn towers() -> Vec<TowerSpec> {
    vec![
        TowerSpec::Conv4(Conv4 {
            input: [16, 32],
            width: 6,
            embedding: 10,
            normalized: true,
        }),
        TowerSpec::Residual(Residual {
            input: [16, 32],
            width: 5,
            blocks: 1,
            pooled: true,
            embedding: 12,
            normalized: false,
        }),
        narrow(),
    ]
}

/// The kind that int8 changes most.
fn narrow() -> TowerSpec {
    TowerSpec::DepthwiseSeparable(DepthwiseSeparable {
        input: [16, 32],
        width: 0.125,
        activation: Activation::Prelu,
        embedding: 16,
        normalized: true,
    })
}

/// Fresh weights, with statistics and channels of many magnitudes as training leaves them.
fn untrained(spec: &TowerSpec, samples: &Tensors) -> Run {
    let dataset = dataset();
    let tower = spec.build().unwrap();
    tch::manual_seed(4);
    let quantization = samples.preprocess.quantization();
    let torch = TorchTower::new(&tower.graph, tower.normalized, quantization, Device::Cpu);
    tch::no_grad(|| {
        for (name, tensor) in torch.tensors() {
            let mut tensor = tensor.shallow_clone();
            if name.ends_with("norm.weight") || name.ends_with("prelu.weight") {
                let factor = Tensor::randn_like(&tensor).exp();
                let _ = tensor.g_mul_(&factor);
            }
        }
        let input = torch.dequantize(&bytes(samples));
        for _ in 0..20 {
            let _ = torch.forward(&input, Mode::Training);
        }
    });
    Run {
        parameters: torch.parameters().unwrap(),
        config: RunConfig {
            tower: spec.clone(),
            ..config(&dataset, TRIPLET, 1)
        },
    }
}

/// uint8 `[n, 1, 16, 32]`.
fn bytes(samples: &Tensors) -> Tensor {
    Tensor::from_slice(&samples.pixels).reshape([-1, 1, 16, 32])
}

fn samples(dataset: &Dataset, part: Part) -> Tensors {
    let indices = dataset.split.samples(dataset, part);
    Tensors::new(dataset, &indices, &dataset.preprocess).unwrap()
}

fn fused(run: &Run) -> FusedGraph {
    FusedGraph::new(&run.config.tower.build().unwrap(), &run.parameters).unwrap()
}

const ALL: Recipe = Recipe {
    calibration: Method::Mse,
    equalized: true,
    bias_corrected: true,
};

/// The plain loops and the device's engine are two implementations of one specification.
#[test]
fn steps_by_themselves_give_the_bytes_of_the_engine() {
    let _alone = alone();
    let dataset = dataset();
    let training = samples(&dataset, Part::Train);
    for spec in towers() {
        let run = untrained(&spec, &training);
        let graph = quantize(&fused(&run), ALL, &training).unwrap().graph;
        let contract = Contract {
            preprocess: training.preprocess,
            comparison: Comparison {
                embedding: graph.embedding(),
                distance: Distance::Euclidean,
                fusion: Fusion::Prototype,
            },
        };
        let draft = Draft::new(contract, plan(&graph).unwrap()).unwrap();
        let artifact = draft.unmeasured().unwrap();
        let artifact = Artifact::parse(&artifact).unwrap();
        let arena = vec![0; artifact.plan().arena_len()];
        let mut engine = Int8Engine::new(artifact, arena).unwrap();
        let interpreter = Interpreter::new(&graph).unwrap();
        for index in 0..training.len() {
            let values = interpreter.run(training.sample(index)).unwrap();
            let mut expected = vec![0; spec.embedding()];
            engine.run(training.sample(index), &mut expected).unwrap();
            assert_eq!(values.last(), Some(&expected), "{spec:?}");
        }
    }
}

#[test]
fn equalized_channels_are_the_same_function_and_of_one_magnitude() {
    let _alone = alone();
    let dataset = dataset();
    let training = samples(&dataset, Part::Train);
    for spec in towers() {
        let plain = fused(&untrained(&spec, &training));
        let statistics = Statistics::collect(&plain, &training).unwrap();
        let moved = equalization(&plain, &statistics);
        assert!(!moved.is_empty());
        let balanced = equalized(&plain, &moved);
        assert_ne!(balanced, plain);
        let [a, b] = [&plain, &balanced].map(|fused| {
            let float = FloatGraph::new(fused, &training.preprocess).unwrap();
            float.run(training.sample(0)).unwrap().pop().unwrap()
        });
        let largest = a.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-4 * largest, "{spec:?}: {a} {b}");
        }
        let after = Statistics::collect(&balanced, &training).unwrap();
        // How much of a value's range its channels use, on average.
        let used = |statistics: &Statistics, value: usize| {
            let of = statistics.channels[value]
                .iter()
                .map(|range| range.magnitude());
            let largest = of.clone().fold(0.0, f32::max);
            of.sum::<f32>() / largest
        };
        for moved in &moved {
            let value = moved.first + 1;
            if matches!(&balanced.nodes[moved.second].layer, FusedLayer::Conv2d(c) if c.groups > 1)
            {
                assert!(used(&after, value) >= 0.999 * used(&statistics, value));
            }
        }
    }
}

#[test]
fn corrected_biases_bring_layers_nearer() {
    let _alone = alone();
    let dataset = dataset();
    let training = samples(&dataset, Part::Train);
    let fused = fused(&untrained(&narrow(), &training));
    let noise = |bias_corrected: bool| {
        let recipe = Recipe {
            bias_corrected,
            ..Recipe::default()
        };
        let quantized = quantize(&fused, recipe, &training).unwrap();
        let float = FloatGraph::new(&fused, &training.preprocess).unwrap();
        let last = quantized.graph.output();
        let interpreter = Interpreter::new(&quantized.graph).unwrap();
        let mut errors = [0.0; 16];
        for index in 0..training.len() {
            let raw = interpreter.embedding(training.sample(index)).unwrap();
            let real = float.run(training.sample(index)).unwrap().pop().unwrap();
            for ((error, raw), real) in errors.iter_mut().zip(raw).zip(real) {
                let steps = f64::from(raw) - f64::from(last.zero_point);
                *error += steps * f64::from(last.scale) - f64::from(real);
            }
        }
        errors.iter().map(|error| error.abs()).sum::<f64>()
    };
    // The embedding's mean error, of all samples, all but vanishes.
    assert!(
        noise(true) < 0.5 * noise(false),
        "{} {}",
        noise(true),
        noise(false)
    );
}

#[test]
fn the_chosen_recipe_is_the_best_of_those_tried() {
    let _alone = alone();
    let dataset = dataset();
    let (training, other) = (
        samples(&dataset, Part::Train),
        samples(&dataset, Part::Validation),
    );
    let fused = fused(&untrained(&narrow(), &training));
    let (best, tried) = choose(&fused, &training, &other).unwrap();
    assert_eq!(tried.len(), 7);
    let found = fidelity::measure(&best.graph, &best.fused, &other).unwrap();
    let of_best = tried
        .iter()
        .find(|tried| tried.recipe == best.recipe)
        .unwrap();
    assert!((of_best.mean_cosine - found.mean_cosine).abs() < 1e-6);
    for tried in &tried {
        assert!(1.0 - of_best.mean_cosine <= (1.0 - tried.mean_cosine) / 0.9 + 1e-12);
    }
    assert!(1.0 - of_best.mean_cosine < 0.9 * (1.0 - tried[0].mean_cosine));
    assert_eq!(found.layers.len(), best.graph.nodes.len());
    assert!(found.worst.is_sorted_by(|a, b| a.cosine <= b.cosine));
}

#[test]
fn a_tower_that_int8_changes_too_much_is_refused_with_what_to_do() {
    let _alone = alone();
    let dataset = dataset();
    let run = untrained(&narrow(), &samples(&dataset, Part::Train));
    let folder = tempfile::tempdir().unwrap();
    let export = |tolerance: f64| {
        let options = Options {
            calibration: Some(Method::MinMax),
            tolerance,
            ..Options::default()
        };
        export(
            &Source::of_run(run.clone()).unwrap(),
            &dataset,
            folder.path(),
            &options,
            &mut |_| (),
        )
    };
    let refused = format!("{:#}", export(1.0).unwrap_err());
    for word in [
        "at least 1",
        "loses most",
        "dB",
        "--quantization-aware",
        "--calibration",
    ] {
        assert!(refused.contains(word), "no {word:?} in {refused}");
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn cards_of_before_and_of_now_are_read() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let mut card = ModelCard::load(&models.join("omniglot")).unwrap();
    let quantization = &mut card.quantization;
    quantization.recipe = ALL;
    quantization.layers = vec![LayerFidelity {
        name: "conv1".into(),
        sqnr_db: 31.25,
        cosine: 0.99951,
    }];
    quantization.worst = vec![SampleFidelity {
        index: 17,
        class: 3,
        cosine: 0.5,
    }];
    quantization.tried = vec![Tried {
        recipe: ALL,
        mean_cosine: 0.75,
    }];
    let folder = tempfile::tempdir().unwrap();
    card.save(folder.path()).unwrap();
    assert_eq!(ModelCard::load(folder.path()).unwrap(), card);
    // One that says nothing of recipes is of the only one there was.
    let before = "calibration_samples = 7\nmean_cosine = 0.5\nleast_cosine = 0.25\n";
    let before: Quantization = toml::from_str(before).unwrap();
    assert_eq!(before.recipe, Recipe::default());
    assert!(before.layers.is_empty() && before.tried.is_empty());
}

/// Rounded real numbers are the int8 engine's bytes, but for sums on the edge of two.
#[test]
fn the_rounded_tower_is_the_int8_tower() {
    let _alone = alone();
    let dataset = dataset();
    let training = samples(&dataset, Part::Train);
    for spec in towers() {
        let run = untrained(&spec, &training);
        let recipe = Recipe {
            bias_corrected: false,
            ..ALL
        };
        let quantized = quantize(&fused(&run), recipe, &training).unwrap();
        let tower = spec.build().unwrap();
        let rounding = FakeQuantization::new(&tower.graph, &quantized);
        let quantization = training.preprocess.quantization();
        let torch = TorchTower::with_parameters(
            &tower.graph,
            tower.normalized,
            quantization,
            &run.parameters,
            Device::Cpu,
        );
        let torch = torch.unwrap();
        let tensors = torch.tensors();
        let tensors = tensors
            .map(|(name, t)| (name.to_owned(), t.shallow_clone()))
            .collect();
        // Each layer by itself: what is off by a last bit grows from layer to layer.
        let graph = &quantized.graph;
        let interpreter = Interpreter::new(graph).unwrap();
        let (mut same, mut all) = (0, 0);
        for index in 0..training.len() {
            let bytes = interpreter.run(training.sample(index)).unwrap();
            let reals: Vec<Tensor> = (0..bytes.len())
                .map(|value| {
                    let meaning = graph.quantizations[value];
                    let real = |&byte: &u8| {
                        (f32::from(byte) - f32::from(meaning.zero_point)) * meaning.scale
                    };
                    let reals: Vec<f32> = bytes[value].iter().map(real).collect();
                    let shape = graph.shape(value);
                    let sizes = [1, shape.channels, shape.height, shape.width];
                    Tensor::from_slice(&reals).reshape(sizes.map(|size| size as i64))
                })
                .collect();
            for (node, expected) in graph.nodes.iter().enumerate() {
                let inputs: Vec<&Tensor> = expected.inputs.iter().map(|&v| &reals[v]).collect();
                let found = tch::no_grad(|| rounding.value(&tensors, node, &inputs));
                let found = Vec::<f32>::try_from(&found.contiguous().reshape(-1)).unwrap();
                let meaning = graph.quantizations[node + 1];
                for (real, &byte) in found.iter().zip(&bytes[node + 1]) {
                    let steps = (real / meaning.scale).round() + f32::from(meaning.zero_point);
                    let off = (steps - f32::from(byte)).abs();
                    assert!(off <= 1.0, "{spec:?}, {}: off by {off}", expected.name);
                    same += u32::from(off == 0.0);
                    all += 1;
                }
            }
        }
        let share = f64::from(same) / f64::from(all);
        assert!(share > 0.999, "{spec:?}: {share}");
    }
}

/// Trains on with rounded layers; the validation before, and the run after.
fn trained(spec: &TowerSpec) -> (Run, Best, Run) {
    let dataset = dataset();
    let before = untrained(spec, &samples(&dataset, Part::Train));
    let mut config = aware::configuration(&before.config);
    config.training.epochs = 1;
    config.training.learning_rate = 1e-3;
    let trainer = Trainer::quantization_aware(config, &before, &dataset, Device::Cpu);
    let mut trainer = trainer.unwrap();
    let given = trainer.best().unwrap();
    assert_eq!(given.epoch, 0);
    let folder = tempfile::tempdir().unwrap();
    before.save(folder.path()).unwrap();
    let best = trainer.run(folder.path(), &mut |_| ()).unwrap();
    assert!(
        best.epoch == 1 && best.validation > given.validation,
        "{best:?} {given:?}"
    );
    (before, best, Run::load(folder.path()).unwrap())
}

/// Gradients arrive at every weight of the narrow tower, statistics stay, and what is
/// learnt with rounded layers makes them better.
#[test]
fn a_narrow_tower_learns_with_rounded_layers() {
    let _alone = alone();
    let (before, _, after) = trained(&narrow());
    for (name, tensor) in &after.parameters {
        let stays = tensor == &before.parameters[name];
        assert_eq!(stays, name.contains("running"), "{name}");
    }
}

#[test]
fn training_with_rounded_layers_repeats_itself() {
    let _alone = alone();
    let spec = &towers()[0];
    let [(_, first, one), (_, second, other)] = [trained(spec), trained(spec)];
    assert_eq!(first, second);
    assert_eq!(one.parameters, other.parameters);
}
