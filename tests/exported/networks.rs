//! Networks of the kinds that are imported, with random weights.

use super::Exported;

/// As PyTorch exports it: batch normalization and PReLU by themselves, shapes computed,
/// the length clipped and expanded.
pub(crate) fn mobile_face_net() -> Exported {
    let mut net = Exported::new(3, [1, 3, 40, 32]);
    let mut last = net.conv(
        "/stem/conv/Conv",
        "input",
        [16, 3, 3, 3],
        &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])],
    );
    last = net.batch_norm("/stem/bn/BatchNormalization", &last, 16);
    last = net.prelu("/stem/prelu/PRelu", &last, 16);
    let block = last.clone();
    last = net.conv("/block/expand/Conv", &last, [32, 16, 1, 1], &[]);
    last = net.batch_norm("/block/expand_bn/BatchNormalization", &last, 32);
    last = net.prelu("/block/expand_prelu/PRelu", &last, 32);
    last = net.conv(
        "/block/depthwise/Conv",
        &last,
        [32, 1, 3, 3],
        &[("group", &[32]), ("pads", &[1, 1, 1, 1])],
    );
    last = net.batch_norm("/block/depthwise_bn/BatchNormalization", &last, 32);
    last = net.prelu("/block/depthwise_prelu/PRelu", &last, 32);
    last = net.conv("/block/project/Conv", &last, [16, 32, 1, 1], &[]);
    last = net.batch_norm("/block/project_bn/BatchNormalization", &last, 16);
    last = net.node("/block/Add", "Add", &[&last, &block], &[]);
    last = net.conv("/gdc/Conv", &last, [16, 1, 20, 16], &[("group", &[16])]);
    last = net.batch_norm("/gdc_bn/BatchNormalization", &last, 16);
    let shape = net.node("/Shape", "Shape", &[&last], &[]);
    let zero = net.integers("zero", &[], &[0]);
    let batch = net.node("/Gather", "Gather", &[&shape, &zero], &[]);
    let axes = net.integers("axes", &[1], &[0]);
    let batch = net.node("/Unsqueeze", "Unsqueeze", &[&batch, &axes], &[]);
    let rest = net.integers("rest", &[1], &[-1]);
    let shape = net.node("/Concat", "Concat", &[&batch, &rest], &[("axis", &[0])]);
    last = net.node("/Reshape", "Reshape", &[&last, &shape], &[]);
    last = net.gemm("/linear/Gemm", &last, [24, 16]);
    last = net.batch_norm("/features/BatchNormalization", &last, 24);
    let length = net.node(
        "/ReduceL2",
        "ReduceL2",
        &[&last],
        &[("axes", &[1]), ("keepdims", &[1])],
    );
    let least = net.reals("least", &[], &[1e-12]);
    let length = net.node("/Clip", "Clip", &[&length, &least], &[]);
    let shape = net.node("/Shape_1", "Shape", &[&last], &[]);
    let length = net.node("/Expand", "Expand", &[&length, &shape], &[]);
    last = net.node("/Div", "Div", &[&last, &length], &[]);
    net.finish(&last)
}

/// As Keras networks come: channels last, scaling inside, padding by itself, ReLU6.
pub(crate) fn mobile_net() -> Exported {
    let mut net = Exported::new(5, [1, 33, 31, 3]);
    let half = net.reals("half", &[], &[127.5]);
    let mut last = net.node("scale", "Div", &["input", &half], &[]);
    let one = net.reals("one", &[1], &[1.0]);
    last = net.node("shift", "Sub", &[&last, &one], &[]);
    last = net.node("move", "Transpose", &[&last], &[("perm", &[0, 3, 1, 2])]);
    let pads = net.integers("pads", &[8], &[0, 0, 0, 0, 0, 0, 1, 1]);
    last = net.node("pad", "Pad", &[&last, &pads], &[]);
    last = net.conv("conv1", &last, [8, 3, 3, 3], &[("strides", &[2, 2])]);
    last = net.batch_norm("conv1_bn", &last, 8);
    last = net.clip("conv1_relu", &last, [0.0, 6.0]);
    last = net.conv_auto(
        "depthwise",
        &last,
        [8, 1, 3, 3],
        "SAME_UPPER",
        &[("strides", &[2, 2]), ("group", &[8])],
    );
    last = net.batch_norm("depthwise_bn", &last, 8);
    last = net.clip("depthwise_relu", &last, [0.0, 6.0]);
    last = net.conv("pointwise", &last, [12, 8, 1, 1], &[]);
    last = net.clip("pointwise_relu", &last, [0.0, 6.0]);
    last = net.node(
        "average",
        "AveragePool",
        &[&last],
        &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])],
    );
    last = net.node(
        "mean",
        "ReduceMean",
        &[&last],
        &[("axes", &[2, 3]), ("keepdims", &[0])],
    );
    let matrix = net.random("matrix", &[12, 10]);
    last = net.node("dense", "MatMul", &[&last, &matrix], &[]);
    let bias = net.random("bias", &[10]);
    last = net.node("bias_add", "Add", &[&last, &bias], &[]);
    last = net.node(
        "unit",
        "LpNormalization",
        &[&last],
        &[("axis", &[-1]), ("p", &[2])],
    );
    net.finish(&last)
}

/// What is rarer: dilation, uneven padding, padded pools, a normalization before and not
/// after a convolution, rectifiers where nothing is to be fused with, slopes of all.
pub(crate) fn residual_net() -> Exported {
    let mut net = Exported::new(7, [1, 3, 36, 30]);
    let mut last = net.conv(
        "stem",
        "input",
        [12, 3, 7, 7],
        &[("strides", &[2, 2]), ("pads", &[3, 3, 3, 3])],
    );
    last = net.batch_norm("stem_bn", &last, 12);
    last = net.node("stem_relu", "Relu", &[&last], &[]);
    last = net.node(
        "pool",
        "MaxPool",
        &[&last],
        &[
            ("kernel_shape", &[3, 3]),
            ("strides", &[2, 2]),
            ("pads", &[1, 1, 1, 1]),
        ],
    );
    let short = last.clone();
    last = net.batch_norm("before", &last, 12);
    last = net.node("before_relu", "Relu", &[&last], &[]);
    last = net.conv(
        "dilated",
        &last,
        [12, 12, 3, 3],
        &[("dilations", &[2, 2]), ("pads", &[2, 2, 2, 2])],
    );
    last = net.leaky_relu("leaky", &last, 0.2);
    last = net.conv("uneven", &last, [12, 12, 3, 2], &[("pads", &[2, 0, 0, 1])]);
    last = net.node("sum", "Add", &[&last, &short], &[]);
    last = net.clip("sum_relu", &last, [0.0, 6.0]);
    last = net.node("pool2", "MaxPool", &[&last], &[("kernel_shape", &[2, 2])]);
    last = net.clip("pool2_relu", &last, [0.0, 6.0]);
    last = net.node("mean", "GlobalAveragePool", &[&last], &[]);
    last = net.node("flat", "Flatten", &[&last], &[]);
    last = net.gemm("embedding", &last, [9, 12]);
    net.finish(&last)
}
