//! What trainer and device share: the bytes that leave one and reach the other,
//! and the arithmetic that must come out the same on both.
//!
//! ```text
//! image -> preprocess -> (engine, not here) -> embedding -> support set -> decision
//!              ^                                   ^            ^
//!              +------------- artifact ------------+     template, wire
//! ```
//!
//! The order of the modules is the order of that picture. Nothing here
//! allocates, panics or knows an engine; every parser takes untrusted bytes and
//! answers with a typed error. The byte formats are specified, with test
//! vectors, in `shared/docs`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

pub mod preprocess;
pub mod quality;

pub mod artifact;
pub mod model_id;

pub mod distance;
pub mod embedding;
pub mod segmentation;
pub mod support_set;

pub mod cohort;

pub mod decision;
pub mod drift;
pub mod lockout;

pub mod seal;
pub mod secret;
pub mod template;
pub mod wire;

pub mod bytes;

pub use distance::Distance;
pub use embedding::{Embedding, EmbeddingFormat};
pub use model_id::ModelId;
pub use preprocess::Preprocess;
pub use secret::Secret;
