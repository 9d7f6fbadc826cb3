//! Networks as other tools export them, read as layers: ONNX Runtime runs the file, our
//! engines what was made of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod exported;

use exported::Exported;
use exported::networks::{mobile_face_net, mobile_net, residual_net};
use host_trainer::checkpoint::Run;
use host_trainer::config::{RunConfig, TrainingConfig};
use host_trainer::dataset::{Dataset, Part, Tensors};
use host_trainer::engine::ort::{environment, sums_are_exact};
use host_trainer::engine::{EngineName, Precision, open};
use host_trainer::evaluate::Embedded;
use host_trainer::export::model::{Source, export};
use host_trainer::export::onnx;
use host_trainer::import::{Channels, Network, Reading, Scaling, agreement, read};
use host_trainer::quantize::float::FloatGraph;
use host_trainer::quantize::fused::FusedGraph;
use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::depthwise_separable::{Activation, DepthwiseSeparable};
use host_trainer::tower::imported::Imported;
use host_trainer::tower::residual::Residual;
use host_trainer::tower::{Tower, TowerSpec};
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::TensorRef;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::{Distance, Preprocess};
use tests::{options, run, signers, untrained};

/// `(byte - mean) / std` as MobileFaceNet has it.
fn faces() -> Reading {
    Reading {
        channels: Channels::Rgb,
        scaling: Some(Scaling {
            mean: vec![127.5],
            std: vec![128.0],
        }),
        size: None,
        output: None,
    }
}

fn fused(network: &Network) -> FusedGraph {
    FusedGraph::new(&tower(network), &network.parameters).unwrap()
}

fn tower(network: &Network) -> Tower {
    Tower {
        spec: spec(network),
        graph: network.graph.clone(),
        normalized: network.normalized,
    }
}

fn spec(network: &Network) -> TowerSpec {
    TowerSpec::Imported(Imported {
        source: "network.onnx".into(),
        source_sha256: String::new(),
        normalized: network.normalized,
        layers: network.graph.nodes().to_vec(),
    })
}

fn preprocess(network: &Network, colour: Colour) -> Preprocess {
    let shape = network.graph.input_shape();
    PicturePreprocess {
        width: shape.width as u16,
        height: shape.height as u16,
        colour,
        tone: Tone::Keep,
        crop: Crop::Whole,
        fit: Fit::Stretch,
        quantization: network.quantization,
    }
    .into()
}

/// Pictures of noise, preprocessed: channels side by side.
fn noise(preprocess: &Preprocess, count: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_u32;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    let mut picture = || (0..preprocess.output_len()).map(|_| byte()).collect();
    (0..count).map(|_| picture()).collect()
}

/// What ONNX Runtime makes of real inputs of that shape.
fn reference(file: &[u8], shape: &[usize], input: &[f32]) -> Vec<f32> {
    let mut session = Session::builder(environment().unwrap())
        .unwrap()
        .with_optimization_level(GraphOptimizationLevel::Disable)
        .unwrap()
        .commit_from_memory(file)
        .unwrap();
    let input = TensorRef::from_array_view((shape, input)).unwrap();
    let outputs = session.run(ort::inputs![input]).unwrap();
    outputs[0].try_extract_tensor::<f32>().unwrap().1.to_vec()
}

/// The network's layers against ONNX Runtime on the file. `channels_last` is how the file has
/// its input.
fn check(file: &[u8], reading: &Reading, channels_last: bool, within: f32) -> Network {
    let network = read(file, reading).unwrap();
    let colour = reading.channels.colour();
    let preprocess = preprocess(&network, colour);
    let float = FloatGraph::new(&fused(&network), &preprocess).unwrap();
    let [height, width] = [preprocess.shape().height, preprocess.shape().width].map(usize::from);
    let planes = usize::from(colour.channels());
    let channels = 3;
    for picture in noise(&preprocess, 3) {
        let mut expected = reading_of(&picture, reading, planes, channels);
        let mut shape = vec![1, height, width, channels];
        if !channels_last {
            shape = vec![1, channels, height, width];
            let area = height * width;
            expected = (0..area * channels)
                .map(|index| expected[index % area * channels + index / area])
                .collect();
        }
        let expected = reference(file, &shape, &expected);
        let mut found = float.run(&picture).unwrap().pop().unwrap();
        if network.normalized {
            let length = found.iter().map(|v| v * v).sum::<f32>().sqrt();
            found.iter_mut().for_each(|value| *value /= length);
        }
        assert_eq!(expected.len(), found.len());
        let largest = expected.iter().fold(0f32, |most, v| most.max(v.abs()));
        for (expected, found) in expected.iter().zip(&found) {
            let off = (expected - found).abs() / largest;
            assert!(off <= within, "{expected} against {found}: {off}");
        }
    }
    network
}

/// What a network reads of a picture, channels side by side.
fn reading_of(picture: &[u8], reading: &Reading, planes: usize, channels: usize) -> Vec<f32> {
    let scaling = reading.scaling.clone().unwrap_or(Scaling {
        mean: vec![0.0],
        std: vec![1.0],
    });
    let of = |numbers: &[f64], channel: usize| numbers[channel % numbers.len()];
    let pixels = picture.chunks_exact(planes);
    let values = pixels.flat_map(|pixel| {
        (0..channels).map(|channel| {
            let source = match (reading.channels, planes) {
                (_, 1) => 0,
                (Channels::Bgr, _) => 2 - channel,
                _ => channel,
            };
            let byte = f64::from(pixel[source]);
            ((byte - of(&scaling.mean, channel)) / of(&scaling.std, channel)) as f32
        })
    });
    values.collect()
}

#[test]
fn what_was_exported_is_read_back_the_same() {
    let towers = [
        TowerSpec::Conv4(Conv4 {
            input: [20, 33],
            width: 6,
            embedding: 10,
            normalized: true,
        }),
        TowerSpec::Residual(Residual {
            input: [97, 99],
            width: 6,
            blocks: 2,
            pooled: true,
            embedding: 10,
            normalized: false,
        }),
        TowerSpec::DepthwiseSeparable(DepthwiseSeparable {
            input: [28, 28],
            width: 0.125,
            activation: Activation::Prelu,
            embedding: 10,
            normalized: true,
        }),
    ];
    for spec in towers {
        let tower = spec.build().unwrap();
        let expected = FusedGraph::new(&tower, &untrained(&tower, 3)).unwrap();
        let [height, width] = spec.input();
        let preprocess: Preprocess = PicturePreprocess {
            quantization: Quantization {
                scale: 1.0 / 255.0,
                zero_point: 3,
            },
            ..*signers([height, width]).preprocess.picture().unwrap()
        }
        .into();
        let file = onnx::encode(&onnx::float(&expected, &preprocess, &[]));
        let network = read(&file, &Reading::bytes(Colour::Grey)).unwrap();
        assert_eq!(network.quantization, preprocess.quantization());
        assert_eq!(fused(&network), expected, "{spec:?}");
    }
}

#[test]
fn networks_of_other_tools_compute_the_same() {
    let network = check(&mobile_face_net().file, &faces(), false, 2e-3);
    assert!(network.normalized);
    assert_eq!(network.quantization.zero_point, 128);
    let names = |network: &Network| -> Vec<String> {
        let nodes = network.graph.nodes().iter();
        nodes.map(|node| node.name.clone()).collect()
    };
    assert!(names(&network).contains(&"block.depthwise.Conv".to_owned()));
    let bytes = Reading::bytes(Colour::Rgb);
    let network = check(&mobile_net().file, &bytes, true, 2e-3);
    assert!(network.normalized);
    // The scaling inside the file decides what a byte means.
    assert_eq!(network.quantization.zero_point, 128);
    assert!((network.quantization.scale - 1.0 / 127.5).abs() < 1e-9);
    let network = check(&residual_net().file, &faces(), false, 5e-3);
    assert!(!network.normalized);
}

/// Without padding before the first sums, a mean of each channel is exact.
#[test]
fn channels_and_their_means_are_read_as_told() {
    let mut net = Exported::new(11, [1, 3, 12, 10]);
    let conv = net.conv("conv", "input", [8, 3, 3, 3], &[]);
    let rectified = net.node("relu", "Relu", &[&conv], &[]);
    let mean = net.node("mean", "GlobalAveragePool", &[&rectified], &[]);
    let file = net.finish(&mean).file;
    for channels in [Channels::Rgb, Channels::Bgr, Channels::Grey] {
        let reading = Reading {
            channels,
            scaling: Some(Scaling {
                mean: vec![123.675, 116.28, 103.53],
                std: vec![58.395, 57.12, 57.375],
            }),
            ..faces()
        };
        check(&file, &reading, false, 1e-5);
    }
}

#[test]
fn an_imported_network_runs_on_every_engine() {
    for (file, reading) in [
        (mobile_face_net().file, faces()),
        (mobile_net().file, Reading::bytes(Colour::Rgb)),
        (residual_net().file, faces()),
    ] {
        let network = read(&file, &reading).unwrap();
        let dataset = Dataset {
            preprocess: preprocess(&network, Colour::Rgb),
            ..signers([8, 8])
        };
        let run = Run {
            config: RunConfig {
                training: TrainingConfig::default(),
                preprocess: dataset.preprocess,
                tower: spec(&network),
                ..run(conv4(), Distance::Cosine, 0).unwrap().config
            },
            parameters: network.parameters.clone(),
        };
        let source = Source::of_run(run).unwrap();
        let chosen: Vec<u32> = dataset.split.samples(&dataset, Part::Train);
        let samples = Tensors::new(&dataset, &chosen[..8], &dataset.preprocess).unwrap();
        let found = agreement::measure(&file, &reading, &source.fused, &samples).unwrap();
        assert!(found.least_cosine > 0.9999, "{found:?}");
        assert!(found.unexplained < 1e-3, "{found:?}");
        let folder = tempfile::tempdir().unwrap();
        export(&source, &dataset, folder.path(), &options(), &mut |_| ()).unwrap();
        let embed = |engine, precision| {
            let mut embedder = open(folder.path(), engine, Some(precision)).unwrap();
            Embedded::new(&mut *embedder, &dataset, Part::Test)
                .unwrap()
                .embeddings
        };
        let int8 = embed(EngineName::Int8, Precision::Int8);
        assert_eq!(int8, embed(EngineName::Tract, Precision::Int8));
        if sums_are_exact() {
            assert_eq!(int8, embed(EngineName::Ort, Precision::Int8));
        }
        // Quantized anew from its own real-numbered file, it is the same model.
        let before = std::fs::read(folder.path().join("model.bin")).unwrap();
        let again = Source::of_model(folder.path()).unwrap();
        assert_eq!(again.fused, source.fused);
        export(&again, &dataset, folder.path(), &options(), &mut |_| ()).unwrap();
        assert_eq!(
            before,
            std::fs::read(folder.path().join("model.bin")).unwrap()
        );
    }
}

fn conv4() -> TowerSpec {
    TowerSpec::Conv4(Conv4 {
        input: [16, 16],
        width: 4,
        embedding: 4,
        normalized: true,
    })
}

#[test]
fn what_no_layer_computes_is_named() {
    let refused = |net: Exported| format!("{:#}", read(&net.file, &faces()).unwrap_err());
    let mut net = Exported::new(1, [1, 3, 8, 8]);
    let conv = net.conv("conv", "input", [4, 3, 3, 3], &[]);
    let gate = net.node("gate", "Sigmoid", &[&conv], &[]);
    let strange = net.node("strange", "Einsum", &[&gate], &[]);
    let message = refused(net.finish(&strange));
    for word in ["gate (Sigmoid)", "strange (Einsum)", "Conv", "PRelu"] {
        assert!(message.contains(word), "{word}: {message}");
    }

    // What the embedding does not depend on may be whatever it likes.
    let mut net = Exported::new(1, [1, 3, 8, 8]);
    let conv = net.conv("conv", "input", [4, 3, 8, 8], &[]);
    net.node("head", "Softmax", &[&conv], &[]);
    assert!(read(&net.finish(&conv).file, &faces()).is_ok());

    type Use = fn(&mut Exported, &str) -> String;
    let uses: [(&str, Use); 14] = [
        ("groups", |net, x| {
            net.conv("grouped", x, [4, 2, 1, 1], &[("group", &[2])])
        }),
        ("sum", |net, x| {
            let gate = net.node("gate", "Relu", &[x], &[]);
            net.node("gated", "Mul", &[x, &gate], &[])
        }),
        ("padding", |net, x| {
            net.node(
                "pooled",
                "MaxPool",
                &[x],
                &[("kernel_shape", &[2, 2]), ("pads", &[0, 0, 1, 1])],
            )
        }),
        ("axes", |net, x| {
            net.node("averaged", "ReduceMean", &[x], &[("axes", &[1])])
        }),
        ("Clip", |net, x| net.clip("clipped", x, [-1.0, 1.0])),
        ("at most 32896 weights", |net, x| {
            net.conv("huge", x, [4, 4, 2, 2], &[("dilations", &[65535, 65535])])
        }),
        ("at most 32896 weights", |net, x| {
            let pads = &[0, 0, 65535, 65535];
            net.conv("wide", x, [4, 4, 1, 1], &[("pads", pads)])
        }),
        ("at most 32896 weights", |net, x| {
            let kernel = &[65535, 65535];
            net.node("averaged", "AveragePool", &[x], &[("kernel_shape", kernel)])
        }),
        ("added to itself", |net, x| {
            net.node("doubled", "Add", &[x, x], &[])
        }),
        ("below the kernel", |net, x| {
            let pads: (&str, &[i64]) = ("pads", &[2, 2, 2, 2]);
            net.node(
                "pooled",
                "MaxPool",
                &[x],
                &[("kernel_shape", &[2, 2]), pads],
            )
        }),
        ("more and more", |net, x| {
            // Each as large as the weights, and again and again.
            let mut copy = net.random("weight", &[16, 4, 6, 6]);
            for index in 0..200 {
                copy = net.node(&format!("copy{index}"), "Identity", &[&copy], &[]);
            }
            net.node("convolved", "Conv", &[x, &copy], &[])
        }),
        ("expected a shape", |net, x| {
            let mut numbers = net.integers("numbers", &[8], &[1; 8]);
            for index in 0..40 {
                let twice = [numbers.as_str(), numbers.as_str()];
                numbers = net.node(
                    &format!("twice{index}"),
                    "Concat",
                    &twice,
                    &[("axis", &[0])],
                );
            }
            net.node("reshaped", "Reshape", &[x, &numbers], &[])
        }),
        ("step", |net, x| {
            let shape = net.node("shape", "Shape", &[x], &[]);
            let [zero, four, minus] = [("zero", 0), ("four", 4), ("minus", -1)]
                .map(|(name, value)| net.integers(name, &[1], &[value]));
            let part = net.node("part", "Slice", &[&shape, &zero, &four, &zero, &minus], &[]);
            net.node("reshaped", "Reshape", &[x, &part], &[])
        }),
        ("order", |net, x| {
            net.node("turned", "Transpose", &[x], &[("perm", &[0, 2, 3, 1])])
        }),
    ];
    for (word, add) in uses {
        let mut net = Exported::new(1, [1, 3, 8, 8]);
        let conv = net.conv("conv", "input", [4, 3, 3, 3], &[]);
        let last = add(&mut net, &conv);
        let message = refused(net.finish(&last));
        assert!(message.contains(word), "{word}: {message}");
    }
}

/// A small file may ask for maps that no memory holds.
#[test]
fn maps_of_a_picture_fit_memory() {
    let vast = |layers: usize| {
        let mut net = Exported::new(1, [1, 3, 2048, 2048]);
        let mut last = "input".to_owned();
        for layer in 0..layers {
            let channels = if layer == 0 { 3 } else { 16 };
            let filters = [16, channels, 1, 1];
            last = net.conv(&format!("conv{layer}"), &last, filters, &[]);
        }
        read(&net.finish(&last).file, &faces())
    };
    assert!(vast(4).is_ok());
    let message = format!("{:#}", vast(5).unwrap_err());
    assert!(message.contains("268435456 numbers in all"), "{message}");
}

/// Some exporters give weights by nodes, however many there are.
#[test]
fn weights_may_be_given_by_nodes() {
    let mut net = Exported::new(8, [1, 3, 16, 16]);
    net.random("weight", &[128, 3, 16, 16]);
    let weight = net.by_node();
    let conv = net.node("conv", "Conv", &["input", &weight], &[]);
    check(&net.finish(&conv).file, &faces(), false, 1e-5);
}

/// The size that such a convolution keeps is that of the padded maps.
#[test]
fn padding_by_itself_counts_before_padding_by_size() {
    // Zero is a byte.
    let reading = Reading {
        scaling: Some(Scaling {
            mean: vec![128.0],
            std: vec![128.0],
        }),
        ..faces()
    };
    for size in [8, 9] {
        let mut net = Exported::new(7, [1, 3, size, size]);
        let pads = net.integers("pads", &[8], &[0, 0, 0, 1, 0, 0, 1, 0]);
        let first = net.node("pad", "Pad", &["input", &pads], &[]);
        let strides: &[(&str, &[i64])] = &[("strides", &[2, 2])];
        let conv = net.conv_auto("conv", &first, [4, 3, 3, 3], "SAME_UPPER", strides);
        let padded = net.node("again", "Pad", &[&conv, &pads], &[]);
        let last = net.conv_auto("last", &padded, [4, 4, 2, 2], "SAME_LOWER", strides);
        check(&net.finish(&last).file, &reading, false, 1e-5);
    }
}

#[test]
fn damaged_files_are_refused() {
    let file = mobile_face_net().file;
    for end in (0..file.len()).step_by(37) {
        assert!(read(&file[..end], &faces()).is_err(), "{end}");
    }
    // A changed bit may make another network of it, or none; never a panic.
    let mut read_anyway = 0;
    for bit in (0..file.len() * 8).step_by(1009) {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        read_anyway += usize::from(read(&damaged, &faces()).is_ok());
    }
    assert!(read_anyway > 0);
}

#[test]
fn what_the_file_leaves_open_is_asked_for() {
    let mut net = Exported::new(1, [0, 3, 0, 0]);
    let conv = net.conv("conv", "input", [4, 3, 3, 3], &[]);
    let mean = net.node("mean", "GlobalAveragePool", &[&conv], &[]);
    let file = net.finish(&mean).file;
    let message = format!("{:#}", read(&file, &faces()).unwrap_err());
    assert!(message.contains("--input"), "{message}");
    let sized = Reading {
        size: Some([9, 12]),
        ..faces()
    };
    let shape = read(&file, &sized).unwrap().graph.input_shape();
    assert_eq!((shape.height, shape.width), (9, 12));
}
