//! Verbs on a device at the end of a line: what it answers, in the words and the JSON of the
//! verbs that run here.

mod answers;
mod connect;
pub(crate) mod flash;
mod keys;
pub(crate) mod pair;
mod programmer;
mod remote;
pub(crate) mod serve;

use std::fmt;
use std::str::FromStr;

pub(crate) use keys::key as host_key;
pub(crate) use remote::{enroll, identify, list, remove, self_test, verify};

/// Where a verb runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// In this program.
    Local,
    /// On a device that a socket leads to.
    Tcp(String),
    /// On a device at a serial port.
    Serial(String),
    /// On an emulated board.
    Qemu(String),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "local" => Ok(Self::Local),
            Some(("tcp", address)) if address.contains(':') => Ok(Self::Tcp(address.into())),
            Some(("serial", path)) if !path.is_empty() => Ok(Self::Serial(path.into())),
            Some(("qemu", board)) if !board.is_empty() => Ok(Self::Qemu(board.into())),
            _ => Err("expected local, tcp:HOST:PORT, serial:PATH or qemu:BOARD".into()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Serial(path) => write!(f, "serial:{path}"),
            Self::Qemu(board) => write!(f, "qemu:{board}"),
        }
    }
}
