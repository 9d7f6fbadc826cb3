//! An operator's attributes, checked as they are read.

use std::fmt;

use anyhow::{Context, Result, ensure};
use tract_onnx::pb::{AttributeProto, NodeProto};

/// The largest number of rows, columns, channels or places that anything moves by.
pub(super) const LARGEST: i64 = 65535;

/// An operator of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a>(&'a NodeProto);

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.operator())
    }
}

impl<'a> Node<'a> {
    pub(super) fn new(node: &'a NodeProto) -> Self {
        Self(node)
    }

    /// What it computes.
    pub(super) fn operator(&self) -> &'a str {
        &self.0.op_type
    }

    /// Whether it is an operator of the ONNX standard.
    pub(super) fn is_standard(&self) -> bool {
        matches!(self.0.domain.as_str(), "" | "ai.onnx")
    }

    /// Its name, or that of its output.
    pub(super) fn name(&self) -> &'a str {
        match self.0.name.as_str() {
            "" => self.output(),
            name => name,
        }
    }

    /// The inputs that are there.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0
            .input
            .iter()
            .map(String::as_str)
            .filter(|i| !i.is_empty())
    }

    /// The input at `index`, if it is there.
    pub(super) fn input(&self, index: usize) -> Option<&'a str> {
        self.0
            .input
            .get(index)
            .map(String::as_str)
            .filter(|i| !i.is_empty())
    }

    /// Its first output.
    pub(super) fn output(&self) -> &'a str {
        self.0.output.first().map_or("", String::as_str)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.0
            .attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    pub(super) fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name)
            .map_or(default, |attribute| attribute.i)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name)
            .map_or(default, |attribute| attribute.f)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let text = &self.attribute(name)?.s;
        std::str::from_utf8(text).ok()
    }

    pub(super) fn integers(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name)
            .map(|attribute| attribute.ints.as_slice())
    }

    /// A vertical and a horizontal size of 1 to [`LARGEST`].
    pub(super) fn pair(&self, name: &str) -> Result<Option<[usize; 2]>> {
        let Some(values) = self.integers(name) else {
            return Ok(None);
        };
        let sizes = sizes(values, 1).with_context(|| name.to_owned())?;
        let pair = <[usize; 2]>::try_from(sizes.as_slice());
        let pair = pair.ok().with_context(|| {
            format!("expected {name} of rows and columns, found {values:?}: only networks of pictures are read")
        })?;
        Ok(Some(pair))
    }

    /// Padding above, left, below and right; none where the attribute is absent.
    pub(super) fn padding(&self) -> Result<[usize; 4]> {
        let Some(values) = self.integers("pads") else {
            return Ok([0; 4]);
        };
        let sizes = sizes(values, 0).context("pads")?;
        let padding = <[usize; 4]>::try_from(sizes.as_slice());
        padding
            .ok()
            .with_context(|| format!("expected pads on four sides, found {values:?}"))
    }
}

/// Sizes of `least` to [`LARGEST`].
pub(super) fn sizes(values: &[i64], least: i64) -> Result<Vec<usize>> {
    ensure!(
        values.iter().all(|value| (least..=LARGEST).contains(value)),
        "expected numbers from {least} to {LARGEST}, found {values:?}"
    );
    Ok(values.iter().map(|&value| value as usize).collect())
}
