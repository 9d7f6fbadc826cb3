//! The packed engine against the plain one, on networks at random.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::engine::int8::step::PackedStep;
use edge_runtime::kernels::InstructionSet;
use proptest::prelude::*;
use shared::artifact::plan::{Add, Conv2d, MaxPool, Place, PlanHeader, Prelu};
use shared::artifact::{Artifact, Card, Contents, Contract, OperatingPoint, Step, write};
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};

/// Bytes of each of the two halves of the arena: layers read one and write the other.
const HALF: u32 = 1 << 15;

/// Odd kernels, padded by half their size.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Convolution {
        kernel: u16,
        stride: u16,
        channels: u16,
    },
    Depthwise {
        kernel: u16,
        stride: u16,
    },
    MaxPool,
    Prelu,
    /// A depthwise convolution and the sum with what it read.
    Residual,
}

fn layer() -> impl Strategy<Value = Layer> {
    let kernel = || prop::sample::select(vec![1u16, 3, 5]);
    prop_oneof![
        (kernel(), 1u16..=2, 1u16..=40).prop_map(|(kernel, stride, channels)| {
            Layer::Convolution {
                kernel,
                stride,
                channels,
            }
        }),
        (kernel(), 1u16..=2).prop_map(|(kernel, stride)| Layer::Depthwise { kernel, stride }),
        Just(Layer::MaxPool),
        Just(Layer::Prelu),
        Just(Layer::Residual),
    ]
}

/// A plan while it grows.
struct Network {
    steps: Vec<Step>,
    weights: Vec<u8>,
    last: Place,
    noise: Noise,
}

/// Xorshift.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    /// 0 to 1.
    fn real(&mut self) -> f32 {
        f32::from(self.byte()) / 255.0
    }
}

impl Network {
    fn of(input: [u16; 2], layers: &[Layer], channels: u16, seed: u64) -> Self {
        let mut network = Self {
            steps: vec![],
            weights: vec![],
            last: Place {
                offset: 0,
                height: input[0],
                width: input[1],
                channels: 1,
            },
            noise: Noise(seed | 1),
        };
        for &layer in layers {
            network.grow(layer);
        }
        // Fully connected.
        let whole = [network.last.height, network.last.width];
        network.convolution(whole, 1, [0, 0], Some(channels));
        network
    }

    fn grow(&mut self, layer: Layer) {
        match layer {
            Layer::Convolution {
                kernel,
                stride,
                channels,
            } => self.convolution([kernel; 2], stride, [kernel / 2; 2], Some(channels)),
            Layer::Depthwise { kernel, stride } => {
                self.convolution([kernel; 2], stride, [kernel / 2; 2], None);
            }
            Layer::MaxPool if self.last.height >= 2 && self.last.width >= 2 => self.max_pool(),
            Layer::MaxPool => {}
            Layer::Prelu => self.prelu(),
            Layer::Residual => {
                let other = self.last;
                self.convolution([3; 2], 1, [1; 2], None);
                let add = Add {
                    place: self.last,
                    other,
                    zero_points: [self.noise.byte(), self.noise.byte()],
                    output_zero_point: self.noise.byte(),
                    multipliers: [self.noise.real(), self.noise.real()],
                };
                self.steps.push(Step::Add(add));
            }
        }
    }

    /// A depthwise one without a number of channels.
    fn convolution(
        &mut self,
        kernel: [u16; 2],
        stride: u16,
        padding: [u16; 2],
        channels: Option<u16>,
    ) {
        let input = self.last;
        let size = |size: u16, axis: usize| (size + 2 * padding[axis] - kernel[axis]) / stride + 1;
        let output = Place {
            offset: HALF - input.offset,
            height: size(input.height, 0),
            width: size(input.width, 1),
            channels: channels.unwrap_or(input.channels),
        };
        let seen = usize::from(if channels.is_some() {
            input.channels
        } else {
            1
        });
        let filter = usize::from(kernel[0] * kernel[1]) * seen;
        let filters = usize::from(output.channels);
        let weights = self.noise.bytes(filter * filters);
        let bias: Vec<u8> = (0..filters)
            .flat_map(|_| (i32::from(self.noise.byte()) * 100 - 12_800).to_le_bytes())
            .collect();
        // Random sums grow with the root of their length; bytes should not all be cut.
        let scale = 0.02 / (filter as f32).sqrt();
        let multipliers: Vec<u8> = (0..filters)
            .flat_map(|_| (self.noise.real() * scale).to_le_bytes())
            .collect();
        let conv = Conv2d {
            input,
            output,
            kernel,
            stride: [stride; 2],
            padding,
            input_zero_point: self.noise.byte(),
            output_zero_point: self.noise.byte(),
            weights: self.store(&weights),
            bias: self.store(&bias),
            multipliers: self.store(&multipliers),
        };
        self.last = output;
        self.steps.push(match channels {
            Some(_) => Step::Conv2d(conv),
            None => Step::DepthwiseConv2d(conv),
        });
    }

    fn max_pool(&mut self) {
        let input = self.last;
        self.last = Place {
            offset: HALF - input.offset,
            height: input.height / 2,
            width: input.width / 2,
            channels: input.channels,
        };
        self.steps.push(Step::MaxPool(MaxPool {
            input,
            output: self.last,
            kernel: [2; 2],
            stride: [2; 2],
            padding: [0; 2],
        }));
    }

    fn prelu(&mut self) {
        let channels = self.last.channels;
        let slopes: Vec<u8> = (0..channels)
            .flat_map(|_| (self.noise.real() * 2.0 - 1.0).to_le_bytes())
            .collect();
        let prelu = Prelu {
            place: self.last,
            input_zero_point: self.noise.byte(),
            output_zero_point: self.noise.byte(),
            multiplier: self.noise.real() * 2.0,
            slopes: self.store(&slopes),
        };
        self.steps.push(Step::Prelu(prelu));
    }

    /// Appends to the weights; where they begin.
    fn store(&mut self, bytes: &[u8]) -> u32 {
        let start = self.weights.len();
        self.weights.extend(bytes);
        let end = self.weights.len().next_multiple_of(4);
        self.weights.resize(end, 0);
        start as u32
    }

    fn artifact(&self, input: [u16; 2]) -> Vec<u8> {
        let embedding = EmbeddingFormat {
            dim: self.last.channels,
            normalized: true,
            zero_point: 128,
            scale: EmbeddingFormat::UNIT_SCALE,
        };
        let expected = vec![0; usize::from(embedding.dim)];
        let contents = Contents {
            contract: &contract(input, embedding),
            plan: &PlanHeader {
                arena_len: 2 * HALF,
                input: Place {
                    offset: 0,
                    height: input[0],
                    width: input[1],
                    channels: 1,
                },
                output: self.last,
                steps: 0,
            },
            steps: &self.steps,
            weights: &self.weights,
            measured_on: "",
            operating_points: &[ANY_POINT],
            golden: &[(0, &expected)],
            card: &Card {
                name: "",
                data: "",
                terms: "",
                onnx_sha256: [0; 32],
            },
            quality: None,
            cohort: None,
        };
        let mut bytes = vec![0; self.weights.len() + 4096 + 64 * self.steps.len()];
        let (length, _) = write(&contents, &mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }
}

/// No artifact is without one.
const ANY_POINT: OperatingPoint = OperatingPoint {
    far_target: 0.5,
    shots: 1,
    threshold: 0.5,
    margin: 0.0,
    far: 0.5,
    far_upper: 1.0,
    frr: 0.5,
    frr_upper: 1.0,
    impostors: 1,
    genuine: 1,
};

fn contract([height, width]: [u16; 2], embedding: EmbeddingFormat) -> Contract {
    Contract {
        preprocess: PicturePreprocess {
            width,
            height,
            colour: Colour::Grey,
            tone: Tone::Invert,
            crop: Crop::Whole,
            fit: Fit::Stretch,
            quantization: Quantization {
                scale: 0.5,
                zero_point: 0,
            },
        }
        .into(),
        comparison: Comparison {
            embedding,
            distance: Distance::Euclidean,
            fusion: Fusion::Prototype,
        },
    }
}

proptest! {
    #[test]
    fn packed_steps_give_the_plain_engines_bytes(
        input in prop::array::uniform2(1u16..=24),
        layers in prop::collection::vec(layer(), 0..6),
        channels in 1u16..=40,
        seed: u64,
    ) {
        let mut network = Network::of(input, &layers, channels, seed);
        let bytes = network.artifact(input);
        let artifact = Artifact::parse(&bytes).unwrap();
        let mut plain = Int8Engine::new(artifact.clone(), vec![0; artifact.plan().arena_len()]).unwrap();
        let mut engines: Vec<_> = InstructionSet::supported()
            .map(|set| PackedInt8Engine::new(artifact.clone(), set).unwrap())
            .collect();
        // Nothing of one picture may be left for the next.
        for _ in 0..2 {
            let picture = network.noise.bytes(artifact.plan().input().len());
            let mut expected = vec![0; usize::from(channels)];
            plain.run(&picture, &mut expected).unwrap();
            for engine in &mut engines {
                let mut found = vec![0; usize::from(channels)];
                engine.run(&picture, &mut found).unwrap();
                prop_assert_eq!(&found, &expected, "{}", engine.instruction_set());
            }
        }
    }
}

/// A plan that passes every check may ask for vector instructions on shapes for which they
/// want memory by the gigabyte.
#[test]
fn no_step_takes_much_scratch_memory() {
    const TAPS: u16 = 32_896;
    let row = Place {
        offset: 0,
        height: 1,
        width: u16::MAX,
        channels: 1,
    };
    let conv = Conv2d {
        input: row,
        output: row,
        kernel: [1, TAPS],
        stride: [1, 1],
        padding: [0, 0],
        input_zero_point: 0,
        output_zero_point: 0,
        weights: 0,
        bias: TAPS.into(),
        multipliers: u32::from(TAPS) + 4,
    };
    let weights = vec![1; usize::from(TAPS) + 8];
    let high = Conv2d {
        input: Place {
            height: 64,
            width: 1 << 13,
            channels: 64,
            ..row
        },
        output: Place {
            height: 1,
            width: 1 << 13,
            channels: 64,
            ..row
        },
        kernel: [64, 1],
        weights: 0,
        bias: 64 * 64,
        multipliers: 64 * 64 + 4 * 64,
        ..conv
    };
    for set in InstructionSet::supported() {
        for conv in [conv, high] {
            let step = PackedStep::new(Step::DepthwiseConv2d(conv), set, &weights).unwrap();
            assert!(
                step.scratch_len() <= 16 << 20,
                "{set}: {}",
                step.scratch_len()
            );
        }
    }
}

/// Steps may name the same weights, and each would pack its own copy.
#[test]
fn packed_weights_are_bounded_by_the_stored_ones() {
    let mut network = Network::of([8, 8], &[], 40, 1);
    // A wide one, again and again; weights do not grow.
    let last = network.last;
    let wide = Place {
        offset: if last.offset == 0 { HALF } else { 0 },
        channels: 4096,
        ..last
    };
    let inputs = usize::from(last.channels);
    network
        .weights
        .resize(network.weights.len().next_multiple_of(4), 0);
    let offset = network.weights.len() as u32;
    let filters = 4096 * inputs;
    network
        .weights
        .resize(network.weights.len() + filters + 8 * 4096, 0);
    let conv = Conv2d {
        input: last,
        output: wide,
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0, 0],
        input_zero_point: 0,
        output_zero_point: 0,
        weights: offset,
        bias: offset + filters as u32,
        multipliers: offset + filters as u32 + 4 * 4096,
    };
    let back = Conv2d {
        input: wide,
        output: last,
        bias: offset + filters as u32,
        ..conv
    };
    for _ in 0..100 {
        network.steps.push(Step::Conv2d(conv));
        network.steps.push(Step::Conv2d(back));
    }
    let bytes = network.artifact([8, 8]);
    let artifact = Artifact::parse(&bytes).unwrap();
    let stored = artifact.weights().len();
    for set in InstructionSet::supported() {
        let mut engine = PackedInt8Engine::new(artifact.clone(), set).unwrap();
        let packed = engine.packed_len();
        assert!(packed <= 4 * stored + (4 << 20), "{set}: {packed}");
        let picture = vec![3; artifact.plan().input().len()];
        let mut plain = Int8Engine::new(artifact.clone(), vec![0; 2 * HALF as usize]).unwrap();
        let mut outputs = [vec![0; inputs], vec![0; inputs]];
        engine.run(&picture, &mut outputs[0]).unwrap();
        plain.run(&picture, &mut outputs[1]).unwrap();
        assert_eq!(outputs[0], outputs[1], "{set}");
    }
}
