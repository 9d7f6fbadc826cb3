//! Images a second of a training step, beside Python's PyTorch with the same libtorch.
//!
//! ```sh
//! cargo bench --profile dev -p host-trainer --bench training_step
//! ```
//!
//! Conv4-64 on 28 x 28 pixels, batches of 32 classes x 4, batch-hard triplets on
//! Euclidean distance, AdamW, gradients clipped: forward, loss, backward, update. The
//! peers take turns of ten steps in one run; the figures are medians over turns, and
//! ratios are between turns next to each other, so that a busy machine slows all alike.
//! `SEMBLANCE_PYTHON` names a Python with PyTorch 2.11 (`python3` when it does not);
//! without one only our own figures are printed. `SEMBLANCE_THREADS`, 1 unless it is
//! set, are the threads of each.
//!
//! `ours, real data` adds what training does besides: drawing a batch, taking it from
//! the decoded data set, random affine changes.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use host_trainer::config::{
    LossConfig, Miner, OptimizerConfig, RunConfig, SamplerConfig, TrainingConfig,
};
use host_trainer::dataset::synthetic_signatures::{RenderOptions, Signer, render};
use host_trainer::dataset::{Class, Dataset, Kind as SampleKind, Part, Sample, Source, Split};
use host_trainer::loss::{Batch, Labels, Loss};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::torch::{Mode, TorchTower};
use host_trainer::train::Trainer;
use host_trainer::train::optimizer::Optimizer;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use shared::Distance;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use tch::{Device, Kind, Tensor};

const CLASSES: i64 = 32;
const SAMPLES: i64 = 4;
const TURNS: usize = 21;
const STEPS: usize = 10;

/// Learns once from a batch; its loss.
type Step = Box<dyn FnMut() -> f64>;

fn main() {
    let threads = std::env::var("SEMBLANCE_THREADS").map_or(1, |text| text.parse().unwrap());
    tch::set_num_threads(threads);
    let mut python = Python::start(threads);
    let mut peers: Vec<(&str, Step)> = vec![
        ("ours, float32", ours(Kind::Float)),
        ("ours, bfloat16", ours(Kind::BFloat16)),
        ("ours, float32, real data", real_data()),
    ];
    let modes = ["float32", "float32-channels-last", "bfloat16-channels-last"];
    let modes: Vec<&str> = modes.iter().copied().filter(|_| python.is_some()).collect();
    let mut seconds: Vec<Vec<f64>> = vec![vec![]; peers.len() + modes.len()];
    // The first turn warms up.
    for turn in 0..=TURNS {
        for (place, (_, peer)) in peers.iter_mut().enumerate() {
            let start = Instant::now();
            for _ in 0..STEPS {
                peer();
            }
            let elapsed = start.elapsed().as_secs_f64();
            seconds[place].extend((turn > 0).then_some(elapsed));
        }
        for (place, mode) in modes.iter().enumerate() {
            let elapsed = python.as_mut().unwrap().run(mode);
            seconds[peers.len() + place].extend((turn > 0).then_some(elapsed));
        }
    }
    let images = (CLASSES * SAMPLES) as f64 * STEPS as f64;
    let names = peers.iter().map(|(name, _)| (*name).to_owned());
    let names = names.chain(modes.iter().map(|mode| format!("Python, {mode}")));
    println!("\n{threads} thread(s), batch {}", CLASSES * SAMPLES);
    for (name, seconds) in names.zip(&seconds) {
        println!(
            "{name:<32} {:>8.0} images a second",
            images / median(seconds.clone())
        );
    }
    let ratio = |name: &str, peer: usize, own: usize| {
        let ratios = seconds[peer].iter().zip(&seconds[own]);
        let ratios = ratios.map(|(peer, own)| peer / own).collect();
        println!("{name:<58} {:.3}", median(ratios));
    };
    println!("\nspeed ratios, median of {TURNS} turns:");
    ratio("real data : synthetic batch, ours, float32", 0, 2);
    if !modes.is_empty() {
        ratio("ours : Python, float32", 3, 0);
        ratio("ours : Python with channels last, float32", 4, 0);
        ratio("ours : Python with channels last, bfloat16", 5, 1);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn conv4() -> Conv4 {
    Conv4 {
        input: [28, 28],
        width: 64,
        embedding: 64,
        normalized: true,
    }
}

const TRIPLET: LossConfig = LossConfig::Triplet { margin: Some(0.5) };

/// A step on a batch that stays the same.
fn ours(kind: Kind) -> Step {
    let quantization = Quantization {
        scale: 1.0 / 255.0,
        zero_point: 0,
    };
    let graph = conv4().graph().unwrap();
    let tower = TorchTower::new(&graph, true, quantization, Device::Cpu).training_in(kind);
    let input = Tensor::rand([CLASSES * SAMPLES, 1, 28, 28], (Kind::Float, Device::Cpu));
    let class = Tensor::arange(CLASSES, (Kind::Int64, Device::Cpu));
    let batch = Batch::Samples(Labels {
        class: class.repeat_interleave_self_int(SAMPLES, None, None),
        genuine: Tensor::ones([CLASSES * SAMPLES], (Kind::Bool, Device::Cpu)),
    });
    let sizes = [CLASSES, 64];
    let loss = Loss::new(
        TRIPLET,
        Distance::Euclidean,
        Miner::BatchHard,
        sizes,
        Device::Cpu,
    );
    let config = OptimizerConfig::AdamW { weight_decay: 1e-4 };
    let mut optimizer = Optimizer::new(config, tower.trainable());
    Box::new(move || {
        let found = loss.of(&tower.forward(&input, Mode::Training), &batch);
        found.backward();
        optimizer.step(tower.trainable(), 3e-3, 10.0);
        found.double_value(&[])
    })
}

/// A step of the trainer itself.
fn real_data() -> Step {
    let dataset = signers();
    let config = RunConfig {
        dataset: dataset.name.clone(),
        terms: dataset.terms.clone(),
        split_sha256: dataset.split.hash(&dataset.classes),
        seed: 1,
        distance: Distance::Euclidean,
        training: TrainingConfig {
            loss: TRIPLET,
            sampler: SamplerConfig::PByK {
                classes: CLASSES as usize,
                samples: SAMPLES as usize,
            },
            ..TrainingConfig::default()
        },
        preprocess: dataset.preprocess,
        tower: TowerSpec::Conv4(conv4()),
    };
    let mut trainer = Trainer::new(config, &dataset, Device::Cpu).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    Box::new(move || trainer.step(1_000_000, &mut random).unwrap().0)
}

/// Eighty generated signers of twelve signatures; the last sixteen for validation.
fn signers() -> Dataset {
    let (mut classes, mut samples) = (vec![], vec![]);
    for index in 0..80 {
        let signer = Arc::new(Signer::new(11, index));
        samples.extend((0..12).map(|number| {
            let signer = Arc::clone(&signer);
            Sample {
                class: index,
                kind: SampleKind::Genuine,
                name: format!("signer {index}, sample {number}"),
                source: Source::Generated(Arc::new(move || {
                    render(&signer.genuine(number), &RenderOptions::default())
                })),
            }
        }));
        classes.push(Class {
            name: format!("signer {index}"),
            group: String::new(),
        });
    }
    let mut index = 0..80;
    let split = Split::by_class(&classes, |_| match index.next() {
        Some(0..64) => Part::Train,
        _ => Part::Validation,
    });
    Dataset {
        name: "signers".into(),
        terms: "generated".into(),
        classes,
        samples,
        split,
        pairs: vec![],
        preprocess: PicturePreprocess {
            width: 28,
            height: 28,
            colour: Colour::Grey,
            tone: Tone::Ink,
            crop: Crop::Ink,
            fit: Fit::Contain,
            quantization: Quantization {
                scale: 1.0 / 255.0,
                zero_point: 0,
            },
        }
        .into(),
    }
}

/// The peer, a process that runs steps on demand.
struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    fn start(threads: i32) -> Option<Self> {
        let program = std::env::var("SEMBLANCE_PYTHON").unwrap_or("python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/benches/peer.py");
        let mut child = Command::new(&program)
            .arg(script)
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (input, output) = (child.stdin.take()?, child.stdout.take()?);
        let mut output = BufReader::new(output);
        let mut version = String::new();
        output.read_line(&mut version).ok()?;
        if version.is_empty() {
            println!(
                "{program} has no PyTorch: only our own figures follow; SEMBLANCE_PYTHON names another Python"
            );
            return None;
        }
        println!("peer: PyTorch {}", version.trim());
        Some(Self {
            child,
            input,
            output,
        })
    }

    fn run(&mut self, mode: &str) -> f64 {
        writeln!(self.input, "{mode} {STEPS}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim().parse().unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
