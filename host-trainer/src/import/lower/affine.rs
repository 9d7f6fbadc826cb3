//! What scales, shifts and cuts each channel.

use anyhow::{Context, Result, bail, ensure};

use super::convolution::Filters;
use super::{Constant, Lowering, Node, Output, Picture, Value};
use crate::tower::Layer;

impl<'a> Lowering<'a> {
    pub(super) fn batch_normalization(&mut self, node: &Node<'a>) -> Result<Value> {
        ensure!(
            node.integer("training_mode", 0) == 0 && node.integer("spatial", 1) == 1,
            "expected means and variances as they are stored, for each channel, found a layer in training or one for each place"
        );
        let epsilon = f64::from(node.float("epsilon", 1e-5));
        let numbers = |index: usize| -> Result<Vec<f64>> {
            let numbers = self.constant(node, index)?.real()?;
            Ok(numbers.iter().map(|&number| number.into()).collect())
        };
        let [gamma, beta, mean, variance] = [numbers(1)?, numbers(2)?, numbers(3)?, numbers(4)?];
        ensure!(
            [&beta, &mean, &variance]
                .iter()
                .all(|v| v.len() == gamma.len()),
            "expected as many shifts, means and variances as factors"
        );
        ensure!(
            variance.iter().all(|&variance| variance + epsilon > 0.0),
            "expected variances above 0"
        );
        let deviations = variance.iter().map(|variance| (variance + epsilon).sqrt());
        let scale: Vec<f64> = gamma.iter().zip(deviations).map(|(g, d)| g / d).collect();
        let means = scale.iter().zip(&mean).map(|(scale, mean)| scale * mean);
        let shift = beta.iter().zip(means).map(|(b, m)| b - m).collect();
        self.affine(node, 0, &scale, shift)
    }

    /// The real numbers that bytes of the picture stand for.
    pub(super) fn dequantize(&mut self, node: &Node<'a>) -> Result<Value> {
        ensure!(
            matches!(self.value(node, 0)?, Value::Picture(_)),
            "expected the picture's bytes, found something else: give a network that is not quantized"
        );
        let scale = self.constant(node, 1)?.numbers();
        let zero_point = self.optional_constant(node, 2)?;
        let zero_point = zero_point.map_or(vec![0.0], Constant::numbers);
        let (&[scale], &[zero_point]) = (scale.as_slice(), zero_point.as_slice()) else {
            bail!("expected one scale and zero point for all channels");
        };
        let channels = self.input.channels;
        let shift = vec![-scale * zero_point; channels];
        self.affine(node, 0, &vec![scale; channels], shift)
    }

    /// Sums, differences, products and quotients.
    pub(super) fn arithmetic(&mut self, node: &Node<'a>) -> Result<Value> {
        if let Some(value) = self.of_length(node)? {
            return Ok(value);
        }
        if node.operator() == "Neg" {
            let channels = self.channels(self.value(node, 0)?)?;
            return self.affine(node, 0, &vec![-1.0; channels], vec![0.0; channels]);
        }
        ensure!(
            node.inputs().count() == 2,
            "expected two inputs, found {}",
            node.inputs().count()
        );
        let operands = [self.value(node, 0)?, self.value(node, 1)?];
        let (place, constant) = match operands {
            [Value::Constant(_), Value::Constant(_)] => {
                bail!("expected something that depends on the picture, found constants")
            }
            [_, Value::Constant(constant)] => (0, constant),
            [Value::Constant(constant), _] => (1, constant),
            _ => return self.sum(node),
        };
        let value = operands[place];
        let channels = self.channels(value)?;
        let numbers = self.per_channel(constant, value, channels)?;
        let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
        let minus = |numbers: &[f64]| numbers.iter().map(|number| -number).collect();
        match (node.operator(), place) {
            ("Add" | "Sum", _) => self.affine(node, place, &ones, numbers),
            ("Sub", 0) => self.affine(node, 0, &ones, minus(&numbers)),
            ("Sub", _) => self.affine(node, 1, &minus(&ones), numbers),
            ("Mul", _) => self.affine(node, place, &numbers, zeros),
            ("Div", 0) => {
                ensure!(
                    numbers.iter().all(|&number| number != 0.0),
                    "expected divisors other than 0"
                );
                let factors: Vec<f64> = numbers.iter().map(|number| 1.0 / number).collect();
                self.affine(node, 0, &factors, zeros)
            }
            _ => bail!(
                "expected sums, differences and products with constants, found something else"
            ),
        }
    }

    /// The sum of two layers' outputs.
    fn sum(&mut self, node: &Node<'a>) -> Result<Value> {
        ensure!(
            matches!(node.operator(), "Add" | "Sum"),
            "expected a constant beside what depends on the picture, found two that do: only their sum is computed"
        );
        let [a, b] = [self.output(node, 0)?, self.output(node, 1)?];
        ensure!(
            a.is_row == b.is_row,
            "expected two inputs of one shape, found maps and numbers in a row"
        );
        ensure!(
            a.node != b.node,
            "expected a sum of two, found one added to itself"
        );
        let sum = self.push(node.name(), Layer::Add, &[a.node, b.node])?;
        Ok(Value::Layer(Output {
            is_row: a.is_row,
            ..sum
        }))
    }

    /// Channels of something that depends on the picture.
    fn channels(&self, value: &Value) -> Result<usize> {
        match value {
            Value::Picture(picture) => Ok(picture.scale.len()),
            Value::Layer(output) => Ok(self.graph.shape(output.node).channels),
            _ => bail!("expected a picture or maps, found something else"),
        }
    }

    /// A number for each channel of a value.
    fn per_channel(&self, constant: &Constant, value: &Value, channels: usize) -> Result<Vec<f64>> {
        let numbers = constant.numbers();
        if numbers.len() == 1 {
            return Ok(vec![numbers[0]; channels]);
        }
        // Where channels are last, all but the last size are 1; else rows and columns are.
        let channels_last = match value {
            Value::Picture(picture) => picture.channels_last,
            Value::Layer(output) => output.is_row,
            _ => false,
        };
        let sizes: &[usize] = &constant.shape;
        let of_channels = match channels_last {
            true => sizes.last() == Some(&numbers.len()),
            false => {
                let [before @ .., rows, columns] = sizes else {
                    bail!(
                        "expected a number for each of {channels} channels, found shape {sizes:?}"
                    );
                };
                (*rows, *columns) == (1, 1) && before.last() == Some(&numbers.len())
            }
        };
        ensure!(
            of_channels && numbers.len() == channels,
            "expected a number for each of {channels} channels, found shape {sizes:?}"
        );
        Ok(numbers)
    }

    /// `scale * x + shift` of each channel of an input.
    fn affine(
        &mut self,
        node: &Node<'a>,
        index: usize,
        scale: &[f64],
        shift: Vec<f64>,
    ) -> Result<Value> {
        let numbers = scale.iter().chain(&shift);
        ensure!(
            numbers.into_iter().all(|number| number.is_finite()),
            "expected finite numbers"
        );
        let value = self.value(node, index)?.clone();
        let channels = self.channels(&value)?;
        ensure!(
            scale.len() == channels && shift.len() == channels,
            "expected numbers for {channels} channels, found {}",
            scale.len()
        );
        if let Value::Picture(picture) = value {
            ensure!(
                picture.padding == [0; 4],
                "expected a convolution after a Pad, found something else"
            );
            let both = scale.iter().zip(&shift);
            return Ok(Value::Picture(Picture {
                scale: picture
                    .scale
                    .iter()
                    .zip(scale)
                    .map(|(a, b)| a * b)
                    .collect(),
                shift: picture
                    .shift
                    .iter()
                    .zip(both)
                    .map(|(before, (scale, shift))| before * scale + shift)
                    .collect(),
                ..picture
            }));
        }
        let output = self.output(node, index)?;
        let layer = &self.graph.nodes()[output.node];
        if output.is_alone && matches!(layer.layer, Layer::Conv2d { .. }) {
            let name = layer.name.clone();
            self.fold(&name, scale, &shift)?;
            return Ok(Value::Layer(output));
        }
        let shape = self.graph.shape(output.node);
        ensure!(
            !output.is_row || shape.len() == channels,
            "expected maps or one number per channel, found maps in a row: scale them before they are flattened"
        );
        let filters = Filters {
            weights: scale.iter().map(|&scale| scale as f32).collect(),
            bias: shift.iter().map(|&shift| shift as f32).collect(),
            per_group: 1,
            groups: channels,
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0; 4],
        };
        let pushed = self.push_convolution(node.name(), &Value::Layer(output), filters)?;
        Ok(Value::Layer(Output {
            is_row: output.is_row,
            ..pushed
        }))
    }

    /// Scales the filters and biases of convolution `name`, and shifts its biases.
    fn fold(&mut self, name: &str, scale: &[f64], shift: &[f64]) -> Result<()> {
        let missing = || format!("expected parameters of {name}, found none");
        let of = |parameter: &str| format!("{name}.{parameter}");
        let weights = self
            .parameters
            .get_mut(&of("weight"))
            .with_context(missing)?;
        let taps = weights.values.len() / scale.len();
        for (filter, scale) in weights.values.chunks_exact_mut(taps).zip(scale) {
            for weight in filter {
                *weight = (f64::from(*weight) * scale) as f32;
            }
        }
        let biases = self.parameters.get_mut(&of("bias")).with_context(missing)?;
        for (bias, (scale, shift)) in biases.values.iter_mut().zip(scale.iter().zip(shift)) {
            *bias = (f64::from(*bias) * scale + shift) as f32;
        }
        Ok(())
    }

    /// ReLU and what cuts off at 6 too.
    pub(super) fn rectifier(&mut self, node: &Node<'a>) -> Result<Value> {
        let layer = match node.operator() {
            "Relu" => Layer::Relu,
            _ => match self.clip(node)? {
                Clip::Rectifier(layer) => layer,
                Clip::Length(value) => return Ok(value),
            },
        };
        let output = self.output(node, 0)?;
        let channels = self.graph.shape(output.node).channels;
        let before = &self.graph.nodes()[output.node].layer;
        let fusible = output.is_alone && matches!(before, Layer::Conv2d { .. } | Layer::Add);
        let rectified = match (fusible, layer) {
            (true, layer) => self.push(node.name(), layer, &[output.node])?,
            (false, Layer::Relu) => self.push_slopes(node.name(), output, vec![0.0; channels])?,
            (false, layer) => {
                let filters = Filters {
                    weights: vec![1.0; channels],
                    bias: vec![0.0; channels],
                    per_group: 1,
                    groups: channels,
                    kernel: [1, 1],
                    stride: [1, 1],
                    padding: [0; 4],
                };
                let name = format!("{}.copy", node.name());
                let copy = self.push_convolution(&name, &Value::Layer(output), filters)?;
                self.push(node.name(), layer, &[copy.node])?
            }
        };
        Ok(Value::Layer(Output {
            is_row: output.is_row,
            ..rectified
        }))
    }

    fn clip(&self, node: &Node<'a>) -> Result<Clip> {
        if let value @ (Value::Length(_) | Value::SquaredLength(_)) = self.value(node, 0)? {
            // Of a length that is not almost zero, the least one says nothing.
            return Ok(Clip::Length(value.clone()));
        }
        let bound = |name: &str, index: usize, default: f32| -> Result<f32> {
            if let Some(attribute) = node.attribute(name) {
                return Ok(attribute.f);
            }
            match self.optional_constant(node, index)? {
                Some(constant) => match constant.real()? {
                    &[bound] => Ok(bound),
                    bounds => bail!("expected one bound, found {}", bounds.len()),
                },
                None => Ok(default),
            }
        };
        let (least, most) = (bound("min", 1, f32::MIN)?, bound("max", 2, f32::MAX)?);
        match (least, most) {
            (0.0, 6.0) => Ok(Clip::Rectifier(Layer::Relu6)),
            (0.0, f32::MAX..) => Ok(Clip::Rectifier(Layer::Relu)),
            _ => bail!("expected a Clip from 0, to 6 or without end, found {least} to {most}"),
        }
    }

    pub(super) fn slopes(&mut self, node: &Node<'a>) -> Result<Value> {
        let output = self.output(node, 0)?;
        let channels = self.graph.shape(output.node).channels;
        let slopes = match node.operator() {
            "LeakyRelu" => vec![node.float("alpha", 0.01); channels],
            _ => {
                let constant = self.constant(node, 1)?;
                let slopes = self.per_channel(constant, &Value::Layer(output), channels)?;
                slopes.iter().map(|&slope| slope as f32).collect()
            }
        };
        let pushed = self.push_slopes(node.name(), output, slopes)?;
        Ok(Value::Layer(Output {
            is_row: output.is_row,
            ..pushed
        }))
    }

    fn push_slopes(&mut self, name: &str, output: Output, slopes: Vec<f32>) -> Result<Output> {
        let pushed = self.push(name, Layer::Prelu, &[output.node])?;
        self.parameter(pushed.node, "weight", &[slopes.len()], slopes);
        Ok(pushed)
    }
}

/// What a Clip is.
enum Clip {
    Rectifier(Layer),
    Length(Value),
}
