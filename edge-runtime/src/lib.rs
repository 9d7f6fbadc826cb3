//! Enrol and verify on the device.
//!
//! ```text
//! model.bin -> loader -> engine (int8 | tract) -> recognizer -> decision
//!                           |                        |
//!                        kernels                store (file | flash)
//! ```
//!
//! A host that is not on the device is a `client` of its `server`, by a `link` that keeps
//! others out. Boards take pictures
//! themselves where they have a `sensor`.
//! Where a model marks a structure on pictures instead, a `segmenter` stands for the recognizer
//! and answers with a mask.
//! Servers that know very many look an embedding up by `search`, which is kernels too.
//!
//! The order of the modules is the order of that picture. Without features this
//! is a `no_std` library that neither allocates nor panics: the int8 engine reads
//! weights where they lie and works in one arena that the caller provides. `std`
//! adds files and vector instructions, chosen by the processor at hand, `tract` the engine
//! that runs quantized ONNX on Linux-class boards.
#![no_std]
#![deny(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod file;
#[cfg(feature = "std")]
pub mod loader;
#[cfg(feature = "std")]
pub mod pen;
#[cfg(feature = "std")]
pub mod picture;

pub mod sensor;

pub mod engine;
#[doc(inline)]
pub use edge_kernels as kernels;

pub mod boards;
pub mod limits;
pub mod recognizer;
pub mod search;
#[cfg(feature = "segmentation")]
pub mod segmenter;

#[cfg(any(feature = "std", feature = "flash"))]
pub mod keys;
pub mod store;

pub mod link;
pub mod server;
#[cfg(feature = "flash")]
pub mod slots;

#[cfg(feature = "std")]
pub mod client;

pub use engine::{Engine, EngineError};
