//! Pools and padding.

use anyhow::{Context, Result, bail, ensure};

use super::convolution::{Filters, check_length};
use super::{Lowering, Node, Output, Value};
use crate::import::node::sizes;
use crate::tower::{Layer, Shape};

impl<'a> Lowering<'a> {
    pub(super) fn pool(&mut self, node: &Node<'a>) -> Result<Value> {
        let input = self.output(node, 0)?;
        let shape = self.graph.shape(input.node);
        ensure!(!input.is_row, "expected maps, found numbers in a row");
        let pooled = match node.operator() {
            "GlobalAveragePool" => {
                self.push(node.name(), Layer::GlobalAveragePool, &[input.node])?
            }
            "GlobalMaxPool" => {
                let all = Layer::MaxPool {
                    kernel: [shape.height, shape.width],
                    stride: [1, 1],
                    padding: [0, 0],
                };
                self.push(node.name(), all, &[input.node])?
            }
            "ReduceMean" => {
                let axes = match node.integers("axes") {
                    Some(axes) => axes,
                    None => self.constant(node, 1)?.integers()?,
                };
                let mut axes: Vec<i64> = axes.iter().map(|axis| axis.rem_euclid(4)).collect();
                axes.sort_unstable();
                ensure!(
                    axes == [2, 3],
                    "expected a mean over rows and columns, found one over axes {axes:?}"
                );
                let mean = self.push(node.name(), Layer::GlobalAveragePool, &[input.node])?;
                Output {
                    is_row: node.integer("keepdims", 1) == 0,
                    ..mean
                }
            }
            _ => self.windows(node, input, shape)?,
        };
        Ok(Value::Layer(pooled))
    }

    fn windows(&mut self, node: &Node<'a>, input: Output, shape: Shape) -> Result<Output> {
        let kernel = node
            .pair("kernel_shape")?
            .context("expected a kernel_shape, found none")?;
        let stride = node.pair("strides")?.unwrap_or([1, 1]);
        let dilation = node.pair("dilations")?.unwrap_or([1, 1]);
        ensure!(
            dilation == [1, 1],
            "expected places side by side, found a dilation of {dilation:?}"
        );
        let size = [shape.height, shape.width];
        let padding = self.padding(node, size, kernel, stride)?;
        let [top, left, bottom, right] = padding;
        ensure!(
            top.max(bottom) < kernel[0] && left.max(right) < kernel[1],
            "expected padding below the kernel's size {kernel:?}, found {padding:?}"
        );
        if node.integer("ceil_mode", 0) != 0 {
            let all = [size[0] + top + bottom, size[1] + left + right];
            let whole = |axis: usize| {
                let room = all[axis].checked_sub(kernel[axis]);
                room.is_some_and(|room| room.is_multiple_of(stride[axis]))
            };
            ensure!(
                whole(0) && whole(1),
                "expected whole windows, found a ceil_mode that adds incomplete ones"
            );
        }
        if node.operator() == "MaxPool" {
            ensure!(
                top == bottom && left == right,
                "expected as much padding before as after, found {padding:?}"
            );
            let pool = Layer::MaxPool {
                kernel,
                stride,
                padding: [top, left],
            };
            return self.push(node.name(), pool, &[input.node]);
        }
        ensure!(
            padding == [0; 4] || node.integer("count_include_pad", 0) != 0,
            "expected means over whole windows, found padding that does not count"
        );
        check_length(kernel, 1)?;
        let taps = kernel[0] * kernel[1];
        let filters = Filters {
            weights: vec![1.0 / taps as f32; shape.channels * taps],
            bias: vec![0.0; shape.channels],
            per_group: 1,
            groups: shape.channels,
            kernel,
            stride,
            padding,
        };
        self.push_convolution(node.name(), &Value::Layer(input), filters)
    }

    /// Zeros around maps, which the next convolution adds.
    pub(super) fn pad(&mut self, node: &Node<'a>) -> Result<Value> {
        let mode = node.text("mode").unwrap_or("constant");
        ensure!(mode == "constant", "expected zeros, found mode {mode:?}");
        let fill = match node.attribute("value") {
            Some(attribute) => f64::from(attribute.f),
            None => match self.optional_constant(node, 2)? {
                Some(constant) => constant.numbers().first().copied().unwrap_or(0.0),
                None => 0.0,
            },
        };
        ensure!(fill == 0.0, "expected zeros, found {fill}");
        ensure!(
            node.input(3).is_none(),
            "expected padding of all axes, found some chosen"
        );
        let pads = match node.integers("pads") {
            Some(pads) => pads,
            None => self.constant(node, 1)?.integers()?,
        };
        let pads = sizes(pads, 0)?;
        let value = self.value(node, 0)?.clone();
        let channels_last = matches!(&value, Value::Picture(picture) if picture.channels_last);
        let more = match (pads.as_slice(), channels_last) {
            (&[0, 0, top, left, 0, 0, bottom, right], false)
            | (&[0, top, left, 0, 0, bottom, right, 0], true) => [top, left, bottom, right],
            _ => bail!("expected padding of rows and columns alone, found {pads:?}"),
        };
        let add = |before: [usize; 4]| {
            let mut padding = before;
            padding.iter_mut().zip(more).for_each(|(p, m)| *p += m);
            padding
        };
        match value {
            Value::Picture(picture) => Ok(Value::Picture(super::Picture {
                padding: add(picture.padding),
                ..picture
            })),
            Value::Layer(output) if !output.is_row => Ok(Value::Layer(Output {
                padding: add(output.padding),
                // Others would see it without.
                is_alone: false,
                ..output
            })),
            _ => bail!("expected a picture or maps, found something else"),
        }
    }
}
