//! The networks that peers are compared on.

use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::depthwise_separable::{Activation, DepthwiseSeparable};
use host_trainer::tower::residual::Residual;
use host_trainer::tower::{Graph, Layer, Shape, Tower, TowerSpec};

/// Components of every embedding.
const EMBEDDING: usize = 64;

pub(crate) fn all() -> Vec<(&'static str, Tower)> {
    let spec = |spec: TowerSpec| spec.build().unwrap();
    vec![
        ("Conv4-64 @28", spec(conv4())),
        (
            "ResNet-8 @32",
            spec(TowerSpec::Residual(Residual {
                input: [32, 32],
                width: 16,
                blocks: 1,
                pooled: true,
                embedding: EMBEDDING,
                normalized: false,
            })),
        ),
        ("MobileNetV1-0.25 @96", mobilenet()),
        (
            "MobileFaceNet @112",
            spec(TowerSpec::DepthwiseSeparable(DepthwiseSeparable {
                input: [112, 112],
                width: 1.0,
                activation: Activation::Prelu,
                embedding: EMBEDDING,
                normalized: false,
            })),
        ),
    ]
}

fn conv4() -> TowerSpec {
    TowerSpec::Conv4(Conv4 {
        input: [28, 28],
        width: 64,
        embedding: EMBEDDING,
        normalized: false,
    })
}

/// MobileNetV1 of a quarter of the width (Howard et al., 2017, table 1), as in MLPerf Tiny's
/// person detection, on grey pixels, with an embedding at its end.
fn mobilenet() -> Tower {
    /// Channels at full width, and stride, of each depthwise separable block.
    const BLOCKS: [(usize, usize); 13] = [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (1024, 2),
        (1024, 1),
    ];
    let mut graph = Graph::new(Shape::grey([96, 96]));
    let active = |graph: &mut Graph, name: &str, layer, input| {
        let normalized = graph.push_normalized(name, layer, input).unwrap();
        graph
            .push(&format!("{name}.relu"), Layer::Relu, &[normalized])
            .unwrap()
    };
    let mut last = active(&mut graph, "stem", Layer::conv(8, 3, 2), 0);
    let mut from = 8;
    for (index, (channels, stride)) in BLOCKS.into_iter().enumerate() {
        let layer = Layer::depthwise(from, 3, stride);
        last = active(&mut graph, &format!("depthwise{index}"), layer, last);
        from = channels / 4;
        last = active(
            &mut graph,
            &format!("pointwise{index}"),
            Layer::conv(from, 1, 1),
            last,
        );
    }
    last = graph
        .push("pool", Layer::GlobalAveragePool, &[last])
        .unwrap();
    graph
        .push("embedding", Layer::dense(EMBEDDING, 1, 1), &[last])
        .unwrap();
    Tower {
        // A short name for graphs of hand is not needed here.
        spec: conv4(),
        graph,
        normalized: false,
    }
}
