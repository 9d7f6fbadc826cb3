//! A network that segments, from training to the device's masks.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use host_trainer::checkpoint::{WEIGHTS, read_tensors};
use host_trainer::engine::{EngineName, Precision};
use host_trainer::export::costs::costs_of;
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::report::segmentation::{Judged, Subject, judge, render};
use host_trainer::segmentation::config::{Kind, SegmentationConfig, SegmentationTraining};
use host_trainer::segmentation::dataset::synthetic;
use host_trainer::segmentation::engine::{
    Reference, Segmenter, TractNetwork, TractSegmenter, open,
};
use host_trainer::segmentation::evaluate::{Options, evaluate};
use host_trainer::segmentation::export::{SegmentationCard, export, fused};
use host_trainer::segmentation::network::SegmentationNetwork;
use host_trainer::segmentation::onnx::Files;
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
        located: vec![1, 2],
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
    let dice = train_from(None, &config, folder);
    (config, dice)
}

fn train_from(pretrained: Option<&Path>, config: &SegmentationConfig, folder: &Path) -> f64 {
    let data = Data {
        real: vec![],
        synthetic: made_up(&config.network, 0..60),
        validation: made_up(&config.network, 60..70),
    };
    let costs = costs_of(&config.network.graph().unwrap()).unwrap();
    let pretrained = pretrained.map(|run| read_tensors(&run.join(WEIGHTS)).unwrap().0);
    let pretrained = pretrained.as_ref();
    let device = Device::Cpu;
    train(
        config,
        &data,
        pretrained,
        device,
        folder,
        costs,
        &mut |_| (),
    )
    .unwrap()
}

/// With next to no training, the weights are those that it began with.
#[test]
fn a_training_goes_on_from_another_runs_weights() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [base, on, fresh] = folders.each_ref().map(|folder| folder.path());
    let (mut config, dice) = trained(base, 60);
    config.training.steps = 1;
    config.training.learning_rate = 1e-9;
    config.training.average = 0.0;
    let of_base = train_from(Some(base), &config, on);
    let of_none = train_from(None, &config, fresh);
    assert!((of_base - dice).abs() < 0.02, "{of_base} {dice}");
    assert!(of_none < dice - 0.05, "{of_none} {dice}");
}

/// All real numbers of a mask's logits agree: libtorch's graph of episodes, and both ONNX graphs
/// in tract and in ONNX Runtime.
#[test]
fn libtorch_and_both_graphs_agree() {
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

    let files = Files::float(&fused, &preprocess.into(), &[]);
    let tract = TractNetwork::new(&files, 3).unwrap();
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
    let farthest = |found: &[f32]| {
        let pairs = torch.iter().zip(found);
        pairs.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()))
    };
    let farthest_of_tract = farthest(&found[0]);
    assert!(
        farthest_of_tract <= 1e-4 * scale.max(1.0),
        "{farthest_of_tract} of {scale}"
    );

    #[cfg(feature = "ort")]
    {
        use host_trainer::segmentation::engine::ort::OrtSegmenter;

        let mut ort = OrtSegmenter::new(&files, Precision::Float).unwrap();
        let references = references.map(|index| (samples.picture(index), samples.mask(index, 0)));
        ort.enroll(&references).unwrap();
        let found = ort.logits(samples.picture(query)).unwrap();
        let farthest = farthest(&found);
        assert!(farthest <= 1e-4 * scale.max(1.0), "{farthest} of {scale}");
    }
}

/// The whole way: training lowers nothing less than half of what is wrong, int8 keeps it, the
/// same seed gives the same model, and a model folder judges as its artifact does.
#[test]
fn a_trained_network_finds_structures_it_has_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let (config, _) = trained(&run, 120);
    let tasks = made_up(&config.network, 0..8);
    let model = folder.path().join("model");
    let card = export(&run, &config, &tasks, &model, vec![], &mut |_| ()).unwrap();
    assert_eq!(SegmentationCard::load(&model).unwrap(), card);
    assert!(card.quantization.agreement > 0.9, "{:?}", card.quantization);

    let options = Options {
        shots: 3,
        draws: 4,
        queries: 3,
        seed: 1,
    };
    let unseen = made_up(&config.network, 100..112);
    let count = unseen.len() as f64;
    let judge = |folder: &Path, engine, precision| {
        let mut artifact = vec![];
        let mut network = open(folder, engine, Some(precision), &mut artifact).unwrap();
        let (mut dice, mut of_nothing) = (0.0, 0.0);
        for samples in &unseen {
            let report = evaluate(&mut network, samples, &options, &mut |_| ()).unwrap();
            assert!(report.ci95[0] <= report.dice && report.dice <= report.ci95[1]);
            dice += report.dice / count;
            of_nothing += report.baselines.all_foreground / count;
        }
        (dice, of_nothing)
    };
    let (int8, nothing) = judge(&model, EngineName::Int8, Precision::Int8);
    assert!(int8 > 1.2 * nothing, "{int8} {nothing}");
    let others = [
        (&model, EngineName::Tract, Precision::Float),
        (&run, EngineName::Tract, Precision::Float),
        (&model, EngineName::Tract, Precision::Int8),
    ];
    let [float, of_run, quantized] =
        others.map(|(folder, engine, precision)| judge(folder, engine, precision).0);
    assert!((float - int8).abs() < 0.03, "{float} {int8}");
    assert_eq!(float, of_run);
    // A byte of a comparison may differ by one, and so pixels at the border of what is found.
    let precision = Some(Precision::Int8);
    let (mut artifact, mut unused) = (vec![], vec![]);
    let device = open(&model, EngineName::Int8, precision, &mut artifact);
    let tract = open(&model, EngineName::Tract, precision, &mut unused);
    let (mut device, mut tract) = (device.unwrap().segmenter, tract.unwrap().segmenter);
    let mut differing = 0.0;
    for samples in &unseen {
        let references: [Reference<'_>; 2] =
            [1, 2].map(|index| (samples.picture(index), samples.mask(index, 0)));
        let masks = [&mut device, &mut tract]
            .map(|segmenter| segmenter.segment(samples.picture(0), &references).unwrap());
        let differ = masks[0].iter().zip(&masks[1]).filter(|(a, b)| a != b);
        let share = differ.count() as f64 / masks[0].len() as f64;
        assert!(share < 0.03, "{}: {share}", samples.task);
        differing += share / count;
    }
    assert!(differing < 0.01, "{differing}");
    assert!((quantized - int8).abs() < 0.005, "{quantized} {int8}");

    // A run has no integers.
    let refused = open(&run, EngineName::Int8, None, &mut vec![])
        .err()
        .unwrap();
    assert!(refused.to_string().contains("quantize"), "{refused}");

    // Another training of the same seed is the same.
    let again = folder.path().join("again");
    std::fs::create_dir_all(&again).unwrap();
    trained(&again, 120);
    let second = folder.path().join("second").join("model");
    export(&again, &config, &tasks, &second, vec![], &mut |_| ()).unwrap();
    let [first, second] = [model, second].map(|folder| std::fs::read(folder.join("model.bin")));
    assert_eq!(first.unwrap(), second.unwrap());
}

/// Masks depend on what references say.
#[test]
fn the_same_query_gives_another_mask_after_other_references() {
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = trained(folder.path(), 60);
    let network = fused(folder.path(), &config).unwrap();
    let preprocess = preprocessing(config.network.side).into();
    let mut float = TractSegmenter::new(Files::float(&network, &preprocess, &[]));
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

/// The page shows each structure's figures at each number of references that there are pictures
/// for, and three queries; twice the same.
#[test]
fn a_report_shows_figures_and_masks() {
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = trained(folder.path(), 2);
    let page = || {
        let mut artifact = vec![];
        let engine = EngineName::Tract;
        let mut network = open(folder.path(), engine, None, &mut artifact).unwrap();
        // Eight pictures: enough for five references, too few for sixteen.
        let tasks = made_up(&config.network, 2..4);
        let judged = tasks
            .iter()
            .map(|task| judge(&mut network, task, false, true).unwrap());
        let judged: Vec<Judged> = judged.collect();
        for task in &judged {
            let shots: Vec<usize> = task.reports.iter().map(|report| report.shots).collect();
            assert_eq!(shots, [1, 5]);
            let [(name, examples)] = &task.examples[..] else {
                panic!("expected one structure, found {:?}", task.examples);
            };
            assert_eq!(name, "target");
            assert!(examples.is_sorted_by(|a, b| a.dice >= b.dice));
        }
        let subject = Subject {
            name: "tiny".into(),
            config: config.clone(),
            exported: None,
            history: None,
        };
        render(&subject, &network, &judged).unwrap()
    };
    let html = page();
    // Two tasks, three queries of each, twice.
    assert_eq!(html.matches("data:image/png;base64,").count(), 12);
    for text in [
        "tiny",
        "Dice against references",
        "Nearest mask",
        "Nothing of this task",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert_eq!(page(), html);
}
