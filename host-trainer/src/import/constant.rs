//! Numbers that are the same for every picture.

use anyhow::{Context, Result, bail, ensure};
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

/// A constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    /// Size of each dimension, outermost first.
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

/// Its numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Real(Vec<f32>),
    Whole(Vec<i64>),
}

impl Constant {
    /// Whole numbers in a row.
    pub(super) fn whole(values: Vec<i64>) -> Self {
        Self {
            shape: vec![values.len()],
            values: Values::Whole(values),
        }
    }

    /// Reads a tensor of a file.
    ///
    /// # Errors
    /// When it is of another type than these, lies in another file, is shorter than its
    /// shape says, or holds numbers that are not finite.
    pub(super) fn read(tensor: &TensorProto) -> Result<Self> {
        ensure!(
            tensor.external_data.is_empty() && tensor.data_location.unwrap_or(0) == 0,
            "expected its numbers in the file itself, found a reference to another file: save the model as one file"
        );
        let mut length = 1usize;
        let mut shape = vec![];
        for &size in &tensor.dims {
            let size = usize::try_from(size).context("expected sizes of at least 0")?;
            length = length
                .checked_mul(size)
                .context("expected a tensor that fits memory")?;
            shape.push(size);
        }
        let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
        let raw = &tensor.raw_data;
        let values = match kind {
            DataType::Float => Values::Real(match raw.is_empty() {
                true => tensor.float_data.clone(),
                false => numbers(raw, f32::from_le_bytes)?,
            }),
            DataType::Double => Values::Real(match raw.is_empty() {
                true => tensor.double_data.iter().map(|&v| v as f32).collect(),
                false => numbers(raw, |bytes| f64::from_le_bytes(bytes) as f32)?,
            }),
            DataType::Float16 => Values::Real(match raw.is_empty() {
                true => tensor.int32_data.iter().map(|&v| half(v as u16)).collect(),
                false => numbers(raw, |bytes| half(u16::from_le_bytes(bytes)))?,
            }),
            DataType::Int64 => Values::Whole(match raw.is_empty() {
                true => tensor.int64_data.clone(),
                false => numbers(raw, i64::from_le_bytes)?,
            }),
            DataType::Int32 => Values::Whole(match raw.is_empty() {
                true => tensor.int32_data.iter().map(|&v| v.into()).collect(),
                false => numbers(raw, |bytes| i32::from_le_bytes(bytes).into())?,
            }),
            DataType::Uint8 => Values::Whole(match raw.is_empty() {
                true => tensor.int32_data.iter().map(|&v| v.into()).collect(),
                false => raw.iter().map(|&byte| byte.into()).collect(),
            }),
            other => bail!(
                "expected real numbers or integers, found {}: give a network that is not quantized",
                other.as_str_name()
            ),
        };
        let found = match &values {
            Values::Real(values) => values.len(),
            Values::Whole(values) => values.len(),
        };
        ensure!(
            found == length,
            "expected {length} numbers for shape {shape:?}, found {found}: the file is damaged"
        );
        if let Values::Real(values) = &values {
            ensure!(
                values.iter().all(|value| value.is_finite()),
                "expected finite numbers, found an infinity or a number that is none"
            );
        }
        Ok(Self { shape, values })
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its real numbers.
    ///
    /// # Errors
    /// When they are whole ones.
    pub(super) fn real(&self) -> Result<&[f32]> {
        match &self.values {
            Values::Real(values) => Ok(values),
            Values::Whole(_) => bail!("expected real numbers, found integers"),
        }
    }

    /// Its whole numbers.
    ///
    /// # Errors
    /// When they are real ones.
    pub(super) fn integers(&self) -> Result<&[i64]> {
        match &self.values {
            Values::Whole(values) => Ok(values),
            Values::Real(_) => bail!("expected integers, found real numbers"),
        }
    }

    /// Its numbers, whatever they are.
    pub(super) fn numbers(&self) -> Vec<f64> {
        match &self.values {
            Values::Real(values) => values.iter().map(|&value| value.into()).collect(),
            Values::Whole(values) => values.iter().map(|&value| value as f64).collect(),
        }
    }
}

fn numbers<const N: usize, T>(raw: &[u8], of: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
    let (numbers, rest) = raw.as_chunks::<N>();
    ensure!(
        rest.is_empty(),
        "expected numbers of {N} bytes, found {} bytes: the file is damaged",
        raw.len()
    );
    Ok(numbers.iter().map(|&bytes| of(bytes)).collect())
}

/// A half-precision number (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn half_precision_is_read() {
        // From the tables of IEEE 754: 1, -2, the largest, the smallest normal and
        // subnormal numbers.
        let known = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
        ];
        for (bits, value) in known {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn damaged_tensors_are_refused() {
        let tensor = |dims: &[i64], raw: &[u8]| TensorProto {
            dims: dims.to_vec(),
            data_type: DataType::Float as i32,
            raw_data: raw.to_vec(),
            ..TensorProto::default()
        };
        assert!(Constant::read(&tensor(&[1], &1f32.to_le_bytes())).is_ok());
        let nan = f32::NAN.to_le_bytes();
        let damaged = [
            tensor(&[2], &1f32.to_le_bytes()),
            tensor(&[1], &[0; 5]),
            tensor(&[-1], &[]),
            tensor(&[i64::MAX, i64::MAX], &[]),
            tensor(&[1], &nan),
        ];
        for tensor in damaged {
            assert!(Constant::read(&tensor).is_err(), "{:?}", tensor.dims);
        }
    }
}
