//! What the suite has in common: towers that were never trained, pictures that are
//! always there, and the real data when they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use host_trainer::checkpoint::Run;
use host_trainer::config::{RunConfig, TrainingConfig};
use host_trainer::dataset::synthetic_signatures::{RenderOptions, Signer, render};
use host_trainer::dataset::{Class, Dataset, Kind, Part, Sample, Source, Split};
use host_trainer::export::ARTIFACT;
use host_trainer::export::model::{self, Options, export};
use host_trainer::quantize::calibrate::Range;
use host_trainer::tower::{Layer, Parameters, Tensor, Tower, TowerSpec};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::Distance;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder of the real data sets, or `None` with a line that says what is left out.
pub fn data(test: &str) -> Option<PathBuf> {
    let data = std::env::var_os("SEMBLANCE_DATA").map(PathBuf::from);
    if data.is_none() {
        eprintln!("SKIPPED {test}: set SEMBLANCE_DATA to the folder of the data sets");
    }
    data
}

/// Weights as training might leave them: He-initialised filters, batch statistics off
/// centre, drawn from `seed`.
pub fn untrained(tower: &Tower, seed: u64) -> Parameters {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut parameters = Parameters::new();
    for (id, node) in tower.graph.nodes().iter().enumerate() {
        let channels = tower.graph.shape(id).channels;
        let mut add = |name: &str, shape: Vec<usize>, from: f32, to: f32| {
            let count = shape.iter().product();
            let values = (0..count).map(|_| random.random_range(from..to)).collect();
            parameters.insert(format!("{}.{name}", node.name), Tensor { shape, values });
        };
        match node.layer {
            Layer::Conv2d {
                kernel,
                groups,
                bias,
                ..
            } => {
                let inputs = tower.graph.shape(node.inputs[0]).channels / groups;
                let limit = (6.0 / (inputs * kernel[0] * kernel[1]) as f32).sqrt();
                let shape = vec![channels, inputs, kernel[0], kernel[1]];
                add("weight", shape, -limit, limit);
                if bias {
                    add("bias", vec![channels], -0.1, 0.1);
                }
            }
            Layer::BatchNorm => {
                add("weight", vec![channels], 0.5, 1.5);
                add("bias", vec![channels], -0.2, 0.4);
                add("running_mean", vec![channels], -0.3, 0.3);
                add("running_var", vec![channels], 0.3, 1.5);
            }
            Layer::Prelu => add("weight", vec![channels], -0.1, 0.5),
            Layer::Gru {
                units,
                bidirectional,
            } => {
                let inputs = tower.graph.shape(node.inputs[0]).channels;
                let limit = 1.0 / (units as f32).sqrt();
                let directions: &[&str] = if bidirectional {
                    &["", "_reverse"]
                } else {
                    &[""]
                };
                for direction in directions {
                    let mut gates = |name: &str, shape: &[usize]| {
                        let shape = [&[3 * units], shape].concat();
                        add(&format!("{name}{direction}"), shape, -limit, limit);
                    };
                    gates("weight_ih", &[inputs]);
                    gates("weight_hh", &[units]);
                    gates("bias_ih", &[]);
                    gates("bias_hh", &[]);
                }
            }
            Layer::Input(_)
            | Layer::Relu
            | Layer::Relu6
            | Layer::Add
            | Layer::MaxPool { .. }
            | Layer::GlobalAveragePool
            | Layer::SequenceMean
            | Layer::UnitVectors
            | Layer::Upsample
            | Layer::Compare { .. } => {}
        }
    }
    parameters
}

/// A run that was never trained, on [`signers`].
///
/// # Errors
/// When the tower cannot be built.
pub fn run(tower: TowerSpec, distance: Distance, seed: u64) -> Result<Run> {
    let dataset = signers(tower.input());
    Ok(Run {
        parameters: untrained(&tower.build()?, seed),
        config: RunConfig {
            dataset: dataset.name.clone(),
            terms: dataset.terms.clone(),
            split_sha256: dataset.split.hash(&dataset.classes),
            seed,
            distance,
            training: TrainingConfig::default(),
            preprocess: dataset.preprocess,
            tower,
        },
    })
}

/// Exports whatever int8 makes of a tower that was never trained.
pub fn options() -> Options {
    Options {
        tolerance: -1.0,
        ..Options::default()
    }
}

/// The artifact of a tower that was never trained.
///
/// # Errors
/// When the tower cannot be built or exported.
pub fn artifact(tower: TowerSpec, seed: u64) -> Result<Vec<u8>> {
    let run = run(tower.clone(), Distance::Cosine, seed)?;
    let folder = tempfile::tempdir()?;
    export(
        &model::Source::of_run(run)?,
        &signers(tower.input()),
        folder.path(),
        &options(),
        &mut |_| (),
    )?;
    Ok(std::fs::read(folder.path().join(ARTIFACT))?)
}

/// Twenty-four generated signers, eight per part, eight genuine and four forged signatures each.
pub fn signers([height, width]: [usize; 2]) -> Dataset {
    let (mut classes, mut samples) = (vec![], vec![]);
    for index in 0..24 {
        let signer = Arc::new(Signer::new(11, index));
        for number in 0..12 {
            let (signer, forged) = (Arc::clone(&signer), number >= 8);
            samples.push(Sample {
                class: index,
                kind: if forged { Kind::Forged } else { Kind::Genuine },
                name: format!("signer {index}, sample {number}"),
                source: Source::Generated(Arc::new(move || {
                    let sequence = match forged {
                        true => signer.forgery(number, 0),
                        false => signer.genuine(number),
                    };
                    render(&sequence, &RenderOptions::default())
                })),
            });
        }
        classes.push(Class {
            name: format!("signer {index}"),
            group: String::new(),
        });
    }
    let mut parts = [Part::Train, Part::Validation, Part::Test]
        .into_iter()
        .cycle();
    let split = Split::by_class(&classes, |_| parts.next().unwrap_or(Part::Train));
    Dataset {
        name: "few-signers".into(),
        terms: "generated".into(),
        classes,
        samples,
        split,
        pairs: vec![],
        preprocess: PicturePreprocess {
            width: width as u16,
            height: height as u16,
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

/// Ranges as a calibration might find them, drawn from `seed`: golden files must not
/// depend on how a machine rounds real-numbered sums.
pub fn made_up_ranges(values: usize, seed: u64) -> Vec<Range> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..values)
        .map(|_| Range {
            least: -random.random_range(0.5..2.0f32),
            most: random.random_range(1.0..4.0f32),
        })
        .collect()
}
