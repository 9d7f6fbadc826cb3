//! What a training wrote down: its lines of JSON, read back.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::checkpoint::EVENTS;

/// A training as its events tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Loss and learning rate of each step.
    pub steps: BTreeMap<u64, Step>,
    /// What each epoch ended with.
    pub epochs: BTreeMap<u64, Epoch>,
    /// Warnings, in order.
    pub warnings: Vec<String>,
    /// Lines that are no event: a cut-off last one, for example.
    pub unreadable: usize,
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its loss.
    pub loss: f64,
    /// The learning rate used.
    pub learning_rate: f64,
}

/// One epoch's end.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// The last step of it.
    pub step: u64,
    /// Mean loss of its batches.
    pub loss: f64,
    /// Figure of merit; larger is better.
    pub validation: f64,
    /// What that figure is.
    pub figure: String,
}

/// Lines that matter here; others are skipped.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Started {
        #[serde(default)]
        resumed_at: u64,
    },
    Step {
        step: u64,
        loss: f64,
        learning_rate: f64,
    },
    Epoch {
        epoch: u64,
        loss: f64,
        validation: f64,
        #[serde(default)]
        figure: String,
    },
    Warning {
        message: String,
    },
    #[serde(other)]
    Other,
}

impl History {
    /// Reads the events of a run's folder.
    ///
    /// # Errors
    /// When there are none or they cannot be read.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(EVENTS);
        let bytes = std::fs::read(&path).with_context(|| {
            format!(
                "{}: expected the events of a run made by `host-trainer train`",
                path.display()
            )
        })?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Reads lines of JSON. A training that goes on after an interruption replaces what
    /// was done after its last checkpoint.
    pub fn parse(text: &str) -> Self {
        let mut this = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(line) => this.take(line),
                Err(_) => this.unreadable += 1,
            }
        }
        this
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Started { resumed_at } => {
                self.steps.retain(|&step, _| step <= resumed_at);
                self.epochs.retain(|_, epoch| epoch.step <= resumed_at);
                if resumed_at == 0 {
                    self.warnings.clear();
                }
            }
            Line::Step {
                step,
                loss,
                learning_rate,
            } => {
                let event = Step {
                    loss,
                    learning_rate,
                };
                self.steps.insert(step, event);
            }
            Line::Epoch {
                epoch,
                loss,
                validation,
                figure,
            } => {
                let step = self.steps.keys().last().copied().unwrap_or(0);
                let event = Epoch {
                    step,
                    loss,
                    validation,
                    figure,
                };
                self.epochs.insert(epoch, event);
            }
            Line::Warning { message } => self.warnings.push(message),
            Line::Other => {}
        }
    }

    /// The epoch with the largest validation figure; of several, the first.
    pub fn best(&self) -> Option<(u64, &Epoch)> {
        let epochs = self.epochs.iter().map(|(&number, epoch)| (number, epoch));
        epochs.reduce(|best, next| match next.1.validation > best.1.validation {
            true => next,
            false => best,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, loss: f64) -> String {
        format!("{{\"event\":\"step\",\"step\":{step},\"loss\":{loss},\"learning_rate\":0.1}}\n")
    }

    fn epoch(epoch: u64, validation: f64) -> String {
        format!(
            "{{\"event\":\"epoch\",\"epoch\":{epoch},\"loss\":1.0,\"validation\":{validation},\"figure\":\"f\",\"best\":true}}\n"
        )
    }

    #[test]
    fn an_interrupted_training_is_told_once() {
        let started = |at| format!("{{\"event\":\"started\",\"resumed_at\":{at}}}\n");
        let lines = [
            started(0),
            step(1, 9.0),
            epoch(1, 0.5),
            step(2, 8.0),
            epoch(2, 0.4),
            step(3, 99.0),
            started(2),
            step(3, 7.0),
            epoch(3, 0.6),
        ];
        let history = History::parse(&lines.concat());
        let losses: Vec<f64> = history.steps.values().map(|step| step.loss).collect();
        assert_eq!(losses, [9.0, 8.0, 7.0]);
        assert_eq!(history.best().map(|(number, _)| number), Some(3));
        let anew = History::parse(&(lines.concat() + &started(0)));
        assert_eq!(anew, History::default());
    }

    #[test]
    fn what_is_no_event_is_counted() {
        let text = step(1, 1.0) + "\n{\"event\":\"new-kind\"}\nnoise\n{\"event\":\"ste";
        let history = History::parse(&text);
        assert_eq!((history.steps.len(), history.unreadable), (1, 2));
        let no_number = "{\"event\":\"step\",\"step\":1,\"loss\":null,\"learning_rate\":0.1}";
        assert_eq!(History::parse(no_number).unreadable, 1);
        assert_eq!(History::parse(""), History::default());
    }
}
