//! Train, evaluate, quantize and export Siamese networks.
//!
//! ```text
//! dataset -> sampler -> tower -> (distance, miner, loss) -> train -> checkpoint
//!                                                             |
//!   evaluate (any engine, head) <- export: ONNX f32 / int8 <- quantize (fold, calibrate)
//!               |                    + device artifact
//!         operating points --------------> artifact -> edge-runtime
//! ```
//!
//! The order of the modules is the order of that picture. Only modules behind the
//! feature `libtorch` know libtorch; everything else builds and runs without it.

pub mod config;
pub mod dataset;

#[cfg(feature = "libtorch")]
pub mod sampler;

pub mod tower;

#[cfg(feature = "libtorch")]
pub mod distance;
#[cfg(feature = "libtorch")]
pub mod miner;

#[cfg(feature = "libtorch")]
pub mod loss;
#[cfg(feature = "libtorch")]
pub mod train;

pub mod checkpoint;

#[cfg(feature = "libtorch")]
pub mod finetune;

pub mod import;

pub mod segmentation;

pub mod quantize;

pub mod export;

pub mod engine;
pub mod head;

pub mod evaluate;
pub mod report;

pub mod cli;
