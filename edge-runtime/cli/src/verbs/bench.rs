use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;
use edge_runtime::Engine;
use serde_json::{Value, json};
use shared::Preprocess;
use shared::artifact::golden::fill_input;
use shared::cohort::Measure;
use shared::preprocess::Image;
use shared::preprocess::pen::PenPoint;

use super::structures;
use crate::Outcome;
use crate::arguments::Bench;
use crate::model::{engine, marks};

/// Side of the picture that preprocessing is measured on, pixels.
const SIDE: u32 = 256;
/// Events of the signature that it is measured on, of a pen.
const EVENTS: u32 = 250;

/// Wall-clock times of each stage, one after the other in one thread.
struct Stages {
    preprocess: Vec<Duration>,
    embed: Vec<Duration>,
    compare: Vec<Duration>,
}

pub(super) fn run(arguments: &Bench, out: &mut impl Write) -> Result<Outcome> {
    let model = arguments.model.open()?;
    let artifact = model.artifact()?;
    if marks(&artifact) {
        return structures::bench(arguments, &model, out);
    }
    let mut engine = engine(&model, arguments.model.engine)?;
    let stages = measure(&mut engine, &artifact.measure(), arguments.runs)?;
    let macs = artifact.plan().macs();
    let embed = median(&stages.embed);
    let rate = macs as f64 / embed.as_secs_f64() / 1e9;
    if arguments.json {
        let result = json!({
            "model_id": artifact.model_id().to_string(),
            "engine": arguments.model.engine.name(),
            "clock": "wall, one thread",
            "runs": arguments.runs,
            "preprocess": stage(&stages.preprocess),
            "embed": stage(&stages.embed),
            "compare": stage(&stages.compare),
            "embeddings_per_second": 1.0 / embed.as_secs_f64(),
            "gmacs_per_second": rate,
            "macs": macs,
            "arena_bytes": artifact.plan().arena_len(),
            "peak_memory_bytes": peak_memory(),
        });
        writeln!(out, "{result}")?;
        return Ok(Outcome::Yes);
    }
    writeln!(
        out,
        "engine {}, {} runs, wall clock, one thread",
        arguments.model.engine.name(),
        arguments.runs
    )?;
    let preprocess = match artifact.contract().preprocess {
        Preprocess::Picture(_) => format!("preprocess a {SIDE} x {SIDE} picture"),
        Preprocess::Pen(_) => format!("preprocess {EVENTS} events of a pen"),
    };
    for (name, times) in [
        (preprocess.as_str(), &stages.preprocess),
        ("embed", &stages.embed),
        ("compare with one sample", &stages.compare),
    ] {
        writeln!(out, "{}", line(name, times))?;
    }
    writeln!(
        out,
        "{:.0} embeddings a second; {macs} multiply-accumulates each, {rate:.2} billion a second",
        1.0 / embed.as_secs_f64()
    )?;
    if let Some(bytes) = peak_memory() {
        writeln!(
            out,
            "at most {:.1} MB of memory, {} bytes of it for activations",
            bytes as f64 / 1e6,
            artifact.plan().arena_len()
        )?;
    }
    Ok(Outcome::Yes)
}

/// Median and 95 % point, for programs.
pub(super) fn stage(times: &[Duration]) -> Value {
    json!({
        "median_us": microseconds(median(times)),
        "p95_us": microseconds(percentile(times, 95)),
    })
}

/// The same, for people.
pub(super) fn line(name: &str, times: &[Duration]) -> String {
    format!(
        "{name:32}  median {:>10.1} us, 95 % below {:>10.1} us",
        microseconds(median(times)),
        microseconds(percentile(times, 95))
    )
}

/// The most memory that this program held so far, bytes, where Linux says so.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn measure(engine: &mut impl Engine, distance: &Measure<'_>, runs: u32) -> Result<Stages> {
    let contract = *engine.contract();
    let format = contract.comparison.embedding;
    let dim = usize::from(format.dim);
    let mut pixels = vec![0; (SIDE * SIDE) as usize];
    fill_input(2, SIDE as usize, &mut pixels);
    // Ink on paper: crops and thresholds then do what they do on real pictures.
    pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
    let image = Image::new(SIDE, SIDE, 1, &pixels)?;
    let points = scrawl();
    let mut input = vec![0; contract.preprocess.output_len()];
    let (mut raw, mut embedding) = (vec![0; dim], vec![0; dim]);
    let mut stages = Stages {
        preprocess: vec![],
        embed: vec![],
        compare: vec![],
    };
    // The first runs warm caches and are not counted.
    for run in 0..runs + 10 {
        let started = Instant::now();
        match &contract.preprocess {
            Preprocess::Picture(spec) => spec.run(black_box(&image), &mut input)?,
            Preprocess::Pen(spec) => {
                spec.run(black_box(&points[..]), &mut input)?;
            }
        }
        let preprocessed = Instant::now();
        engine.run(black_box(&input), &mut raw)?;
        format.finish(&raw, &mut embedding);
        let embedded = Instant::now();
        let shots = std::iter::once(embedding.as_slice());
        black_box(distance.probe(&embedding).distance_to(shots));
        let compared = Instant::now();
        if run >= 10 {
            stages.preprocess.push(preprocessed - started);
            stages.embed.push(embedded - preprocessed);
            stages.compare.push(compared - embedded);
        }
    }
    Ok(stages)
}

/// Loops of a pen: events of 10 milliseconds.
fn scrawl() -> Vec<PenPoint> {
    let event = |index: u32| {
        let angle = f64::from(index) / 8.0;
        PenPoint {
            x: (100.0 * angle + 900.0 * angle.cos()) as i32,
            y: (700.0 * (1.3 * angle).sin()) as i32,
            t: 10 * index,
            pressure: 500,
            end_of_stroke: index % 90 == 89,
        }
    };
    (0..EVENTS).map(event).collect()
}

fn median(times: &[Duration]) -> Duration {
    percentile(times, 50)
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
