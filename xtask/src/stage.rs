//! Headings and elapsed time for chores of several stages.

use core::time::Duration;
use std::time::Instant;

use anyhow::{Context, Result};

/// The stages of one verb, in the order they ran.
pub(crate) struct Stages {
    verb: &'static str,
    start: Instant,
    finished: Vec<(String, Duration)>,
}

impl Stages {
    pub(crate) fn of(verb: &'static str) -> Self {
        Self {
            verb,
            start: Instant::now(),
            finished: Vec::new(),
        }
    }

    /// Runs one stage under its heading.
    pub(crate) fn run<T>(&mut self, name: &str, stage: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!(
            "\n==> {name}  ({} since the start)",
            clock(self.start.elapsed())
        );
        let start = Instant::now();
        let result = stage().with_context(|| format!("{}: {name}", self.verb))?;
        self.finished.push((name.to_owned(), start.elapsed()));
        Ok(result)
    }

    /// Prints how long each stage took.
    pub(crate) fn finish(self) {
        eprintln!();
        for (name, duration) in &self.finished {
            eprintln!("{:>8}  {name}", clock(*duration));
        }
        eprintln!(
            "{:>8}  {}: all done",
            clock(self.start.elapsed()),
            self.verb
        );
    }
}

fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} m {seconds:02} s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_failed_stage_is_named() {
        let failed = Stages::of("test")
            .run("clippy", || -> Result<()> { anyhow::bail!("two warnings") })
            .unwrap_err();
        assert_eq!(format!("{failed:#}"), "test: clippy: two warnings");
    }

    #[test]
    fn time_is_shown_in_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_secs(59)), "59 s");
        assert_eq!(clock(Duration::from_secs(605)), "10 m 05 s");
    }
}
