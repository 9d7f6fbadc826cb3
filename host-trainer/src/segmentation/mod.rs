//! Few-shot segmentation: references with masks, a query, the query's mask.
//!
//! ```text
//! dataset (tasks, synthetic tasks) -> episodes -> network -> train -> quantize -> evaluate
//! ```

pub mod network;
