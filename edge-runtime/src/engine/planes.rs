//! Samples as ONNX has them.
//!
//! Preprocessing and our engine keep the channels of a pixel side by side; an ONNX graph
//! reads one plane for each channel.

use std::borrow::Cow;
use std::vec;

use shared::Preprocess;

/// Sizes of `samples` samples: how many, channels, height, width.
pub fn shape(preprocess: &Preprocess, samples: usize) -> [usize; 4] {
    let shape = preprocess.shape();
    let [channels, height, width] = [shape.channels, shape.height, shape.width];
    [samples, channels.into(), height.into(), width.into()]
}

/// Preprocessed samples, one after the other, each plane by plane.
pub fn planes<'a>(preprocess: &Preprocess, samples: &'a [u8]) -> Cow<'a, [u8]> {
    let channels = usize::from(preprocess.shape().channels);
    of_each(samples, preprocess.output_len(), channels)
}

/// Pixels of so many channels, plane by plane.
pub fn to_planes(pixels: &[u8], channels: usize) -> Cow<'_, [u8]> {
    of_each(pixels, pixels.len(), channels)
}

/// Every `len` bytes plane by plane.
fn of_each(samples: &[u8], len: usize, channels: usize) -> Cow<'_, [u8]> {
    if channels == 1 || len == 0 {
        return Cow::Borrowed(samples);
    }
    let mut planes = vec![0; samples.len()];
    for (sample, planes) in samples.chunks_exact(len).zip(planes.chunks_exact_mut(len)) {
        for (channel, plane) in planes.chunks_exact_mut(len / channels).enumerate() {
            let values = sample.iter().skip(channel).step_by(channels);
            plane
                .iter_mut()
                .zip(values)
                .for_each(|(to, from)| *to = *from);
        }
    }
    Cow::Owned(planes)
}
