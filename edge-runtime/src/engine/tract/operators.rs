//! Our kernels as operators of tract.
//!
//! Each moves its inputs to height x width x channels, where tract cancels what a neighbour
//! moved back, and computes one step of a plan.

use std::string::String;
use std::vec;
use std::vec::Vec;
use std::{boxed::Box, format};

use shared::artifact::Step;
use shared::artifact::plan::{Add, Conv2d, MAX_BIAS, MAX_FILTER, MaxPool, Place, Prelu};
use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::expandable::{Expansion, expand};

use super::kernel::{Kernel, Link};
use super::recognize::{ADD, CONVOLUTION, MAX_POOL, PRELU};
use crate::engine::int8::step::PackedStep;
use crate::kernels::InstructionSet;

/// Makes the operators known to tract's reader.
pub(super) fn register(operators: &mut OnnxOpRegister) {
    for name in [CONVOLUTION, MAX_POOL, ADD, PRELU] {
        operators.insert(name, read);
    }
}

type Read = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

fn read(_: &ParsingContext<'_>, node: &NodeProto) -> Read {
    let pair = |name: &str, default: u16| -> TractResult<[u16; 2]> {
        let values: Option<TVec<usize>> = node.get_attr_opt_tvec(name)?;
        let Some(values) = values else {
            return Ok([default; 2]);
        };
        ensure!(values.len() >= 2, "{name} of {values:?}");
        Ok([u16::try_from(values[0])?, u16::try_from(values[1])?])
    };
    let operator = match node.op_type.as_str() {
        CONVOLUTION => Operator::Convolution {
            stride: pair("strides", 1)?,
            padding: pair("pads", 0)?,
            groups: node.get_attr_opt("group")?.unwrap_or(1),
        },
        MAX_POOL => Operator::MaxPool {
            kernel: pair("kernel_shape", 1)?,
            stride: pair("strides", 1)?,
            padding: pair("pads", 0)?,
        },
        ADD => Operator::Add,
        _ => Operator::Prelu,
    };
    Ok((expand(operator), vec![]))
}

/// An operator as the graph has it, in channels x height x width.
#[derive(Clone, Debug)]
enum Operator {
    Convolution {
        stride: [u16; 2],
        padding: [u16; 2],
        groups: usize,
    },
    MaxPool {
        kernel: [u16; 2],
        stride: [u16; 2],
        padding: [u16; 2],
    },
    Add,
    Prelu,
}

impl Expansion for Operator {
    fn name(&self) -> StaticName {
        match self {
            Self::Convolution { .. } => CONVOLUTION.into(),
            Self::MaxPool { .. } => MAX_POOL.into(),
            Self::Add => ADD.into(),
            Self::Prelu => PRELU.into(),
        }
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        solver.equals(&inputs[0].datum_type, u8::datum_type())?;
        solver.equals(&outputs[0].datum_type, u8::datum_type())?;
        solver.equals(&inputs[0].rank, 4)?;
        match self {
            &Self::Convolution {
                stride, padding, ..
            } => {
                let shapes = (&inputs[0].shape, &inputs[3].shape);
                solver.given_2(shapes.0, shapes.1, move |solver, input, filters| {
                    let kernel = [filters[2].to_usize()?, filters[3].to_usize()?];
                    let mut shape = windows(&input, kernel, stride, padding)?;
                    shape[1] = filters[0].clone();
                    solver.equals(&outputs[0].shape, shape)
                })
            }
            &Self::MaxPool {
                kernel,
                stride,
                padding,
            } => solver.given(&inputs[0].shape, move |solver, input| {
                let shape = windows(&input, kernel.map(usize::from), stride, padding)?;
                solver.equals(&outputs[0].shape, shape)
            }),
            Self::Add => {
                solver.equals(&inputs[0].shape, &inputs[3].shape)?;
                solver.equals(&inputs[0].shape, &outputs[0].shape)
            }
            Self::Prelu => solver.equals(&inputs[0].shape, &outputs[0].shape),
        }
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let kernel = self.kernel(model, inputs)?;
        let mut moved: TVec<OutletId> = tvec![];
        let read: &[usize] = if matches!(self, Self::Add) {
            &[0, 3]
        } else {
            &[0]
        };
        for &index in read {
            let name = format!("{prefix}.channels_last{index}");
            moved.push(model.wire_node(name, AxisOp::Move(1, 3), &[inputs[index]])?[0]);
        }
        let computed = model.wire_node(format!("{prefix}.kernel"), kernel, &moved)?;
        model.wire_node(prefix, AxisOp::Move(3, 1), &computed)
    }
}

/// Shape of what windows over `input` give, of as many channels.
fn windows(
    input: &[TDim],
    kernel: [usize; 2],
    stride: [u16; 2],
    padding: [u16; 2],
) -> TractResult<TVec<TDim>> {
    ensure!(input.len() == 4, "rank 4 expected, found {}", input.len());
    let mut shape: TVec<TDim> = input.iter().cloned().collect();
    for axis in 0..2 {
        let padded = input[axis + 2].to_usize()? + 2 * usize::from(padding[axis]);
        ensure!(
            stride[axis] > 0 && usize::from(padding[axis]) < kernel[axis] && padded >= kernel[axis],
            "windows of {kernel:?} every {stride:?}, padded by {padding:?}, do not fit {input:?}"
        );
        shape[axis + 2] = ((padded - kernel[axis]) / usize::from(stride[axis]) + 1).to_dim();
    }
    Ok(shape)
}

impl Operator {
    /// The operator as a packed step, its constants taken from the graph.
    fn kernel(&self, model: &TypedModel, inputs: &[OutletId]) -> TractResult<Kernel> {
        let constants = Constants { model, inputs };
        let shape = |index: usize| -> TractResult<Place> {
            let fact = model.outlet_fact(inputs[index])?;
            let shape = fact
                .shape
                .as_concrete()
                .context("expected sizes that are known")?;
            ensure!(shape.len() == 4, "rank 4 expected, found {shape:?}");
            place([shape[2], shape[3], shape[1]])
        };
        let input = shape(0)?;
        let mut weights = vec![];
        let (step, output) = match self {
            &Self::Convolution {
                stride,
                padding,
                groups,
            } => {
                let conv = constants.convolution(input, stride, padding, groups, &mut weights)?;
                match groups {
                    1 => (Step::Conv2d(conv), conv.output),
                    _ => (Step::DepthwiseConv2d(conv), conv.output),
                }
            }
            &Self::MaxPool {
                kernel,
                stride,
                padding,
            } => {
                let output = output(input, kernel, stride, padding, input.channels)?;
                let pool = MaxPool {
                    input,
                    output,
                    kernel,
                    stride,
                    padding,
                };
                (Step::MaxPool(pool), output)
            }
            Self::Add => {
                let scale = constants.scalar::<f32>(6)?;
                let [a, b] = [1, 4].map(|index| constants.scalar::<f32>(index));
                let [za, zb] = [2, 5].map(|index| constants.scalar::<u8>(index));
                let add = Add {
                    place: input,
                    other: shape(3)?,
                    zero_points: [za?, zb?],
                    output_zero_point: constants.scalar(7)?,
                    multipliers: [a? / scale, b? / scale],
                };
                (Step::Add(add), input)
            }
            Self::Prelu => {
                let slopes = constants.values::<f32>(3)?;
                ensure!(
                    slopes.len() == usize::from(input.channels),
                    "a slope per channel"
                );
                weights = slopes
                    .iter()
                    .flat_map(|slope| slope.to_le_bytes())
                    .collect();
                let prelu = Prelu {
                    place: input,
                    input_zero_point: constants.scalar(2)?,
                    output_zero_point: constants.scalar(5)?,
                    multiplier: constants.scalar::<f32>(1)? / constants.scalar::<f32>(4)?,
                    slopes: 0,
                };
                (Step::Prelu(prelu), input)
            }
        };
        let packed = PackedStep::new(step, InstructionSet::fastest(), &weights);
        Ok(Kernel::new(
            self.name(),
            Link {
                step: packed.context("expected weights of the sizes that are stated")?,
                weights,
                output: [output.height, output.width, output.channels].map(usize::from),
                in_place: matches!(self, Self::Add | Self::Prelu),
            },
        ))
    }
}

fn place([height, width, channels]: [usize; 3]) -> TractResult<Place> {
    Ok(Place {
        offset: 0,
        height: height.try_into()?,
        width: width.try_into()?,
        channels: channels.try_into()?,
    })
}

fn output(
    input: Place,
    kernel: [u16; 2],
    stride: [u16; 2],
    padding: [u16; 2],
    channels: u16,
) -> TractResult<Place> {
    let shape = [1, channels, input.height, input.width].map(|size| usize::from(size).to_dim());
    let shape = windows(&shape, kernel.map(usize::from), stride, padding)?;
    place([shape[2].to_usize()?, shape[3].to_usize()?, channels.into()])
}

/// The inputs of an operator that are the same in every run.
struct Constants<'a> {
    model: &'a TypedModel,
    inputs: &'a [OutletId],
}

impl Constants<'_> {
    fn values<T: Datum + Copy>(&self, index: usize) -> TractResult<Vec<T>> {
        let outlet = self.inputs.get(index).context("expected another input")?;
        let constant = self.model.outlet_fact(*outlet)?.konst.as_ref();
        let constant = constant.context("expected a constant")?;
        Ok(constant.try_as_plain_ram()?.as_slice::<T>()?.to_vec())
    }

    fn scalar<T: Datum + Copy>(&self, index: usize) -> TractResult<T> {
        let values = self.values::<T>(index)?;
        ensure!(
            values.len() == 1,
            "expected one number, found {}",
            values.len()
        );
        Ok(values[0])
    }

    /// The step, its constants in `weights` as an artifact has them.
    fn convolution(
        &self,
        input: Place,
        stride: [u16; 2],
        padding: [u16; 2],
        groups: usize,
        weights: &mut Vec<u8>,
    ) -> TractResult<Conv2d> {
        let filters = self.model.outlet_fact(self.inputs[3])?;
        let filters = filters.shape.as_concrete().context("expected filters")?;
        let &[out, per_group, height, width] = filters else {
            bail!("expected filters of rank 4, found {filters:?}");
        };
        ensure!(
            per_group * groups == usize::from(input.channels),
            "channels of {filters:?}"
        );
        let taps = height * width;
        ensure!(
            per_group * taps <= MAX_FILTER as usize,
            "filters of {filters:?} are too long"
        );
        let kernel = [u16::try_from(height)?, u16::try_from(width)?];
        let values = self.values::<i8>(3)?;
        // Channels vary fastest: of each filter, or over depthwise ones.
        let (outer, inner) = if groups == 1 {
            (out, per_group)
        } else {
            (1, out)
        };
        for filter in values.chunks_exact(values.len() / outer) {
            for tap in 0..taps {
                weights.extend((0..inner).map(|channel| filter[channel * taps + tap] as u8));
            }
        }
        weights.resize(weights.len().next_multiple_of(4), 0);
        let bias_at = weights.len();
        let bias = match self.inputs.len() {
            9 => self.values::<i32>(8)?,
            _ => vec![0; out],
        };
        ensure!(
            bias.len() == out
                && bias
                    .iter()
                    .all(|&bias| bias.unsigned_abs() <= MAX_BIAS as u32),
            "expected {out} biases of at most {MAX_BIAS}"
        );
        weights.extend(bias.iter().flat_map(|bias| bias.to_le_bytes()));
        let multipliers_at = weights.len();
        let [from, to] = [1, 6].map(|index| self.scalar::<f32>(index));
        let (from, to, scales) = (from?, to?, self.values::<f32>(4)?);
        ensure!(
            scales.len() == 1 || scales.len() == out,
            "a scale per filter"
        );
        for channel in 0..out {
            let multiplier = from * scales[channel % scales.len()] / to;
            ensure!(
                multiplier.is_finite(),
                "expected scales that are no infinities"
            );
            weights.extend(multiplier.to_le_bytes());
        }
        Ok(Conv2d {
            input,
            output: output(input, kernel, stride, padding, out.try_into()?)?,
            kernel,
            stride,
            padding,
            input_zero_point: self.scalar(2)?,
            output_zero_point: self.scalar(7)?,
            weights: 0,
            bias: bias_at.try_into()?,
            multipliers: multipliers_at.try_into()?,
        })
    }
}
