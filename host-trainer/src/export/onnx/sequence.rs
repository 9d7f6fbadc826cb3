//! Layers over sequences in operators of the standard set.

use tract_onnx::pb::tensor_proto::DataType;

use super::IMAGE;
use super::builder::{Builder, integer, integers, text};
use crate::quantize::fused::FusedGru;
use crate::tower::graph::KEEPS;

/// Which rows of the graph's input are steps.
#[derive(Debug)]
pub(super) struct Steps {
    /// Ones and zeros `[batch, 1, rows, 1]`.
    present: String,
    /// Their opposite, `[rows, batch, 1]`.
    absent: String,
}

impl Steps {
    /// Those that do not begin with byte 0.
    pub(super) fn new(builder: &mut Builder) -> Self {
        let bounds = [("begin", 0), ("end", 1), ("axis", 1)];
        let bounds =
            bounds.map(|(name, value)| builder.int64(&format!("step_{name}"), &[1], &[value]));
        let [begin, end, axis] = bounds.each_ref().map(String::as_str);
        let first = builder.node("Slice", &[IMAGE, begin, end, axis], "step_first", vec![]);
        let to = vec![integer("to", i64::from(DataType::Float as i32))];
        let first = builder.node("Cast", &[&first], "step_byte", to);
        let zero = builder.float("step_zero", &[], &[0.0]);
        let one = builder.float("step_one", &[], &[1.0]);
        let present = builder.node("Clip", &[&first, &zero, &one], "step_present", vec![]);
        let absent = builder.node("Sub", &[&one, &present], "step_absent", vec![]);
        Self {
            absent: rows_first(builder, &absent, "step_absent_rows"),
            present,
        }
    }

    /// Gated recurrent units over rows of `[batch, channels, rows, 1]`; zeros in rows that are
    /// no step. The output has the name `to`.
    pub(super) fn gru(
        &self,
        builder: &mut Builder,
        directions: &[FusedGru],
        rows: usize,
        from: &str,
        to: &str,
    ) -> String {
        let units = directions.first().map_or(0, |gru| gru.input_bias.len() / 3);
        let values = rows_first(builder, from, &format!("{to}.rows"));
        let concat = vec![integer("axis", 2)];
        let inputs = [values.as_str(), &self.absent];
        let values = builder.node("Concat", &inputs, &format!("{to}.inputs"), concat);
        let [weights, states, bias] = constants(builder, directions, units, to);
        let direction = match directions.len() {
            1 => "forward",
            _ => "bidirectional",
        };
        let attributes = vec![
            integer("hidden_size", units as i64),
            integer("linear_before_reset", 1),
            text("direction", direction),
        ];
        let inputs = [values.as_str(), &weights, &states, &bias];
        let all = builder.node("GRU", &inputs, &format!("{to}.units"), attributes);
        // [rows, directions, batch, units] -> [batch, channels, rows, 1]
        let order = vec![integers("perm", &[2, 1, 3, 0])];
        let all = builder.node("Transpose", &[&all], &format!("{to}.columns"), order);
        let channels = (directions.len() * units) as i64;
        let shape = [0, channels, rows as i64, 1];
        let shape = builder.int64(&format!("{to}.shape"), &[4], &shape);
        let all = builder.node("Reshape", &[&all, &shape], &format!("{to}.all"), vec![]);
        builder.node("Mul", &[&all, &self.present], to, vec![])
    }

    /// The mean over steps, `[batch, channels, 1, 1]`, of what is zero elsewhere.
    pub(super) fn mean(&self, builder: &mut Builder, from: &str, to: &str) -> String {
        let axis = builder.int64(&format!("{to}.axis"), &[1], &[2]);
        let keep = || vec![integer("keepdims", 1)];
        let sum = builder.node("ReduceSum", &[from, &axis], &format!("{to}.sum"), keep());
        let steps = [self.present.as_str(), &axis];
        let count = builder.node("ReduceSum", &steps, &format!("{to}.steps"), keep());
        let one = builder.float(&format!("{to}.one"), &[], &[1.0]);
        let count = builder.node("Max", &[&count, &one], &format!("{to}.count"), vec![]);
        builder.node("Div", &[&sum, &count], to, vec![])
    }
}

/// `[batch, channels, rows, 1]` as `[rows, batch, channels]`.
fn rows_first(builder: &mut Builder, from: &str, to: &str) -> String {
    let order = vec![integers("perm", &[2, 0, 1, 3])];
    let moved = builder.node("Transpose", &[from], &format!("{to}.moved"), order);
    let axis = builder.int64(&format!("{to}.axis"), &[1], &[3]);
    builder.node("Squeeze", &[&moved, &axis], to, vec![])
}

/// Weights of inputs, with those of the input that keeps the state, weights of states, biases;
/// in ONNX's order of gates, which is update, reset, new.
fn constants(
    builder: &mut Builder,
    directions: &[FusedGru],
    units: usize,
    name: &str,
) -> [String; 3] {
    const GATES: [usize; 3] = [1, 0, 2];
    let (mut inputs, mut states, mut bias) = (vec![], vec![], vec![]);
    for gru in directions {
        let columns = gru.input_weights.len() / (3 * units);
        for gate in GATES {
            let keeps = if gate == 1 { KEEPS } else { 0.0 };
            for row in
                gru.input_weights[gate * units * columns..][..units * columns].chunks_exact(columns)
            {
                inputs.extend_from_slice(row);
                inputs.push(keeps);
            }
            states.extend_from_slice(&gru.state_weights[gate * units * units..][..units * units]);
        }
        for biases in [&gru.input_bias, &gru.state_bias] {
            for gate in GATES {
                bias.extend_from_slice(&biases[gate * units..][..units]);
            }
        }
    }
    let count = directions.len();
    let columns = inputs.len() / (count * 3 * units);
    [
        builder.float(
            &format!("{name}.weight_ih"),
            &[count, 3 * units, columns],
            &inputs,
        ),
        builder.float(
            &format!("{name}.weight_hh"),
            &[count, 3 * units, units],
            &states,
        ),
        builder.float(&format!("{name}.bias"), &[count, 6 * units], &bias),
    ]
}
