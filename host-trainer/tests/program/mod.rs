//! The program as a user calls it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Runs it, without any data that this machine may have.
pub(crate) fn host_trainer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_host-trainer"))
        .args(arguments)
        .env_remove("SEMBLANCE_DATA")
        .env("SEMBLANCE_KEYS", keys())
        .output()
        .unwrap()
}

/// A folder of keys that are only for tests.
#[allow(dead_code, reason = "not all tests open stores")]
pub(crate) fn keys() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path()
}
