//! What happens in a training. The loop emits events; what is done with them is
//! somebody else's business.

use serde::Serialize;

use crate::export::costs::Costs;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Training begins.
    Started {
        /// Training samples, rotations counted.
        samples: usize,
        /// Training classes, rotations counted.
        classes: usize,
        /// What the tower will cost on a device.
        #[serde(flatten)]
        costs: Costs,
        /// Steps in all.
        steps: usize,
        /// Steps done by an earlier, interrupted training.
        resumed_at: usize,
    },
    /// One batch was learnt from.
    Step {
        /// From 1.
        step: usize,
        /// The batch's loss.
        loss: f64,
        /// The learning rate used.
        learning_rate: f64,
    },
    /// An epoch ended with a validation.
    Epoch {
        /// From 1.
        epoch: usize,
        /// Mean loss of its batches.
        loss: f64,
        /// Figure of merit on classes that are not learnt from; larger is better.
        validation: f64,
        /// What that figure is.
        figure: &'static str,
        /// Standard deviation of embedding components over samples.
        spread: f64,
        /// Whether it is the best so far, whose weights are kept.
        best: bool,
    },
    /// Something is wrong, and what to change.
    Warning {
        /// In words.
        message: String,
    },
    /// Training stops early: patience is at its end.
    Stopped {
        /// The last epoch, from 1.
        epoch: usize,
    },
    /// Training ended.
    Finished {
        /// The best validation figure.
        validation: f64,
        /// The epoch that had it, from 1.
        epoch: usize,
    },
}
