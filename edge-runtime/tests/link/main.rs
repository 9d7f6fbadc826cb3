//! Sessions: what another implementation says of them, what gets through, and who may ask what.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod ends;
mod handshake;
mod mutations;
mod roles;
