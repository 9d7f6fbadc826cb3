//! Few-shot segmentation: finding a structure in pictures after a few pictures, references, in
//! which somebody marked it.
//!
//! ```text
//! dataset (tasks, synthetic tasks) -> samples -> episodes -> network -> train -> quantize -> evaluate
//! ```
//!
//! The order of the modules is the order of that picture.

pub mod dataset;

pub mod samples;

pub mod augment;
pub mod episodes;

pub mod network;

pub mod config;
pub mod dice;
#[cfg(feature = "libtorch")]
pub mod train;

pub mod artifact;
pub mod engine;
pub mod export;
pub mod onnx;
pub mod quantize;

pub mod baselines;
pub mod evaluate;
