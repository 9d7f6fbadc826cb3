//! A small network that marks what is as bright as a structure of references, made on the
//! spot: two maps of random features, each compared with references, and a decoder that adds
//! up what speaks for the structure.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests; a test may panic"
)]

use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::segment_golden;
use shared::artifact::golden::fill_input;
use shared::artifact::plan::{Add, Compare, Conv2d, Place, PlanHeader, UnitVectors, Upsample};
use shared::artifact::{Artifact, Card, Contents, Contract, Step, write};
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::segmentation::RecordShape;
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};

/// Side of the input, pixels.
pub const SIDE: u16 = 16;

/// The output byte above which the structure is.
pub const ZERO_POINT: u8 = 128;

/// What may differ between such networks.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Channels of the map of 8 x 8 pixels.
    pub wide: u16,
    /// Channels of the map of 4 x 4 pixels.
    pub deep: u16,
    /// Cells along each side of the wide map.
    pub grid: u8,
}

/// Records of 1214 bytes: three embeddings, of which the last one is filled up.
pub const USUAL: Sizes = Sizes {
    wide: 32,
    deep: 31,
    grid: 4,
};

/// Records of 98 bytes.
pub const SMALL: Sizes = Sizes {
    wide: 3,
    deep: 2,
    grid: 2,
};

/// An artifact with two golden vectors.
pub fn artifact(sizes: Sizes) -> Vec<u8> {
    let mut network = Network::new(sizes);
    let pixels = usize::from(SIDE) * usize::from(SIDE);
    let blank = vec![0; pixels];
    let draft = network.encode(&[(2, &blank), (3, &blank)]);
    let artifact = Artifact::parse(&draft).unwrap();
    let arena = vec![0; artifact.plan().arena_len()];
    let mut record = vec![0; artifact.plan().reference_len()];
    let mut engine = Int8Engine::new(artifact, arena).unwrap();
    let mut answer = |seed| {
        let (mut mask, mut output) = (blank.clone(), blank.clone());
        segment_golden(&mut engine, seed, &mut mask, &mut record, &mut output).unwrap();
        output
    };
    let (bars, noise) = (answer(2), answer(3));
    network.encode(&[(2, &bars), (3, &noise)])
}

/// Steps, weights and places, while they are put together.
struct Network {
    steps: Vec<Step>,
    weights: Vec<u8>,
    arena: u32,
    input: Place,
    record: usize,
}

impl Network {
    fn new(sizes: Sizes) -> Self {
        let mut this = Self {
            steps: vec![],
            weights: vec![],
            arena: 0,
            input: Place {
                offset: 0,
                height: SIDE,
                width: SIDE,
                channels: 1,
            },
            record: 0,
        };
        this.input = this.place(SIDE, 1);
        let wide = this.random_conv(this.input, sizes.wide, 1);
        let deep = this.random_conv(wide, sizes.deep, 3);
        for place in [wide, deep] {
            this.steps.push(Step::UnitVectors(UnitVectors {
                place,
                zero_point: 100,
            }));
        }
        let of_deep = this.compare(deep, 0, false);
        let of_wide = this.compare(wide, sizes.grid, true);
        let coarse = this.mix(of_deep, &[64, -64]);
        let coarse = this.upsample(coarse);
        let fine = this.mix(of_wide, &[64, -64, 64, -64, 8]);
        this.steps.push(Step::Add(Add {
            place: coarse,
            other: fine,
            zero_points: [128, 128],
            output_zero_point: 128,
            multipliers: [0.5, 0.5],
        }));
        let both = this.upsample(coarse);
        this.smooth(both);
        this
    }

    fn place(&mut self, side: u16, channels: u16) -> Place {
        let place = Place {
            offset: self.arena,
            height: side,
            width: side,
            channels,
        };
        self.arena += place.len() as u32;
        place
    }

    fn append(&mut self, bytes: &[u8]) -> u32 {
        let len = self.weights.len().next_multiple_of(4);
        self.weights.resize(len, 0);
        self.weights.extend_from_slice(bytes);
        len as u32
    }

    fn conv(
        &mut self,
        input: Place,
        (output, zero_point): (Place, u8),
        stride: u16,
        filters: &[u8],
        (bias, multiplier): (&[i32], f32),
    ) {
        let taps = filters.len() / usize::from(output.channels) / usize::from(input.channels);
        let kernel = taps.isqrt() as u16;
        let multipliers = vec![multiplier; output.channels.into()];
        let bias: Vec<u8> = bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
        let multipliers: Vec<u8> = multipliers.iter().flat_map(|m| m.to_le_bytes()).collect();
        let conv = Conv2d {
            input,
            output,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            input_zero_point: if self.steps.is_empty() { 0 } else { 128 },
            output_zero_point: zero_point,
            weights: self.append(filters),
            bias: self.append(&bias),
            multipliers: self.append(&multipliers),
        };
        self.steps.push(Step::Conv2d(conv));
    }

    /// Half as high and wide, of random filters and biases: features that tell what is bright
    /// from what is dark.
    fn random_conv(&mut self, input: Place, channels: u16, seed: u32) -> Place {
        let output = self.place(input.height / 2, channels);
        let length = 9 * usize::from(input.channels);
        let mut filters = vec![0; length * usize::from(channels)];
        fill_input(seed, length, &mut filters);
        // Filters have no -128.
        filters
            .iter_mut()
            .filter(|w| **w == 128)
            .for_each(|w| *w = 0);
        let bias: Vec<i32> = (0..i32::from(channels))
            .map(|channel| 9000 * (channel % 5 - 2))
            .collect();
        let multiplier = 0.01 / (length as f32).sqrt();
        self.conv(input, (output, 100), 2, &filters, (&bias, multiplier));
        output
    }

    fn compare(&mut self, features: Place, grid: u8, location: bool) -> Place {
        let mut compare = Compare {
            features,
            output: features,
            grid,
            location,
            first: self.record as u32,
        };
        compare.output = self.place(features.height, compare.channels());
        self.record += compare.record_len();
        self.steps.push(Step::Compare(compare));
        compare.output
    }

    /// One channel, a quarter of the weighted sum of all.
    fn mix(&mut self, input: Place, weights: &[i8]) -> Place {
        let output = self.place(input.height, 1);
        let filters: Vec<u8> = weights.iter().map(|&w| w as u8).collect();
        self.conv(input, (output, 128), 1, &filters, (&[0], 0.25 / 64.0));
        output
    }

    fn upsample(&mut self, input: Place) -> Place {
        let output = self.place(2 * input.height, input.channels);
        self.steps.push(Step::Upsample(Upsample { input, output }));
        output
    }

    /// The mask: nine neighbours' mean.
    fn smooth(&mut self, input: Place) {
        let output = self.place(input.height, 1);
        self.conv(
            input,
            (output, ZERO_POINT),
            1,
            &[14; 9],
            (&[0], 1.0 / 126.0),
        );
    }

    fn encode(&mut self, golden: &[(u32, &[u8])]) -> Vec<u8> {
        let preprocess = PicturePreprocess {
            width: SIDE,
            height: SIDE,
            colour: Colour::Grey,
            tone: Tone::Keep,
            crop: Crop::Whole,
            fit: Fit::Stretch,
            quantization: Quantization {
                scale: 1.0 / 255.0,
                zero_point: 0,
            },
        };
        let contract = Contract {
            preprocess: preprocess.into(),
            comparison: Comparison {
                embedding: EmbeddingFormat {
                    dim: RecordShape::new(self.record).dim as u16,
                    normalized: false,
                    zero_point: ZERO_POINT,
                    scale: EmbeddingFormat::UNIT_SCALE,
                },
                distance: Distance::Euclidean,
                fusion: Fusion::Prototype,
            },
        };
        let contents = Contents {
            contract: &contract,
            plan: &PlanHeader {
                arena_len: self.arena,
                input: self.input,
                output: *self.steps.last().unwrap().writes(),
                steps: 0,
            },
            steps: &self.steps,
            weights: &self.weights,
            measured_on: "nothing",
            operating_points: &[],
            golden,
            card: &Card {
                name: "brightness",
                data: "nothing",
                terms: "none",
                onnx_sha256: [0; 32],
            },
            quality: None,
            cohort: None,
        };
        let mut bytes = vec![0; 1 << 18];
        let (length, _) = write(&contents, &mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }
}
