//! Invariant 5, operator by operator: random small graphs give the same bytes in every
//! instruction set, in tract with our kernels and with its own, and in ONNX Runtime. (tract
//! rounds otherwise where there is one filter: see `shared/docs/int8-arithmetic.md`.)
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use edge_runtime::engine::tract::read;
use edge_runtime::kernels::conv2d::{self, Filters, packed::PackedConv2d};
use edge_runtime::kernels::depthwise_conv2d::{self, packed::PackedDepthwiseConv2d};
use edge_runtime::kernels::{InstructionSet, add, max_pool, prelu};
use host_trainer::engine::ort::{environment, sums_are_exact};
use host_trainer::export::onnx::{self, EMBEDDING_Q8, Format};
use host_trainer::export::plan::{DevicePlan, plan};
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::quantize::int8::QuantizedGraph;
use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::{Graph, Layer, Shape, Tower, TowerSpec};
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::TensorRef;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use shared::artifact::Step;
use shared::artifact::plan::{Conv2d, Place};
use shared::preprocess::Quantization;
use tests::{made_up_ranges, untrained};
use tract_onnx::pb::AttributeProto;
use tract_onnx::prelude::*;

/// What is put on maps of some channels.
#[derive(Clone, Copy, Debug)]
enum Operator {
    Convolution { filters: usize, depthwise: bool },
    Sum { relu: bool },
    Prelu,
    MaxPool,
}

/// A graph of one operator on random maps.
#[derive(Clone, Debug)]
struct Case {
    operator: Operator,
    shape: [usize; 3],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    zero_point: u8,
    seed: u64,
}

fn case(
    operator: impl Strategy<Value = Operator>,
    channels: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Case> {
    let pair = |range: std::ops::RangeInclusive<usize>| [range.clone(), range];
    (
        operator,
        (channels, 1usize..=9, 1usize..=20),
        pair(1..=5),
        pair(1..=3),
        pair(0..=2),
        any::<u8>(),
        any::<u64>(),
    )
        .prop_map(
            |(operator, (channels, height, width), kernel, stride, padding, zero_point, seed)| {
                // Windows fit, and no window lies in the padding alone.
                let padding = [0, 1].map(|axis| padding[axis].min(kernel[axis] - 1));
                let size = [height, width];
                let size = [0, 1].map(|axis| {
                    let least = kernel[axis].saturating_sub(2 * padding[axis]);
                    size[axis].max(least)
                });
                Case {
                    operator,
                    shape: [channels, size[0], size[1]],
                    kernel,
                    stride,
                    padding,
                    zero_point,
                    seed,
                }
            },
        )
}

impl Case {
    fn graph(&self) -> Graph {
        let [channels, height, width] = self.shape;
        let mut graph = Graph::new(Shape {
            channels,
            height,
            width,
        });
        let convolution = |out_channels, groups| Layer::Conv2d {
            out_channels,
            groups,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            bias: true,
        };
        match self.operator {
            Operator::Convolution {
                depthwise: true, ..
            } => graph
                .push("depthwise", convolution(channels, channels), &[0])
                .unwrap(),
            Operator::Convolution { filters, .. } => {
                graph.push("conv", convolution(filters, 1), &[0]).unwrap()
            }
            Operator::MaxPool => {
                let pool = Layer::MaxPool {
                    kernel: self.kernel,
                    stride: self.stride,
                    padding: self.padding,
                };
                // A pool of bytes that somebody made, as in every tower.
                let from = graph
                    .push("conv", Layer::conv(channels, 1, 1), &[0])
                    .unwrap();
                graph.push("pool", pool, &[from]).unwrap()
            }
            Operator::Prelu => {
                let from = graph
                    .push("conv", Layer::conv(channels, 1, 1), &[0])
                    .unwrap();
                graph.push("prelu", Layer::Prelu, &[from]).unwrap()
            }
            Operator::Sum { relu } => {
                let [a, b] = ["a", "b"]
                    .map(|name| graph.push(name, Layer::conv(channels, 1, 1), &[0]).unwrap());
                let sum = graph.push("sum", Layer::Add, &[a, b]).unwrap();
                match relu {
                    true => graph.push("relu", Layer::Relu, &[sum]).unwrap(),
                    false => sum,
                }
            }
        };
        graph
    }

    fn tower(&self) -> Tower {
        Tower {
            // A short name for graphs made by hand is not needed here.
            spec: TowerSpec::Conv4(Conv4 {
                input: [16, 16],
                width: 1,
                embedding: 1,
                normalized: false,
            }),
            graph: self.graph(),
            normalized: false,
        }
    }

    fn quantized(&self) -> QuantizedGraph {
        let tower = self.tower();
        let fused = FusedGraph::new(&tower, &untrained(&tower, self.seed)).unwrap();
        let ranges = made_up_ranges(fused.values(), self.seed);
        let input = Quantization {
            scale: 1.0 / 255.0,
            zero_point: self.zero_point,
        };
        QuantizedGraph::new(&fused, &ranges, input).unwrap()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let quantized = self.quantized();
        let plan = plan(&quantized).unwrap();
        let sample = noise(self.seed, self.shape.iter().product());
        let expected = run(&plan, InstructionSet::Scalar, &sample);
        for set in InstructionSet::supported() {
            prop_assert!(run(&plan, set, &sample) == expected, "{} differs", set);
        }
        let operators = onnx::encode(&onnx::int8(&quantized, Format::Operators, &[]).unwrap());
        let between =
            onnx::encode(&onnx::int8(&quantized, Format::DequantizeQuantize, &[]).unwrap());
        // ONNX has channels first.
        let sample = channels_first(&sample, self.shape);
        let output = self.graph().output_shape();
        let expected = channels_first(&expected, [output.channels, output.height, output.width]);
        if sums_are_exact() {
            let found = onnx_runtime_bytes(&operators, self.shape, &sample);
            prop_assert!(found == expected, "ONNX Runtime differs");
        }
        let stock = onnx().model_for_read(&mut &operators[..]).unwrap();
        prop_assert!(
            tract_bytes(stock, self.shape, &sample) == expected,
            "tract differs"
        );
        for file in [operators, between] {
            let found = tract_bytes(read(&file).unwrap(), self.shape, &sample);
            prop_assert!(found == expected, "our kernels in tract differ");
        }
        Ok(())
    }
}

/// The plan's steps, one by one, each as the engine computes it.
fn run(plan: &DevicePlan, set: InstructionSet, sample: &[u8]) -> Vec<u8> {
    let mut arena = vec![0; plan.header.arena_len as usize];
    arena[plan.header.input.range()].copy_from_slice(sample);
    for step in &plan.steps {
        let taken = |place: Place, arena: &[u8]| arena[place.range()].to_vec();
        let (place, bytes) = match step {
            Step::Conv2d(conv) => {
                let (input, filters) = (
                    taken(conv.input, &arena),
                    filters(conv, conv.filter_len(), plan),
                );
                let mut output = vec![0; conv.output.len()];
                match PackedConv2d::new(set, conv, &filters) {
                    Some(packed) => {
                        packed.run(&input, &mut output, &mut vec![9; packed.scratch_len()])
                    }
                    None => conv2d::scalar::conv2d(conv, &filters, &input, &mut output),
                }
                (conv.output, output)
            }
            Step::DepthwiseConv2d(conv) => {
                let (input, filters) =
                    (taken(conv.input, &arena), filters(conv, conv.taps(), plan));
                let mut output = vec![0; conv.output.len()];
                match PackedDepthwiseConv2d::new(set, conv, &filters) {
                    Some(packed) => {
                        packed.run(&input, &mut output, &mut vec![9; packed.scratch_len()])
                    }
                    None => depthwise_conv2d::scalar::depthwise_conv2d(
                        conv,
                        &filters,
                        &input,
                        &mut output,
                    ),
                }
                (conv.output, output)
            }
            Step::MaxPool(pool) => {
                let mut output = vec![0; pool.output.len()];
                max_pool::max_pool(set, pool, &taken(pool.input, &arena), &mut output);
                (pool.output, output)
            }
            Step::Add(step) => {
                let mut output = taken(step.place, &arena);
                add::add(set, step, &mut output, &taken(step.other, &arena));
                (step.place, output)
            }
            Step::Prelu(step) => {
                let mut output = taken(step.place, &arena);
                let slopes = &plan.weights[step.slopes as usize..];
                prelu::prelu(set, step, slopes, &mut output);
                (step.place, output)
            }
            Step::Copy(_) => unreachable!("whole maps are computed"),
            Step::UnitVectors(_) | Step::Upsample(_) | Step::Compare(_) => {
                unreachable!("embeddings are made without references")
            }
            Step::Gru(_) | Step::SequenceMean(_) => {
                unreachable!("ONNX has no operators for sequences in integers")
            }
        };
        arena[place.range()].copy_from_slice(&bytes);
    }
    arena[plan.header.output.range()].to_vec()
}

fn filters<'a>(conv: &Conv2d, filter_len: usize, plan: &'a DevicePlan) -> Filters<'a> {
    let channels = usize::from(conv.output.channels);
    let part = |offset: u32, len: usize| &plan.weights[offset as usize..][..len];
    Filters {
        weights: part(conv.weights, filter_len * channels),
        bias: part(conv.bias, 4 * channels),
        multipliers: part(conv.multipliers, 4 * channels),
    }
}

fn onnx_runtime_bytes(
    file: &[u8],
    [channels, height, width]: [usize; 3],
    sample: &[u8],
) -> Vec<u8> {
    let mut session = Session::builder(environment().unwrap())
        .unwrap()
        // Optimized, it adds in other arithmetic.
        .with_optimization_level(GraphOptimizationLevel::Disable)
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .commit_from_memory(file)
        .unwrap();
    let input = TensorRef::from_array_view(([1, channels, height, width], sample)).unwrap();
    let outputs = session.run(ort::inputs![input]).unwrap();
    outputs[EMBEDDING_Q8]
        .try_extract_tensor::<u8>()
        .unwrap()
        .1
        .to_vec()
}

fn tract_bytes(
    mut model: InferenceModel,
    [channels, height, width]: [usize; 3],
    sample: &[u8],
) -> Vec<u8> {
    let shape = [1, channels, height, width];
    model.select_outputs_by_name([EMBEDDING_Q8]).unwrap();
    model.set_input_fact(0, u8::fact(shape).into()).unwrap();
    let plan = model.into_optimized().unwrap().into_runnable().unwrap();
    let input = Tensor::from_shape(&shape, sample).unwrap();
    let outputs = plan.run(tvec!(input.into_tvalue())).unwrap();
    let plain = outputs[0].try_as_plain_ram().unwrap();
    plain.as_slice::<u8>().unwrap().to_vec()
}

/// Bytes of height x width x channels as channels x height x width.
fn channels_first(bytes: &[u8], [channels, height, width]: [usize; 3]) -> Vec<u8> {
    let pixels = height * width;
    (0..channels)
        .flat_map(|channel| (0..pixels).map(move |pixel| bytes[pixel * channels + channel]))
        .collect()
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| {
            (seed
                .wrapping_mul(i.wrapping_mul(2) + 1)
                .wrapping_add(i << 40)
                >> 40) as u8
        })
        .collect()
}

/// A convolution that our kernels do not know runs all the same, and as tract computes it.
#[test]
fn a_dilated_convolution_is_left_to_tract() {
    let case = Case {
        operator: Operator::Convolution {
            filters: 5,
            depthwise: false,
        },
        shape: [3, 8, 9],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        zero_point: 7,
        seed: 5,
    };
    let mut model = onnx::int8(&case.quantized(), Format::Operators, &[]).unwrap();
    let nodes = &mut model.graph.as_mut().unwrap().node;
    let conv = nodes
        .iter_mut()
        .find(|node| node.op_type == "QLinearConv")
        .unwrap();
    let of_kind = |name: &str, ints: Vec<i64>| AttributeProto {
        name: name.into(),
        r#type: 7,
        ints,
        ..AttributeProto::default()
    };
    conv.attribute.retain(|attribute| attribute.name != "pads");
    conv.attribute.push(of_kind("pads", vec![2; 4]));
    conv.attribute.push(of_kind("dilations", vec![2, 2]));
    let file = onnx::encode(&model);
    let sample = noise(3, 3 * 8 * 9);
    let stock = onnx().model_for_read(&mut &file[..]).unwrap();
    let expected = tract_bytes(stock, case.shape, &sample);
    let undilated = onnx::encode(&onnx::int8(&case.quantized(), Format::Operators, &[]).unwrap());
    assert_ne!(
        tract_bytes(read(&undilated).unwrap(), case.shape, &sample),
        expected
    );
    assert_eq!(
        tract_bytes(read(&file).unwrap(), case.shape, &sample),
        expected
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn convolutions_agree(case in case(
        (2usize..=70).prop_map(|filters| Operator::Convolution { filters, depthwise: false }), 1..=20,
    )) {
        case.check()?;
    }

    #[test]
    fn depthwise_convolutions_agree(case in case(
        Just(Operator::Convolution { filters: 0, depthwise: true }), 2..=70,
    )) {
        case.check()?;
    }

    #[test]
    fn sums_agree(case in case(
        any::<bool>().prop_map(|relu| Operator::Sum { relu }), 2..=20,
    )) {
        case.check()?;
    }

    #[test]
    fn prelus_agree(case in case(Just(Operator::Prelu), 2..=40)) {
        case.check()?;
    }

    #[test]
    fn pools_agree(case in case(Just(Operator::MaxPool), 2..=70)) {
        case.check()?;
    }
}
