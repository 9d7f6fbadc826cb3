//! The program as a user calls it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

/// Runs it, without any data that this machine may have.
pub(crate) fn host_trainer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_host-trainer"))
        .args(arguments)
        .env_remove("SEMBLANCE_DATA")
        .output()
        .unwrap()
}
