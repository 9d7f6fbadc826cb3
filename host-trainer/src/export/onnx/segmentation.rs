//! Comparison with references in ONNX operators: what a reference says of a structure, and how
//! like it each pixel of a query is.

use shared::segmentation::LEAST_SHARE;
use tract_onnx::pb::tensor_proto::DataType;

use super::builder::{Builder, integer, integers, text, window};
use crate::quantize::comparison::Comparison;
use crate::tower::Shape;

impl Comparison {
    /// Adds the comparison of `from`, `[batch, channels, height, width]` of unit vectors, with
    /// `references`, `[references, numbers of a record]`; its channels are named `to`.
    pub(super) fn compare(&self, builder: &mut Builder, from: &str, references: &str, to: &str) {
        let Shape {
            channels: dim,
            height,
            width,
        } = self.features;
        let name = |part: &str| format!("{to}.{part}");
        let last = vec![integers("perm", &[0, 2, 3, 1])];
        let pixels = builder.node("Transpose", &[from], &name("pixels"), last);
        let globals = part(builder, references, self.first, 2 * dim, &name("wholes"));
        let sum = reduce(builder, "ReduceSum", &globals, 0, &name("sum"));
        let rows = reshape(builder, &sum, &[2, dim as i64], &name("sums"));
        let means = unit(builder, &rows, 1, &name("means"));
        let mut all = vec![product(builder, &pixels, &means, &name("whole"))];
        if self.grid > 0 {
            let cells = self.grid * self.grid;
            for (class, what) in ["inside", "outside"].into_iter().enumerate() {
                let begin = self.first + (2 + class * cells) * dim;
                let label = |part: &str| name(&format!("{what}.{part}"));
                let rows = part(builder, references, begin, cells * dim, &label("cells"));
                let rows = reshape(builder, &rows, &[-1, dim as i64], &label("prototypes"));
                let cosines = product(builder, &pixels, &rows, &label("cosines"));
                let squares = builder.node("Mul", &[&rows, &rows], &label("squares"), vec![]);
                let lengths = reduce(builder, "ReduceSum", &squares, 1, &label("lengths"));
                let lengths = reshape(builder, &lengths, &[1, 1, 1, -1], &label("row"));
                let zero = builder.float(&label("zero"), &[], &[0.0]);
                let known = builder.node("Greater", &[&lengths, &zero], &label("known"), vec![]);
                let least = builder.float(&label("least"), &[], &[-1.0]);
                let inputs = [known.as_str(), &cosines, &least];
                let cosines = builder.node("Where", &inputs, &label("of_known"), vec![]);
                let attributes = vec![integers("axes", &[3]), integer("keepdims", 1)];
                all.push(builder.node("ReduceMax", &[&cosines], &label("nearest"), attributes));
            }
        }
        if self.location {
            let begin = self.first + self.len() - height * width;
            let shares = part(builder, references, begin, height * width, &name("shares"));
            let mean = reduce(builder, "ReduceMean", &shares, 0, &name("share"));
            let shape = [1, height as i64, width as i64, 1];
            let map = reshape(builder, &mean, &shape, &name("map"));
            // Once for each sample of the batch.
            let nothing = builder.float(&name("nothing"), &[], &[0.0]);
            let first = slice(builder, &pixels, 3, 0, 1, &name("first"));
            let blank = builder.node("Mul", &[&first, &nothing], &name("blank"), vec![]);
            all.push(builder.node("Add", &[&map, &blank], &name("location"), vec![]));
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let side_by_side = vec![integer("axis", 3)];
        let all = builder.node("Concat", &all, &name("all"), side_by_side);
        let planes = vec![integers("perm", &[0, 3, 1, 2])];
        builder.node("Transpose", &[&all], to, planes);
    }

    /// Adds what references with features `from` and masks `mask`, `[batch, 1, rows, columns]`
    /// of 0 and 1, say here: `[batch, numbers of this part of a record]`.
    pub(super) fn record(&self, builder: &mut Builder, from: &str, mask: &Mask<'_>, to: &str) {
        let Shape {
            channels: dim,
            height,
            width,
        } = self.features;
        let name = |part: &str| format!("{to}.{part}");
        let block = [mask.size[0] / height, mask.size[1] / width];
        let inside = average(builder, mask.name, block, &name("share"));
        let one = builder.float(&name("one"), &[], &[1.0]);
        let outside = builder.node("Sub", &[&one, &inside], &name("rest"), vec![]);
        let classes = [inside.clone(), outside];
        let mut all = vec![];
        for (class, weights) in classes.iter().enumerate() {
            let label = |part: &str| name(&format!("whole{class}.{part}"));
            let weighted = builder.node("Mul", &[from, weights], &label("weighted"), vec![]);
            let axes = builder.int64(&label("axes"), &[2], &[2, 3]);
            let keep = vec![integer("keepdims", 0)];
            let sum = builder.node("ReduceSum", &[&weighted, &axes], &label("sum"), keep);
            all.push(unit(builder, &sum, 1, &label("mean")));
        }
        if self.grid > 0 {
            let cell = [height, width].map(|side| side / self.grid.max(1));
            for (class, weights) in classes.iter().enumerate() {
                let label = |part: &str| name(&format!("cells{class}.{part}"));
                let weighted = builder.node("Mul", &[from, weights], &label("weighted"), vec![]);
                let sums = average(builder, &weighted, cell, &label("sums"));
                let units = unit(builder, &sums, 1, &label("units"));
                let share = average(builder, weights, cell, &label("share"));
                let least = builder.float(&label("least"), &[], &[1.0 / LEAST_SHARE as f32]);
                let inputs = [share.as_str(), &least];
                let few = builder.node("Less", &inputs, &label("few"), vec![]);
                let zero = builder.float(&label("zero"), &[], &[0.0]);
                let inputs = [few.as_str(), &zero, &units];
                let known = builder.node("Where", &inputs, &label("known"), vec![]);
                let last = vec![integers("perm", &[0, 2, 3, 1])];
                let rows = builder.node("Transpose", &[&known], &label("rows"), last);
                let len = (self.grid * self.grid * dim) as i64;
                all.push(reshape(builder, &rows, &[0, len], &label("flat")));
            }
        }
        if self.location {
            let len = (height * width) as i64;
            all.push(reshape(builder, &inside, &[0, len], &name("location")));
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        builder.node("Concat", &all, to, vec![integer("axis", 1)]);
    }
}

/// A mask, `[batch, 1, height, width]` of 0 and 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask<'a> {
    pub(super) name: &'a str,
    /// Height and width.
    pub(super) size: [usize; 2],
}

/// Declares masks as an input, bytes 0 and 1; the name of their real numbers.
pub(super) fn masks(builder: &mut Builder, name: &str, [height, width]: [usize; 2]) -> String {
    builder.input(name, DataType::Uint8, &[1, height, width]);
    let to_float = vec![integer("to", DataType::Float as i64)];
    builder.node("Cast", &[name], &format!("{name}_real"), to_float)
}

/// Adds channels of each pixel scaled to unit length.
pub(super) fn unit_vectors(builder: &mut Builder, from: &str, to: &str) {
    unit(builder, from, 1, to);
}

/// Adds a map twice as large.
pub(super) fn upsample(builder: &mut Builder, from: &str, to: &str) {
    let scales = builder.float(&format!("{to}.scales"), &[4], &[1.0, 1.0, 2.0, 2.0]);
    let attributes = vec![
        text("coordinate_transformation_mode", "asymmetric"),
        text("mode", "nearest"),
        text("nearest_mode", "floor"),
    ];
    builder.node("Resize", &[from, "", &scales], to, attributes);
}

/// `x / sqrt(sum x^2 + 1e-12)` along an axis.
fn unit(builder: &mut Builder, from: &str, axis: i64, to: &str) -> String {
    let name = |part: &str| format!("{to}.{part}");
    let squares = builder.node("Mul", &[from, from], &name("squares"), vec![]);
    let axes = builder.int64(&name("axis"), &[1], &[axis]);
    let keep = vec![integer("keepdims", 1)];
    let sum = builder.node("ReduceSum", &[&squares, &axes], &name("sum"), keep);
    let epsilon = builder.float(&name("epsilon"), &[], &[1e-12]);
    let positive = builder.node("Add", &[&sum, &epsilon], &name("positive"), vec![]);
    let length = builder.node("Sqrt", &[&positive], &name("length"), vec![]);
    builder.node("Div", &[from, &length], to, vec![])
}

/// Rows of `len` numbers from `first` on, of all references.
fn part(builder: &mut Builder, references: &str, first: usize, len: usize, to: &str) -> String {
    slice(builder, references, 1, first, len, to)
}

fn slice(
    builder: &mut Builder,
    from: &str,
    axis: i64,
    first: usize,
    len: usize,
    to: &str,
) -> String {
    let mut index = |part: &str, value: i64| builder.int64(&format!("{to}.{part}"), &[1], &[value]);
    let bounds = [
        index("first", first as i64),
        index("end", (first + len) as i64),
        index("along", axis),
    ];
    let inputs = [from, &bounds[0], &bounds[1], &bounds[2]];
    builder.node("Slice", &inputs, to, vec![])
}

fn reshape(builder: &mut Builder, from: &str, shape: &[i64], to: &str) -> String {
    let shape = builder.int64(&format!("{to}.shape"), &[shape.len()], shape);
    builder.node("Reshape", &[from, &shape], to, vec![])
}

/// Sum or mean along an axis, which is dropped.
fn reduce(builder: &mut Builder, operator: &str, from: &str, axis: i64, to: &str) -> String {
    let mut attributes = vec![integer("keepdims", 0)];
    // Of this operator set sums take their axes as an input, others as an attribute.
    if operator != "ReduceSum" {
        attributes.push(integers("axes", &[axis as usize]));
        return builder.node(operator, &[from], to, attributes);
    }
    let axes = builder.int64(&format!("{to}.axes"), &[1], &[axis]);
    builder.node(operator, &[from, &axes], to, attributes)
}

/// Means over blocks of pixels.
fn average(builder: &mut Builder, from: &str, block: [usize; 2], to: &str) -> String {
    builder.node("AveragePool", &[from], to, window(block, block, [0, 0]))
}

/// `[batch, height, width, dim]` by `[rows, dim]`: dot products of each pixel with each row.
fn product(builder: &mut Builder, pixels: &str, rows: &str, to: &str) -> String {
    let order = vec![integers("perm", &[1, 0])];
    let columns = builder.node("Transpose", &[rows], &format!("{to}.columns"), order);
    builder.node("MatMul", &[pixels, &columns], to, vec![])
}
