//! Convolutions, and dense layers as such.

use anyhow::{Context, Result, bail, ensure};
use shared::artifact::MAX_LEN;
use shared::artifact::plan::MAX_FILTER;
use shared::preprocess::Quantization;

use super::{Lowering, Node, Output, Picture, Value};
use crate::tower::Layer;

/// A convolution of any padding.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filters {
    /// `[out channels, channels per group, kernel height, kernel width]`.
    pub(super) weights: Vec<f32>,
    /// `[out channels]`.
    pub(super) bias: Vec<f32>,
    pub(super) per_group: usize,
    pub(super) groups: usize,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Zeros above, left, below and right.
    pub(super) padding: [usize; 4],
}

impl Filters {
    /// The same filters with their taps at other places of a kernel of another size, zeros
    /// at the rest.
    fn placed(
        &mut self,
        kernel: [usize; 2],
        place: impl Fn([usize; 2]) -> [usize; 2],
    ) -> Result<()> {
        check_length(kernel, self.per_group)?;
        let [height, width] = self.kernel;
        let filters = self.weights.len() / (height * width);
        let count = filters.saturating_mul(kernel[0] * kernel[1]);
        ensure!(
            count <= MAX_LEN as usize,
            "expected at most {MAX_LEN} weights, as artifacts hold, found {count} with the zeros between taps and beside them"
        );
        let mut weights = vec![0.0; count];
        let from = self.weights.chunks_exact(height * width);
        for (from, to) in from.zip(weights.chunks_exact_mut(kernel[0] * kernel[1])) {
            for (tap, &weight) in from.iter().enumerate() {
                let [row, column] = place([tap / width, tap % width]);
                to[row * kernel[1] + column] = weight;
            }
        }
        self.weights = weights;
        self.kernel = kernel;
        Ok(())
    }

    /// Taps so many places apart, as one kernel with zeros between.
    fn dilate(&mut self, dilation: [usize; 2]) -> Result<()> {
        let size = [0, 1].map(|axis| (self.kernel[axis] - 1) * dilation[axis] + 1);
        match size == self.kernel {
            true => Ok(()),
            false => self.placed(size, |tap| [tap[0] * dilation[0], tap[1] * dilation[1]]),
        }
    }

    /// As much padding before as after: the smaller side is padded more, and as many taps
    /// of zero there pass over what is added.
    fn balance(&mut self) -> Result<[usize; 2]> {
        let [top, left, bottom, right] = self.padding;
        let padding = [top.max(bottom), left.max(right)];
        let before = [bottom.saturating_sub(top), right.saturating_sub(left)];
        let after = [top.saturating_sub(bottom), left.saturating_sub(right)];
        let size = [0, 1].map(|axis| before[axis] + self.kernel[axis] + after[axis]);
        if size != self.kernel {
            self.placed(size, |tap| [tap[0] + before[0], tap[1] + before[1]])?;
        }
        Ok(padding)
    }
}

/// Whether filters are no longer than a device takes them.
pub(super) fn check_length(kernel: [usize; 2], per_group: usize) -> Result<()> {
    let taps = kernel[0].saturating_mul(kernel[1]);
    ensure!(
        taps.saturating_mul(per_group) <= MAX_FILTER as usize,
        "expected filters of at most {MAX_FILTER} weights, found {} x {} over {per_group} channels",
        kernel[0],
        kernel[1]
    );
    Ok(())
}

impl<'a> Lowering<'a> {
    pub(super) fn convolution(&mut self, node: &Node<'a>) -> Result<Value> {
        let constant = self.constant(node, 1)?;
        let &[out, per_group, height, width] = constant.shape.as_slice() else {
            bail!(
                "expected filters of 4 dimensions, found shape {:?}: only networks of pictures are read",
                constant.shape
            );
        };
        ensure!(
            out > 0 && per_group > 0 && height > 0 && width > 0,
            "expected filters, found shape {:?}",
            constant.shape
        );
        let kernel = [height, width];
        let stated = node.pair("kernel_shape")?.unwrap_or(kernel);
        ensure!(
            stated == kernel,
            "expected a kernel of {kernel:?} as the filters have, found {stated:?}"
        );
        let bias = self.optional_constant(node, 2)?;
        let bias = bias.map_or(Ok(vec![0.0; out]), |bias| bias.real().map(<[f32]>::to_vec))?;
        ensure!(
            bias.len() == out,
            "expected {out} biases, one per filter, found {}",
            bias.len()
        );
        let groups = usize::try_from(node.integer("group", 1)).unwrap_or(0);
        let is_depthwise = per_group == 1 && groups == out;
        ensure!(
            groups == 1 || is_depthwise,
            "expected filters over all channels, or one for each, found {out} in {groups} groups of {per_group} channels"
        );
        let mut filters = Filters {
            weights: constant.real()?.to_vec(),
            bias,
            per_group,
            groups,
            kernel,
            stride: node.pair("strides")?.unwrap_or([1, 1]),
            padding: [0; 4],
        };
        filters.dilate(node.pair("dilations")?.unwrap_or([1, 1]))?;
        let value = self.value(node, 0)?.clone();
        let (shape, [top, left, bottom, right]) = match &value {
            Value::Layer(output) => (self.graph.shape(output.node), output.padding),
            Value::Picture(picture) => (self.input, picture.padding),
            _ => (self.input, [0; 4]),
        };
        let size = [shape.height + top + bottom, shape.width + left + right];
        filters.padding = self.padding(node, size, filters.kernel, filters.stride)?;
        let output = self.push_convolution(node.name(), &value, filters)?;
        Ok(Value::Layer(output))
    }

    /// Padding as the node states it.
    pub(super) fn padding(
        &self,
        node: &Node<'a>,
        size: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
    ) -> Result<[usize; 4]> {
        let both = |axis: usize| {
            let windows = size[axis].div_ceil(stride[axis]).max(1);
            ((windows - 1) * stride[axis] + kernel[axis]).saturating_sub(size[axis])
        };
        let less = [0, 1].map(|axis| both(axis) / 2);
        let more = [0, 1].map(|axis| both(axis) - both(axis) / 2);
        match node.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => node.padding(),
            "VALID" => Ok([0; 4]),
            "SAME_UPPER" => Ok([less[0], less[1], more[0], more[1]]),
            "SAME_LOWER" => Ok([more[0], more[1], less[0], less[1]]),
            other => bail!("expected auto_pad as the standard has it, found {other:?}"),
        }
    }

    /// A convolution of a picture or of what a layer gives.
    pub(super) fn push_convolution(
        &mut self,
        name: &str,
        value: &Value,
        mut filters: Filters,
    ) -> Result<Output> {
        let (input, pending) = match value {
            Value::Layer(output) => (output.node, output.padding),
            Value::Picture(picture) => {
                ensure!(
                    !picture.channels_last,
                    "expected channels before rows and columns, found them after"
                );
                self.absorb(picture, &mut filters)?;
                (0, picture.padding)
            }
            _ => bail!("expected a picture or maps, found something else"),
        };
        filters
            .padding
            .iter_mut()
            .zip(pending)
            .for_each(|(padding, pending)| *padding += pending);
        let padding = filters.balance()?;
        let channels = self.graph.shape(input).channels;
        ensure!(
            filters.per_group * filters.groups == channels,
            "expected filters over {channels} channels, found {} in {} groups",
            filters.per_group,
            filters.groups
        );
        let out = filters.bias.len();
        let layer = Layer::Conv2d {
            out_channels: out,
            groups: filters.groups,
            kernel: filters.kernel,
            stride: filters.stride,
            padding,
            bias: true,
        };
        let output = self.push(name, layer, &[input])?;
        let [height, width] = filters.kernel;
        let shape = [out, filters.per_group, height, width];
        self.parameter(output.node, "weight", &shape, filters.weights);
        self.parameter(output.node, "bias", &[out], filters.bias);
        Ok(output)
    }

    /// Makes filters over the network's channels such over the bytes of the preprocessed
    /// picture. Where the bytes that mean zero differ between channels, padding is as near
    /// as one byte for all can be.
    fn absorb(&mut self, picture: &Picture, filters: &mut Filters) -> Result<()> {
        let channels = picture.scale.len();
        ensure!(
            filters.groups * filters.per_group == channels,
            "expected filters over {channels} channels of the picture, found {} in {} groups",
            filters.per_group,
            filters.groups
        );
        let bytes = self.bytes(picture)?;
        let sources = usize::from(self.reading.channels.colour().channels());
        let is_as_it_is = (0..channels).all(|c| self.reading.channels.source(c) == c);
        ensure!(
            filters.groups == 1 || channels == sources && is_as_it_is,
            "expected a first convolution over all channels, found one of each: choose --channels rgb"
        );
        let taps = filters.kernel[0] * filters.kernel[1];
        let per_group = if filters.groups == 1 { sources } else { 1 };
        let mut weights = vec![0f64; filters.bias.len() * per_group * taps];
        for (out, bias) in filters.bias.iter_mut().enumerate() {
            let mut shifted = f64::from(*bias);
            for index in 0..filters.per_group {
                let channel = if filters.groups == 1 { index } else { out };
                let scale = picture.scale[channel] / f64::from(bytes.scale);
                let shift =
                    picture.shift[channel] + picture.scale[channel] * f64::from(bytes.zero_point);
                let source = match filters.groups {
                    1 => self.reading.channels.source(channel),
                    _ => 0,
                };
                for tap in 0..taps {
                    let weight =
                        f64::from(filters.weights[(out * filters.per_group + index) * taps + tap]);
                    weights[(out * per_group + source) * taps + tap] += weight * scale;
                    shifted += weight * shift;
                }
            }
            *bias = shifted as f32;
        }
        filters.weights = weights.into_iter().map(|weight| weight as f32).collect();
        filters.per_group = per_group;
        Ok(())
    }

    /// What bytes mean to the first layer: the byte nearest to zero, one step of a byte.
    fn bytes(&mut self, picture: &Picture) -> Result<Quantization> {
        if let Some(decided) = self.quantization {
            return Ok(decided);
        }
        let count = picture.scale.len() as f64;
        let scale = picture.scale.iter().map(|scale| scale.abs()).sum::<f64>() / count;
        ensure!(
            picture.scale.iter().all(|&scale| scale != 0.0) && (scale as f32).is_normal(),
            "expected a network that reads every channel of the picture, found factors {:?}",
            picture.scale
        );
        let zeros = picture.scale.iter().zip(&picture.shift);
        let zero = zeros.map(|(scale, shift)| -shift / scale).sum::<f64>() / count;
        let decided = Quantization {
            scale: scale as f32,
            zero_point: zero.round().clamp(0.0, 255.0) as u8,
        };
        self.quantization = Some(decided);
        Ok(decided)
    }

    pub(super) fn dense(&mut self, node: &Node<'a>) -> Result<Value> {
        let input = self.output(node, 0)?;
        let shape = self.graph.shape(input.node);
        ensure!(
            input.is_row || shape.len() == shape.channels,
            "expected numbers in a row, found maps of {} x {}: flatten them first",
            shape.height,
            shape.width
        );
        let constant = self.constant(node, 1)?;
        let &[rows, columns] = constant.shape.as_slice() else {
            bail!("expected a matrix, found shape {:?}", constant.shape);
        };
        let is_gemm = node.operator() == "Gemm";
        ensure!(
            !is_gemm || node.integer("transA", 0) == 0,
            "expected the input as it is, found it transposed"
        );
        let factor = |name| match is_gemm {
            true => node.float(name, 1.0),
            false => 1.0,
        };
        let (alpha, beta) = (factor("alpha"), factor("beta"));
        let is_transposed = is_gemm && node.integer("transB", 0) != 0;
        let (out, inputs) = match is_transposed {
            true => (rows, columns),
            false => (columns, rows),
        };
        ensure!(
            inputs == shape.len() && out > 0,
            "expected a matrix for {} numbers, found one for {inputs}",
            shape.len()
        );
        let matrix = constant.real()?;
        let at = |o: usize, i: usize| match is_transposed {
            true => matrix[o * inputs + i],
            false => matrix[i * out + o],
        };
        let weights = (0..out).flat_map(|o| (0..inputs).map(move |i| alpha * at(o, i)));
        let weights: Vec<f32> = weights.collect();
        let bias = match is_gemm {
            true => self.optional_constant(node, 2)?,
            false => None,
        };
        let bias = match bias.map(|bias| bias.real()).transpose()? {
            None => vec![0.0; out],
            Some(&[bias]) => vec![beta * bias; out],
            Some(bias) if bias.len() == out => bias.iter().map(|bias| beta * bias).collect(),
            Some(bias) => bail!("expected {out} biases, found {}", bias.len()),
        };
        let filters = Filters {
            weights,
            bias,
            per_group: shape.channels,
            groups: 1,
            kernel: [shape.height, shape.width],
            stride: [1, 1],
            padding: [0; 4],
        };
        let output = self
            .push_convolution(node.name(), &Value::Layer(input), filters)
            .context("as a convolution that covers its input")?;
        Ok(Value::Layer(Output {
            is_row: true,
            ..output
        }))
    }
}
