//! Shows events: a progress bar on a terminal, plain lines elsewhere, JSON lines in a file.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use super::event::Event;

/// Shows and records events.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    log: File,
}

impl Progress {
    /// Appends events to `log`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn new(log: &Path) -> Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("{}: cannot be written", log.display()))?;
        Ok(Self {
            bar: ProgressBar::hidden(),
            is_terminal: std::io::stderr().is_terminal(),
            log,
        })
    }

    /// Shows one event. A full disk does not stop a training; the log ends there.
    pub fn show(&mut self, event: &Event) {
        let line = serde_json::to_string(event).unwrap_or_default();
        let _ = writeln!(self.log, "{line}");
        match event {
            Event::Started {
                steps,
                resumed_at,
                samples,
                classes,
                parameters,
                macs,
                ..
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
                    "{samples} samples of {classes} classes; {parameters} parameters, {:.2} million multiply-accumulates an embedding; {steps} steps",
                    *macs as f64 / 1e6
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
            } => {
                let mark = if *best { ", best so far" } else { "" };
                self.line(&format!(
                    "epoch {epoch}: loss {loss:.4}, {figure} {validation:.4}{mark}"
                ));
            }
            Event::Warning { message } => self.line(&format!("warning: {message}")),
            Event::Finished { validation, epoch } => {
                self.bar.finish_and_clear();
                self.line(&format!("best: {validation:.4} after epoch {epoch}"));
            }
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
