//! Shows events: a progress bar on a terminal, plain lines elsewhere, JSON lines in a file.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use super::event::Event;
use super::tensorboard::EventFile;
use crate::checkpoint::EVENTS;

/// Shows and records events.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    log: File,
    board: EventFile,
    /// The last step.
    step: u64,
}

impl Progress {
    /// Appends events to `events.jsonl` in a run's folder, and begins a TensorBoard file
    /// beside it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(EVENTS);
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(Self {
            bar: ProgressBar::hidden(),
            is_terminal: std::io::stderr().is_terminal(),
            log,
            board: EventFile::create(folder, now())?,
            step: 0,
        })
    }

    /// Shows one event. A full disk does not stop a training; the log ends there.
    pub fn show(&mut self, event: &Event) {
        let line = serde_json::to_string(event).unwrap_or_default();
        let _ = writeln!(self.log, "{line}");
        let _ = self.plot(event);
        match event {
            Event::Started {
                steps,
                resumed_at,
                samples,
                classes,
                costs,
            } => {
                if self.is_terminal {
                    let style = ProgressStyle::with_template(
                        "{bar:30} step {pos}/{len}  {msg}  {elapsed} elapsed, {eta} left",
                    );
                    self.bar = ProgressBar::new(*steps as u64);
                    self.bar.set_position(*resumed_at as u64);
                    self.bar
                        .set_style(style.unwrap_or(ProgressStyle::default_bar()));
                }
                self.line(&format!(
                    "{samples} samples of {classes} classes; {} parameters; on a device {:.2} million multiply-accumulates a pass, \
                     {:.1} KB flash, {:.1} KB memory for activations; {steps} steps",
                    costs.parameters,
                    costs.macs as f64 / 1e6,
                    costs.flash_bytes as f64 / 1024.0,
                    costs.arena_bytes as f64 / 1024.0
                ));
            }
            Event::Step { step, loss, .. } => {
                self.bar.set_position(*step as u64);
                self.bar.set_message(format!("loss {loss:.4}"));
            }
            Event::Epoch {
                epoch,
                loss,
                validation,
                figure,
                best,
                ..
            } => {
                let mark = if *best { ", best so far" } else { "" };
                self.line(&format!(
                    "epoch {epoch}: loss {loss:.4}, {figure} {validation:.4}{mark}"
                ));
            }
            Event::Warning { message } => self.line(&format!("warning: {message}")),
            Event::Stopped { epoch } => {
                self.line(&format!(
                    "stopped after epoch {epoch}: no better one for long"
                ));
            }
            Event::Finished { validation, epoch } => {
                self.bar.finish_and_clear();
                self.line(&format!("best: {validation:.4} after epoch {epoch}"));
            }
        }
    }

    /// Adds an event's numbers to the TensorBoard file.
    fn plot(&mut self, event: &Event) -> std::io::Result<()> {
        match *event {
            Event::Step {
                step,
                loss,
                learning_rate,
            } => {
                self.step = step as u64;
                self.board.scalar("loss/batch", self.step, loss, now())?;
                self.board
                    .scalar("learning_rate", self.step, learning_rate, now())
            }
            Event::Epoch {
                loss,
                validation,
                spread,
                ..
            } => {
                self.board.scalar("loss/epoch", self.step, loss, now())?;
                self.board
                    .scalar("validation", self.step, validation, now())?;
                self.board.scalar("spread", self.step, spread, now())?;
                self.board.flush()
            }
            _ => Ok(()),
        }
    }

    fn line(&self, text: &str) {
        if self.is_terminal {
            self.bar.println(text);
        } else {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// Seconds since 1970, as TensorBoard counts.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
