//! Somebody's embedding network, from an ONNX file to a tower.
//!
//! ```text
//! file -> operators and constants, checked -> layers and parameters -> tower
//! ```
//!
//! [`lower`] makes of each operator the layers that compute the same, and folds what only
//! scales and shifts into the filters before it. Operators that no layer computes are
//! named with their nodes. Whether layers and file agree is measured by [`agreement`], by
//! running both.

pub mod agreement;
mod constant;
mod file;
mod lower;
mod node;

use anyhow::{Result, ensure};
use shared::preprocess::{Colour, Quantization};

use crate::tower::{Graph, Parameters};

pub use file::MAX_LEN;

/// How a network reads pictures, which no file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What its channels are.
    pub channels: Channels,
    /// What it makes of bytes; `None` where it reads the bytes themselves.
    pub scaling: Option<Scaling>,
    /// Height and width, where the file leaves them open.
    pub size: Option<[usize; 2]>,
    /// The output that is the embedding, where there are more.
    pub output: Option<String>,
}

/// What a network's channels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Channels {
    /// Luma; a network of three channels gets it three times
    Grey,
    /// Red, green and blue
    Rgb,
    /// Blue, green and red, as OpenCV has them
    Bgr,
}

/// `(byte - mean) / std`, of all channels or of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// One number, or one for each of the network's channels.
    pub mean: Vec<f64>,
    /// The same; none is 0.
    pub std: Vec<f64>,
}

/// A network as layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The layers.
    pub graph: Graph,
    /// Their numbers.
    pub parameters: Parameters,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
    /// What a picture's bytes mean to the first layer.
    pub quantization: Quantization,
}

impl Channels {
    /// What preprocessing keeps for them.
    pub fn colour(self) -> Colour {
        match self {
            Self::Grey => Colour::Grey,
            Self::Rgb | Self::Bgr => Colour::Rgb,
        }
    }

    /// The channel of the preprocessed picture that is the network's `channel`.
    fn source(self, channel: usize) -> usize {
        match self {
            Self::Grey => 0,
            Self::Rgb => channel,
            Self::Bgr => 2 - channel.min(2),
        }
    }
}

impl Reading {
    /// The bytes themselves, of as many channels as preprocessing gives.
    pub fn bytes(colour: Colour) -> Self {
        Self {
            channels: match colour {
                Colour::Grey => Channels::Grey,
                Colour::Rgb => Channels::Rgb,
            },
            scaling: None,
            size: None,
            output: None,
        }
    }

    /// Factor and shift of each of a network's channels, from a byte to what it reads.
    fn affine(&self, channels: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        let Some(Scaling { mean, std }) = &self.scaling else {
            return Ok((vec![1.0; channels], vec![0.0; channels]));
        };
        for (name, numbers) in [("mean", mean), ("std", std)] {
            ensure!(
                numbers.len() == 1 || numbers.len() == channels,
                "expected one {name} or one for each of the network's {channels} channels, found {}",
                numbers.len()
            );
            ensure!(
                numbers.iter().all(|number| number.is_finite()),
                "expected a {name} of finite numbers, found {numbers:?}"
            );
        }
        ensure!(
            std.iter().all(|&std| std > 0.0),
            "expected a std above 0, found {std:?}"
        );
        let of = |numbers: &[f64], channel: usize| numbers[channel % numbers.len()];
        let channels = 0..channels;
        Ok((
            channels.clone().map(|c| 1.0 / of(std, c)).collect(),
            channels.map(|c| -of(mean, c) / of(std, c)).collect(),
        ))
    }
}

/// What the channels of a network usually are: RGB of three, grey of one.
///
/// # Errors
/// As [`read`].
pub fn usual_channels(onnx: &[u8], reading: &Reading) -> Result<Channels> {
    match file::File::read(onnx, reading)?.input.shape.channels {
        1 => Ok(Channels::Grey),
        _ => Ok(Channels::Rgb),
    }
}

/// Reads an ONNX file.
///
/// # Errors
/// When the bytes are no ONNX file, refer to other files, or hold operators that no layer
/// computes, which are named.
pub fn read(onnx: &[u8], reading: &Reading) -> Result<Network> {
    let file = file::File::read(onnx, reading)?;
    lower::lower(&file, reading)
}
