//! What a model costs on a device: sizes, work, and the layers that do it.

use shared::artifact::plan::{Conv2d, Place};
use shared::artifact::{Artifact, Step};

use super::page::{Cell, Column, Table, grouped};

/// The steps of the plan with their work and bytes.
pub fn layers(artifact: &Artifact<'_>) -> Table {
    let layers: Vec<Layer> = artifact
        .plan()
        .steps()
        .map(|step| Layer::of(&step))
        .collect();
    let all = layers.iter().map(|layer| layer.macs).sum::<u64>().max(1);
    let row = |(index, layer): (usize, &Layer)| -> Vec<Cell> {
        vec![
            (index + 1).to_string().into(),
            layer.name.clone().into(),
            shape(&layer.input).into(),
            shape(&layer.output).into(),
            Cell::noted(
                grouped(layer.macs),
                format!("{:.1} %", 100.0 * layer.macs as f64 / all as f64),
            ),
            grouped(layer.bytes).into(),
            grouped((layer.input.len() + layer.output.len()) as u64).into(),
        ]
    };
    Table {
        title: "Layers of the plan".into(),
        words: "Multiply-accumulates of one embedding; bytes of weights (int8 filters, int32 \
                biases, f32 multipliers) and of the activations that a layer reads and writes."
            .into(),
        columns: vec![
            Column::number("#"),
            Column::text("operation"),
            Column::text("input"),
            Column::text("output"),
            Column::number("MACs"),
            Column::number("weight bytes"),
            Column::number("activation bytes"),
        ],
        rows: layers.iter().enumerate().map(row).collect(),
    }
}

struct Layer {
    name: String,
    input: Place,
    output: Place,
    macs: u64,
    bytes: u64,
}

impl Layer {
    fn of(step: &Step) -> Self {
        match step {
            Step::Conv2d(conv) => Self::convolution("convolution", conv, conv.filter_len(), step),
            Step::DepthwiseConv2d(conv) => {
                Self::convolution("depthwise convolution", conv, conv.taps(), step)
            }
            Step::Add(add) => Self::in_place("sum", add.place, 0),
            Step::Prelu(prelu) => {
                Self::in_place("PReLU", prelu.place, u64::from(prelu.place.channels))
            }
            Step::Copy(copy) => Self {
                name: format!("copy {} x {}", copy.size[0], copy.size[1]),
                input: copy.input,
                output: copy.output,
                macs: 0,
                bytes: 0,
            },
            Step::Gru(gru) => Self {
                name: match gru.bidirectional {
                    true => "recurrent, both directions".into(),
                    false => "recurrent".into(),
                },
                input: gru.input,
                output: gru.output,
                macs: step.macs(),
                bytes: (gru.weights_len().iter().sum::<usize>() * gru.directions()) as u64,
            },
            Step::SequenceMean(mean) => Self {
                name: "mean over steps".into(),
                input: mean.input,
                output: mean.output,
                macs: 0,
                bytes: 0,
            },
            Step::UnitVectors(vectors) => Self::in_place("unit vectors", vectors.place, 0),
            Step::Upsample(upsample) => Self {
                name: "twice as large".into(),
                input: upsample.input,
                output: upsample.output,
                macs: 0,
                bytes: 0,
            },
            Step::Compare(compare) => Self {
                name: "comparison with a reference".into(),
                input: compare.features,
                output: compare.output,
                macs: step.macs(),
                bytes: 0,
            },
            Step::MaxPool(pool) => Self {
                name: windowed("maximum", pool.kernel, pool.stride),
                input: pool.input,
                output: pool.output,
                macs: 0,
                bytes: 0,
            },
        }
    }

    /// Filters of `taps` int8 values, each with a bias and a multiplier of 4 bytes.
    fn convolution(name: &str, conv: &Conv2d, taps: usize, step: &Step) -> Self {
        let channels = u64::from(conv.output.channels);
        let filters = taps as u64 * channels;
        Self {
            name: windowed(name, conv.kernel, conv.stride),
            input: conv.input,
            output: conv.output,
            macs: step.macs(),
            bytes: filters + 8 * channels,
        }
    }

    /// A step that writes where it reads, with `slopes` of 4 bytes.
    fn in_place(name: &str, place: Place, slopes: u64) -> Self {
        Self {
            name: name.into(),
            input: place,
            output: place,
            macs: 0,
            bytes: 4 * slopes,
        }
    }
}

fn windowed(name: &str, kernel: [u16; 2], stride: [u16; 2]) -> String {
    let [height, width] = kernel;
    let step = match stride {
        [1, 1] => String::new(),
        [down, right] => format!(", step {down} \u{d7} {right}"),
    };
    format!("{name} {height} \u{d7} {width}{step}")
}

fn shape(place: &Place) -> String {
    let Place {
        height,
        width,
        channels,
        ..
    } = place;
    format!("{height} \u{d7} {width} \u{d7} {channels}")
}
