//! Convolutions by themselves, beside ONNX Runtime's kernels.
//!
//! Every convolution of the towers, once for each shape. ONNX Runtime runs it as its own
//! graph optimizer would have it in the middle of a network, on maps whose channels vary
//! fastest; what it takes to run any graph at all is measured on a convolution of one pixel
//! and taken off its time, while ours includes the call of the step. Both must give the same
//! bytes.

use edge_runtime::engine::int8::step::PackedStep;
use edge_runtime::kernels::InstructionSet;
use host_trainer::engine::ort::sums_are_exact;
use host_trainer::export::onnx;
use ort::value::TensorRef;
use shared::artifact::plan::{Conv2d, Place, section};
use shared::artifact::{Artifact, Step};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_shape_proto, type_proto,
};

use crate::peers::{Peer, noise, session};

/// A convolution in both engines, ours first.
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) macs: u64,
    /// Whether it sees all channels: not a depthwise one.
    pub(crate) is_dense: bool,
    pub(crate) peers: [Peer; 2],
}

/// The convolutions of a network, one of each shape.
pub(crate) fn all(artifact: &Artifact<'static>) -> Vec<Layer> {
    let mut seen = vec![];
    let mut layers = vec![];
    for step in artifact.plan().steps() {
        let (conv, is_dense) = match step {
            Step::Conv2d(conv) => (conv, true),
            Step::DepthwiseConv2d(conv) => (conv, false),
            _ => continue,
        };
        let size = |place: Place| [place.height, place.width, place.channels];
        let shape = (
            is_dense,
            size(conv.input),
            size(conv.output),
            conv.kernel,
            conv.stride,
        );
        if !seen.contains(&shape) {
            seen.push(shape);
            layers.push(layer(step, &conv, is_dense, artifact));
        }
    }
    layers
}

/// What ONNX Runtime takes for a graph that computes next to nothing.
pub(crate) fn least() -> Peer {
    let pixel = Place {
        offset: 0,
        height: 1,
        width: 1,
        channels: 4,
    };
    let conv = Conv2d {
        input: pixel,
        output: pixel,
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0, 0],
        input_zero_point: 0,
        output_zero_point: 0,
        weights: 0,
        bias: 16,
        multipliers: 32,
    };
    theirs(&conv, true, &[0; 48], noise(4).leak())
}

fn layer(step: Step, conv: &Conv2d, is_dense: bool, artifact: &Artifact<'static>) -> Layer {
    let weights = artifact.weights();
    let input: &'static [u8] = noise(conv.input.len()).leak();
    let packed = PackedStep::new(step, InstructionSet::fastest(), weights).unwrap();
    let mut scratch = vec![0; packed.scratch_len()];
    let len = conv.output.len();
    let ours = Peer {
        name: "ours".into(),
        run: Box::new(move || {
            let mut output = vec![0; len];
            let done = packed.compute(weights, input, &mut output, &mut scratch);
            done.unwrap();
            output
        }),
    };
    let mut peers = [ours, theirs(conv, is_dense, weights, input)];
    let [ours, theirs] = peers.each_mut().map(|peer| (peer.run)());
    let shape = |place: &Place| format!("{}x{}x{}", place.height, place.width, place.channels);
    let [[height, width], [down, _]] = [conv.kernel, conv.stride];
    let kind = if is_dense { "" } else { " depthwise" };
    let name = format!(
        "{} -> {}, {height}x{width} / {down}{kind}",
        shape(&conv.input),
        shape(&conv.output)
    );
    let is_same = ours == theirs || !sums_are_exact();
    assert!(is_same, "{name}: ONNX Runtime gives other bytes");
    Layer {
        name,
        macs: step.macs(),
        is_dense,
        peers,
    }
}

/// The convolution as a graph of ONNX Runtime.
fn theirs(conv: &Conv2d, is_dense: bool, weights: &[u8], input: &'static [u8]) -> Peer {
    let mut session = session(&onnx::encode(&graph(conv, is_dense, weights)));
    let shape = batch(&conv.input).map(|size| size as usize);
    let run = Box::new(move || {
        let input = TensorRef::from_array_view((shape, input)).unwrap();
        let outputs = session.run(ort::inputs![input]).unwrap();
        outputs[0].try_extract_tensor::<u8>().unwrap().1.to_vec()
    });
    Peer {
        name: "ONNX Runtime".into(),
        run,
    }
}

fn batch(place: &Place) -> [i64; 4] {
    [
        1,
        place.height.into(),
        place.width.into(),
        place.channels.into(),
    ]
}

/// A quantized convolution of maps whose channels vary fastest, with scales of one but for
/// the filters', so that the multipliers are ours.
fn graph(conv: &Conv2d, is_dense: bool, weights: &[u8]) -> ModelProto {
    let [filters, inputs] = [
        conv.output.channels,
        match is_dense {
            true => conv.input.channels,
            false => 1,
        },
    ]
    .map(usize::from);
    let [high, wide] = conv.kernel.map(usize::from);
    let len = filters * high * wide * inputs;
    let stored = section(weights, conv.weights, len).unwrap();
    // From ours to [out, in, kernel height, kernel width].
    let mut moved = vec![0; len];
    for (index, weight) in moved.iter_mut().enumerate() {
        let (tap, channel) = (index % (high * wide), index / (high * wide));
        let (filter, from) = (channel / inputs, channel % inputs);
        *weight = stored[match is_dense {
            true => (filter * high * wide + tap) * inputs + from,
            false => tap * filters + filter,
        }];
    }
    let words = |offset| section(weights, offset, 4 * filters).unwrap().to_vec();
    let one = 1f32.to_le_bytes().to_vec();
    let all = filters as i64;
    let shape = vec![all, inputs as i64, high as i64, wide as i64];
    let constants = [
        ("x_scale", DataType::Float, vec![], one.clone()),
        (
            "x_zero",
            DataType::Uint8,
            vec![],
            vec![conv.input_zero_point],
        ),
        ("w", DataType::Int8, shape, moved),
        (
            "w_scale",
            DataType::Float,
            vec![all],
            words(conv.multipliers),
        ),
        ("w_zero", DataType::Int8, vec![all], vec![0; filters]),
        ("y_scale", DataType::Float, vec![], one),
        (
            "y_zero",
            DataType::Uint8,
            vec![],
            vec![conv.output_zero_point],
        ),
        ("bias", DataType::Int32, vec![all], words(conv.bias)),
    ];
    let size = |place: &Place| [i64::from(place.height), i64::from(place.width)];
    let padding: Vec<i64> = {
        let [from, to] = [size(&conv.input), size(&conv.output)];
        let before = conv.padding.map(i64::from);
        let after = [0, 1].map(|axis| {
            let seen = (to[axis] - 1) * i64::from(conv.stride[axis]) + i64::from(conv.kernel[axis]);
            (seen - from[axis] - before[axis]).max(0)
        });
        [before, after].concat()
    };
    let mut input = vec!["x".to_owned()];
    input.extend(constants.iter().map(|(name, ..)| (*name).to_owned()));
    let node = NodeProto {
        op_type: "QLinearConv".into(),
        domain: MICROSOFT.into(),
        input,
        output: vec!["y".into()],
        attribute: vec![
            integers("kernel_shape", &conv.kernel.map(i64::from)),
            integers("strides", &conv.stride.map(i64::from)),
            integers("pads", &padding),
            integer("group", if is_dense { 1 } else { all }),
            integer("channels_last", 1),
        ],
        ..NodeProto::default()
    };
    let initializer = constants.map(|(name, kind, dims, raw_data)| TensorProto {
        name: name.into(),
        dims,
        data_type: kind as i32,
        raw_data,
        ..TensorProto::default()
    });
    let operators = |domain: &str, version| OperatorSetIdProto {
        domain: domain.into(),
        version,
    };
    ModelProto {
        ir_version: 7,
        graph: Some(GraphProto {
            name: "layer".into(),
            node: vec![node],
            initializer: initializer.into(),
            input: vec![value("x", &conv.input)],
            output: vec![value("y", &conv.output)],
            ..GraphProto::default()
        }),
        opset_import: vec![operators("", 13), operators(MICROSOFT, 1)],
        ..ModelProto::default()
    }
}

/// Where ONNX Runtime keeps what is not of the standard.
const MICROSOFT: &str = "com.microsoft";

fn value(name: &str, place: &Place) -> ValueInfoProto {
    let dim = batch(place).map(|size| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(size)),
        ..Default::default()
    });
    let tensor = type_proto::Tensor {
        elem_type: DataType::Uint8 as i32,
        shape: Some(TensorShapeProto { dim: dim.into() }),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        i: value,
        r#type: AttributeType::Int as i32,
        ..AttributeProto::default()
    }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints: values.to_vec(),
        r#type: AttributeType::Ints as i32,
        ..AttributeProto::default()
    }
}
