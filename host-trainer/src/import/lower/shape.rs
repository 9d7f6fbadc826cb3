//! What only names values anew or puts them in another order, and the arithmetic of shapes.

use anyhow::{Context, Result, bail, ensure};

use super::{Constant, Lowering, Node, Output, Value};
use crate::import::constant::Values;

/// More than any arithmetic of shapes needs.
const MOST_NUMBERS: usize = 1024;

/// A constant that an operator states.
pub(super) fn constant(node: &Node<'_>) -> Result<Value> {
    let constant = match (
        node.attribute("value").and_then(|value| value.t.as_ref()),
        node.attribute("value_float"),
        node.attribute("value_int"),
    ) {
        (Some(tensor), ..) => Constant::read(tensor)?,
        (_, Some(value), _) => Constant {
            shape: vec![],
            values: Values::Real(vec![value.f]),
        },
        (_, _, Some(value)) => Constant {
            shape: vec![],
            values: Values::Whole(vec![value.i]),
        },
        _ => match node.integers("value_ints") {
            Some(values) => Constant::whole(values.to_vec()),
            None => bail!("expected a tensor or a number, found another kind of constant"),
        },
    };
    Ok(Value::Constant(constant))
}

impl<'a> Lowering<'a> {
    pub(super) fn shaped(&mut self, node: &Node<'a>) -> Result<Value> {
        let value = self.value(node, 0)?.clone();
        match (node.operator(), value) {
            ("Shape", value) => Ok(Value::Constant(Constant::whole(self.dims(&value)?))),
            (_, Value::Constant(constant)) => self.constant_shaped(node, &constant),
            ("Cast", value @ (Value::Layer(_) | Value::Picture(_))) => Ok(value),
            (
                "Expand" | "Cast" | "Unsqueeze" | "Squeeze" | "Reshape",
                value @ (Value::Length(_) | Value::SquaredLength(_) | Value::Unit(_)),
            )
            | ("Flatten", value @ Value::Unit(_)) => Ok(value),
            ("Transpose", Value::Picture(picture)) => {
                let order = node.integers("perm").unwrap_or(&[3, 2, 1, 0]);
                ensure!(
                    picture.channels_last && order == [0, 3, 1, 2],
                    "expected channels moved before rows and columns, found order {order:?}"
                );
                let [top, left, bottom, right] = picture.padding;
                Ok(Value::Picture(super::Picture {
                    channels_last: false,
                    padding: [top, left, bottom, right],
                    ..picture
                }))
            }
            ("Transpose", Value::Layer(output)) => {
                let shape = self.graph.shape(output.node);
                ensure!(
                    shape.len() == shape.channels && output.padding == [0; 4],
                    "expected maps in their order, found it changed: {:?}",
                    node.integers("perm")
                );
                Ok(Value::Layer(output))
            }
            (_, Value::Picture(_) | Value::Layer(_)) => {
                let output = self.output(node, 0)?;
                self.reshaped(node, output)
            }
            _ => bail!("expected a picture, maps or constants, found something else"),
        }
    }

    /// Sizes of a value, one picture at a time.
    fn dims(&self, value: &Value) -> Result<Vec<i64>> {
        let (shape, is_row) = match value {
            Value::Picture(picture) => {
                ensure!(!picture.channels_last, "expected channels first");
                (self.input, false)
            }
            Value::Layer(output) => (self.graph.shape(output.node), output.is_row),
            Value::Constant(constant) => {
                return Ok(constant.shape.iter().map(|&size| size as i64).collect());
            }
            Value::Squares(node) | Value::Unit(node) => (self.graph.shape(*node), true),
            Value::SquaredLength(_) | Value::Length(_) => return Ok(vec![1, 1]),
        };
        let sizes = [shape.channels, shape.height, shape.width];
        Ok(match is_row {
            true => vec![1, shape.len() as i64],
            false => std::iter::once(1)
                .chain(sizes.map(|size| size as i64))
                .collect(),
        })
    }

    /// Maps as numbers in a row, and back where they are one number each.
    fn reshaped(&self, node: &Node<'a>, output: Output) -> Result<Value> {
        let shape = self.graph.shape(output.node);
        let dims = self.dims(&Value::Layer(output))?;
        let wanted = match node.operator() {
            "Flatten" => {
                let axis = node.integer("axis", 1);
                ensure!(
                    axis == 1,
                    "expected everything of a picture in a row, found axis {axis}"
                );
                vec![1, -1]
            }
            "Reshape" => self.constant(node, 1)?.integers()?.to_vec(),
            "Squeeze" | "Unsqueeze" if shape.len() == shape.channels => {
                // One number per channel: whatever axes of size 1 come or go, they stay.
                return Ok(Value::Layer(Output {
                    is_row: node.operator() == "Squeeze",
                    ..output
                }));
            }
            other => {
                bail!("expected {other} of shapes alone, found it of maps, which no layer computes")
            }
        };
        let wanted = resolved(&wanted, &dims)
            .with_context(|| format!("expected a shape for {dims:?}, found {wanted:?}"))?;
        let row = [1, shape.len() as i64];
        let maps = [1, shape.channels, shape.height, shape.width].map(|size| size as i64);
        let is_row = match wanted.as_slice() {
            wanted if wanted == row => true,
            wanted if wanted == maps => false,
            _ => bail!("expected everything of a picture in a row, found shape {wanted:?}"),
        };
        Ok(Value::Layer(Output { is_row, ..output }))
    }

    /// The arithmetic of shapes.
    fn constant_shaped(&self, node: &Node<'a>, first: &Constant) -> Result<Value> {
        let constant = match node.operator() {
            "Cast" => first.clone(),
            "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten" if first.len() == 1 => Constant {
                // A number, alone or in a row of one.
                shape: match node.operator() {
                    "Squeeze" => vec![],
                    _ => vec![1],
                },
                ..first.clone()
            },
            "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten" => {
                let shape = first.shape.iter().copied().filter(|&size| size != 1);
                let kept: Vec<usize> = shape.collect();
                ensure!(
                    kept.len() <= 1 && node.operator() != "Flatten",
                    "expected numbers in a row, found shape {:?}",
                    first.shape
                );
                Constant {
                    shape: self.unsqueezed(node, first, &kept)?,
                    ..first.clone()
                }
            }
            "Gather" => {
                let numbers = first.integers()?;
                let indices = self.constant(node, 1)?;
                let axis = node.integer("axis", 0);
                ensure!(
                    axis == 0 && first.shape.len() <= 1,
                    "expected numbers in a row, found shape {:?} and axis {axis}",
                    first.shape
                );
                let chosen = indices.integers()?.iter().map(|&index| {
                    let index = if index < 0 {
                        index + numbers.len() as i64
                    } else {
                        index
                    };
                    let number = usize::try_from(index).ok().and_then(|i| numbers.get(i));
                    number
                        .copied()
                        .context("expected an index in the row, found another")
                });
                Constant {
                    values: Values::Whole(chosen.collect::<Result<_>>()?),
                    shape: indices.shape.clone(),
                }
            }
            "Concat" => {
                let mut all = vec![];
                for index in 0..node.inputs().count() {
                    all.extend_from_slice(self.constant(node, index)?.integers()?);
                    ensure!(
                        all.len() <= MOST_NUMBERS,
                        "expected a shape, found more than {MOST_NUMBERS} numbers"
                    );
                }
                Constant::whole(all)
            }
            "Slice" => {
                let numbers = first.integers()?;
                // The only axis is the last one too.
                for (index, what, usual) in [(3, "axis", [0, -1]), (4, "step", [1, 1])] {
                    let stated = self.optional_constant(node, index)?;
                    let stated = stated.map(Constant::integers).transpose()?;
                    ensure!(
                        stated.is_none_or(|stated| usual.iter().any(|usual| stated == [*usual]))
                            && first.shape.len() <= 1,
                        "expected a part of numbers in a row, found {what} {stated:?}"
                    );
                }
                let bound = |index: usize| -> Result<i64> {
                    let bounds = self.constant(node, index)?.integers()?;
                    let &[bound] = bounds else {
                        bail!("expected one bound, found {bounds:?}");
                    };
                    let count = numbers.len() as i64;
                    let bound = if bound < 0 {
                        bound.saturating_add(count)
                    } else {
                        bound
                    };
                    Ok(bound.clamp(0, count))
                };
                let (begin, end) = (bound(1)? as usize, bound(2)? as usize);
                Constant::whole(numbers.get(begin..end).unwrap_or(&[]).to_vec())
            }
            other => bail!("{other} of a constant is not read"),
        };
        Ok(Value::Constant(constant))
    }

    /// The shape of numbers in a row with the axes of size 1 that the node states.
    fn unsqueezed(&self, node: &Node<'a>, from: &Constant, row: &[usize]) -> Result<Vec<usize>> {
        match node.operator() {
            "Reshape" => {
                let wanted = self.constant(node, 1)?.integers()?;
                let dims: Vec<i64> = from.shape.iter().map(|&size| size as i64).collect();
                let shape =
                    resolved(wanted, &dims).context("expected a shape of as many numbers")?;
                crate::import::node::sizes(&shape, 0)
            }
            "Squeeze" => Ok(row.to_vec()),
            _ => {
                let axes = match node.integers("axes") {
                    Some(axes) => axes,
                    None => self.constant(node, 1)?.integers()?,
                };
                let rank = from.shape.len() + axes.len();
                let is_new = |axis: usize| {
                    let axis = axis as i64;
                    axes.contains(&axis) || axes.contains(&(axis - rank as i64))
                };
                let mut sizes = from.shape.iter().copied();
                let shape = (0..rank).map(|axis| match is_new(axis) {
                    true => 1,
                    false => sizes.next().unwrap_or(1),
                });
                Ok(shape.collect())
            }
        }
    }
}

/// A shape as Reshape states it: 0 keeps a size, -1 is what remains.
fn resolved(wanted: &[i64], dims: &[i64]) -> Option<Vec<i64>> {
    let count: i64 = dims.iter().product();
    let mut sizes = vec![];
    for (place, &size) in wanted.iter().enumerate() {
        sizes.push(if size == 0 { *dims.get(place)? } else { size });
    }
    let free = sizes.iter().filter(|&&size| size == -1).count();
    let stated = sizes
        .iter()
        .filter(|&&size| size != -1)
        .try_fold(1i64, |product, &size| {
            product.checked_mul(size).filter(|p| *p > 0)
        })?;
    if free > 1 || count % stated != 0 {
        return None;
    }
    for size in &mut sizes {
        if *size == -1 {
            *size = count / stated;
        }
    }
    (sizes.iter().product::<i64>() == count).then_some(sizes)
}
