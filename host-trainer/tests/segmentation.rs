//! A network that segments, from training to the device's masks.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use host_trainer::export::costs::costs_of;
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::segmentation::config::{Kind, SegmentationConfig, SegmentationTraining};
use host_trainer::segmentation::dataset::synthetic;
use host_trainer::segmentation::engine::{FloatSegmenter, Int8Network, Reference, Segmenter};
use host_trainer::segmentation::evaluate::{Options, evaluate};
use host_trainer::segmentation::export::{SegmentationCard, export, fused};
use host_trainer::segmentation::float::{Files, FloatNetwork};
use host_trainer::segmentation::network::SegmentationNetwork;
use host_trainer::segmentation::samples::{Samples, preprocessing};
use host_trainer::segmentation::train::{Data, train};
use host_trainer::tower::torch::{Mode, TorchTower};
use tch::{Device, Kind as Number, Tensor};

/// A network that is soon trained.
fn small() -> SegmentationNetwork {
    SegmentationNetwork {
        side: 64,
        widths: vec![4, 8, 12, 16],
        features: 8,
        compared: vec![1, 2],
        cells: 2,
        location: true,
    }
}

fn made_up(network: &SegmentationNetwork, tasks: std::ops::Range<u64>) -> Vec<Samples> {
    let preprocess = preprocessing(network.side);
    tasks
        .map(|index| Samples::new(&synthetic::task(7, index, 8), &preprocess, |_| true).unwrap())
        .collect()
}

fn config(network: SegmentationNetwork, steps: usize) -> SegmentationConfig {
    SegmentationConfig {
        kind: Kind::Segmentation,
        tasks: vec![],
        left_out: vec![],
        seed: 3,
        training: SegmentationTraining {
            steps,
            pictures: 16,
            synthetic_tasks: 60,
            real: 0.0,
            steps_per_epoch: steps,
            ..Default::default()
        },
        network,
    }
}

fn trained(folder: &Path, steps: usize) -> (SegmentationConfig, f64) {
    let config = config(small(), steps);
    let data = Data {
        real: vec![],
        synthetic: made_up(&config.network, 0..60),
        validation: made_up(&config.network, 60..70),
    };
    let costs = costs_of(&config.network.graph().unwrap()).unwrap();
    let dice = train(&config, &data, Device::Cpu, folder, costs, &mut |_| ()).unwrap();
    (config, dice)
}

/// All real numbers of a mask's logits agree: libtorch's graph of episodes and both ONNX graphs
/// in tract.
#[test]
fn libtorch_and_both_graphs_in_tract_agree() {
    tch::manual_seed(5);
    let network = small();
    let graph = network.graph().unwrap();
    let preprocess = preprocessing(network.side);
    let tower = TorchTower::new(&graph, false, preprocess.quantization, Device::Cpu);
    let parameters = tower.parameters().unwrap();
    let fused = FusedGraph::of(&graph, false, &parameters).unwrap();
    let samples = &made_up(&network, 3..4)[0];
    let side = network.side as i64;
    let (query, references) = (0, [1, 2, 3]);
    let chosen = std::iter::once(query).chain(references);
    let pictures: Vec<u8> = chosen
        .flat_map(|index| samples.picture(index).to_vec())
        .collect();
    let pictures = Tensor::from_slice(&pictures).reshape([4, 1, side, side]);
    let masks: Vec<u8> = references
        .iter()
        .flat_map(|&index| samples.mask(index, 0))
        .collect();
    let masks = Tensor::from_slice(&masks)
        .to_kind(Number::Float)
        .reshape([1, 3, side, side]);
    let logits =
        tch::no_grad(|| tower.segment(&tower.dequantize(&pictures), &masks, Mode::Inference));
    let torch: Vec<f32> = Vec::try_from(logits.reshape(-1)).unwrap();

    let files = Files::new(&fused, &preprocess.into(), &[]);
    let tract = FloatNetwork::new(&files, 3).unwrap();
    let records: Vec<f32> = references
        .iter()
        .flat_map(|&index| {
            tract
                .record(samples.picture(index), &samples.mask(index, 0))
                .unwrap()
        })
        .collect();
    let found = tract.query(samples.picture(query), &records).unwrap();
    let scale = torch
        .iter()
        .fold(0.0f32, |most, value| most.max(value.abs()));
    let farthest = torch
        .iter()
        .zip(&found[0])
        .fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(farthest <= 1e-4 * scale.max(1.0), "{farthest} of {scale}");
}

/// The whole way: training lowers nothing less than half of what is wrong, int8 keeps it, the
/// same seed gives the same model, and a model folder judges as its artifact does.
#[test]
fn a_trained_network_finds_structures_it_has_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let (config, _) = trained(&run, 120);
    let network = fused(&run, &config).unwrap();
    let tasks = made_up(&config.network, 0..8);
    let model = folder.path().join("model");
    let card = export(&run, &config, &tasks, &model, vec![], &mut |_| ()).unwrap();
    assert_eq!(SegmentationCard::load(&model).unwrap(), card);
    assert!(card.quantization.agreement > 0.9, "{:?}", card.quantization);

    let preprocess = preprocessing(config.network.side).into();
    let mut float = FloatSegmenter::new(Files::new(&network, &preprocess, &[]));
    let artifact = std::fs::read(model.join("model.bin")).unwrap();
    let mut int8 = Int8Network::new(&artifact).unwrap();
    let options = Options {
        shots: 3,
        draws: 4,
        queries: 3,
        seed: 1,
    };
    let (mut of_float, mut of_int8, mut of_nothing) = (0.0, 0.0, 0.0);
    let unseen = made_up(&config.network, 100..112);
    for samples in &unseen {
        let judge = |segmenter: &mut dyn Segmenter| {
            evaluate(segmenter, "test", samples, &options, &mut |_| ()).unwrap()
        };
        of_float += judge(&mut float).dice;
        let report = judge(&mut int8);
        of_int8 += report.dice;
        of_nothing += report.baselines.all_foreground;
        assert!(report.ci95[0] <= report.dice && report.dice <= report.ci95[1]);
    }
    assert!(
        (of_float - of_int8).abs() / 12.0 < 0.03,
        "{of_float} {of_int8}"
    );
    assert!(of_int8 > 1.2 * of_nothing, "{of_int8} {of_nothing}");

    // Another training of the same seed is the same.
    let again = folder.path().join("again");
    std::fs::create_dir_all(&again).unwrap();
    trained(&again, 120);
    let second = folder.path().join("second").join("model");
    export(&again, &config, &tasks, &second, vec![], &mut |_| ()).unwrap();
    assert_eq!(std::fs::read(second.join("model.bin")).unwrap(), artifact);
}

/// Masks depend on what references say.
#[test]
fn the_same_query_gives_another_mask_after_other_references() {
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = trained(folder.path(), 60);
    let network = fused(folder.path(), &config).unwrap();
    let preprocess = preprocessing(config.network.side).into();
    let mut float = FloatSegmenter::new(Files::new(&network, &preprocess, &[]));
    let samples = &made_up(&config.network, 2..3)[0];
    let reference: [Reference<'_>; 1] = [(samples.picture(1), samples.mask(1, 0))];
    let inverse: [Reference<'_>; 1] = [(
        samples.picture(1),
        samples.mask(1, 0).iter().map(|value| 1 - value).collect(),
    )];
    let mask = float.segment(samples.picture(0), &reference).unwrap();
    let other = float.segment(samples.picture(0), &inverse).unwrap();
    assert_ne!(mask, other);
}
