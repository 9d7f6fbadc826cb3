//! `host-trainer import`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use shared::Distance;
use shared::preprocess::{PicturePreprocess, Quantization};

use super::picture::{DistanceName, PictureArgs, named};
use super::quantize::{ExportArgs, PROGRAM, print, relative};
use super::{DataArgs, tell};
use crate::checkpoint::Run;
use crate::config::{RunConfig, TrainingConfig};
use crate::dataset::{Dataset, DatasetName, Part, Tensors};
use crate::export::card::sha256;
use crate::export::model::{Source, export};
use crate::import::{self, Channels, MAX_LEN, Network, Reading, Scaling, agreement};
use crate::tower::TowerSpec;
use crate::tower::imported::Imported;

/// Training samples that layers and file are compared on.
const COMPARED_SAMPLES: usize = 32;

/// The least mean cosine between what the layers and the file compute. Where they compute
/// the same it is 1 but for rounding; the padding of channels with means of their own is
/// a little off.
const LEAST_AGREEMENT: f64 = 0.99;

/// The most that squared distances between both may be of the variance between pictures.
const MOST_UNEXPLAINED: f64 = 0.05;

/// What bytes mean to a network that nothing is known of.
const BYTES: Quantization = Quantization {
    scale: 1.0,
    zero_point: 0,
};

/// Make a model of somebody's embedding network: quantize an ONNX file to int8 with pictures of
/// a data set, measure operating points, and export it for devices
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The ONNX file of a network of pictures, in real numbers, with the embedding as output
    model: PathBuf,
    /// The model folder to write
    #[arg(long)]
    out: PathBuf,
    /// The data set whose training part calibrates and whose validation part gives operating
    /// points
    #[arg(long, value_enum)]
    dataset: DatasetName,
    #[command(flatten)]
    data: DataArgs,
    /// What the network's channels are [default: rgb of a network of three, grey of one]
    #[arg(long, value_enum)]
    channels: Option<Channels>,
    /// What the network wants to be subtracted from a byte, 0 to 255; one number, or one per
    /// channel with commas: 127.5 for MobileFaceNet, 123.675,116.28,103.53 for ImageNet's
    #[arg(long, value_delimiter = ',', requires = "std")]
    mean: Vec<f64>,
    /// What the difference is to be divided by: 128 for MobileFaceNet, 58.395,57.12,57.375 for
    /// ImageNet's
    #[arg(long, value_delimiter = ',', requires = "mean")]
    std: Vec<f64>,
    /// The output that is the embedding, where the file has several
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// How embeddings are compared
    #[arg(long, value_enum, default_value = "cosine")]
    distance: DistanceName,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    export: ExportArgs,
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, holds operators that no layer computes, computes something
/// else than the layers made of it, or the model cannot be exported.
pub fn run(args: &ImportArgs, out: &mut impl Write) -> Result<()> {
    let path = args.model.display();
    let onnx = edge_runtime::file::read(&args.model, MAX_LEN as u64)
        .with_context(|| format!("{path}: cannot be read"))?;
    let (reading, network) = read(args, &onnx).with_context(|| path.to_string())?;
    if network.quantization == BYTES && args.mean.is_empty() {
        tell(
            "warning: the network reads bytes as they are, from 0 to 255: where it wants them scaled, say how by --mean and --std",
        );
    }
    let dataset = args.dataset.load(args.data.data.as_deref())?;
    let run = into_run(args, &onnx, &reading, network, &dataset)?;
    let source = Source::of_run(run).with_context(|| path.to_string())?;
    compare(&onnx, &reading, &source, &dataset).with_context(|| path.to_string())?;
    let options = args.export.options(vec![command(args)?]);
    let card = export(&source, &dataset, &args.out, &options, &mut |what| {
        tell(what)
    })?;
    print(&args.out, &card, args.export.json, out)
}

/// The network, read as the flags say, or as its number of channels suggests.
fn read(args: &ImportArgs, onnx: &[u8]) -> Result<(Reading, Network)> {
    let scaling = (!args.mean.is_empty()).then(|| Scaling {
        mean: args.mean.clone(),
        std: args.std.clone(),
    });
    let size = args.picture.input;
    let reading = |channels| Reading {
        channels,
        scaling: scaling.clone(),
        size: size.map(|size| [size.height, size.width].map(usize::from)),
        output: args.output.clone(),
    };
    let channels = match args.channels {
        Some(channels) => channels,
        None => import::usual_channels(onnx, &reading(Channels::Grey))?,
    };
    let reading = reading(channels);
    let network = import::read(onnx, &reading)?;
    Ok((reading, network))
}

/// The network as a run whose weights were found elsewhere.
fn into_run(
    args: &ImportArgs,
    onnx: &[u8],
    reading: &Reading,
    network: Network,
    dataset: &Dataset,
) -> Result<Run> {
    let source = args.model.file_name().unwrap_or_default();
    let shape = network.graph.input_shape();
    let usual = dataset.preprocess.picture();
    let usual = usual
        .context("expected a data set of pictures to import for, found one of pen sequences")?;
    let preprocess = PicturePreprocess {
        width: shape.width as u16,
        height: shape.height as u16,
        colour: reading.channels.colour(),
        quantization: network.quantization,
        ..args.picture.preprocess(*usual)
    };
    Ok(Run {
        config: RunConfig {
            dataset: dataset.name.clone(),
            terms: format!(
                "{}; the network under the terms of whoever made it",
                dataset.terms
            ),
            split_sha256: dataset.split.hash(&dataset.classes),
            seed: 0,
            distance: Distance::from(args.distance),
            training: TrainingConfig {
                epochs: 0,
                steps_per_epoch: 0,
                ..TrainingConfig::default()
            },
            preprocess: preprocess.into(),
            tower: TowerSpec::Imported(Imported {
                source: source.to_string_lossy().into_owned(),
                source_sha256: sha256(onnx),
                normalized: network.normalized,
                layers: network.graph.nodes().to_vec(),
            }),
        },
        parameters: network.parameters,
    })
}

/// Measures that the layers compute what the file does.
fn compare(onnx: &[u8], reading: &Reading, source: &Source, dataset: &Dataset) -> Result<()> {
    let training = dataset.split.samples(dataset, Part::Train);
    let step = training.len().div_ceil(COMPARED_SAMPLES).max(1);
    let chosen: Vec<u32> = training.into_iter().step_by(step).collect();
    let samples = Tensors::new(dataset, &chosen, &source.config.preprocess)?;
    let found = agreement::measure(onnx, reading, &source.fused, &samples)?;
    ensure!(
        found.mean_cosine >= LEAST_AGREEMENT,
        "expected layers that compute what the file does, found a mean cosine of {:.5} between embeddings of {} pictures",
        found.mean_cosine,
        found.samples
    );
    ensure!(
        found.unexplained <= MOST_UNEXPLAINED,
        "expected layers that compute what the file does, found embeddings of {} pictures whose squared distances are {:.4} of their variance: all are much alike, so that their cosine of {:.5} says little",
        found.samples,
        found.unexplained,
        found.mean_cosine
    );
    tell(format_args!(
        "layers against the file itself, {} pictures: mean cosine {:.6}, least {:.6}",
        found.samples, found.mean_cosine, found.least_cosine
    ));
    Ok(())
}

/// The command that makes the model anew, wherever files are.
fn command(args: &ImportArgs) -> Result<String> {
    let mut command = format!("{PROGRAM} import {}", relative(&args.model));
    command += &named("dataset", Some(args.dataset));
    command += &named("channels", args.channels);
    for (flag, numbers) in [("mean", &args.mean), ("std", &args.std)] {
        if !numbers.is_empty() {
            let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
            command += &format!(" --{flag} {}", numbers.join(","));
        }
    }
    if let Some(output) = &args.output {
        command += &format!(" --output {output}");
    }
    if args.distance != DistanceName::Cosine {
        command += &named("distance", Some(args.distance));
    }
    command += &args.picture.flags();
    command += &format!(" --out {}", relative(&args.out));
    Ok(command + &args.export.flags())
}
