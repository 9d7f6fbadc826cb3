//! Devices at the end of a socket.

use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use super::Line;

/// How long an answer may take until it counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line over TCP.
#[derive(Debug)]
pub struct TcpLine {
    stream: TcpStream,
    received: [u8; 256],
    /// What of `received` was not taken yet.
    waiting: core::ops::Range<usize>,
}

impl TcpLine {
    /// Connects to a device.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::new(TcpStream::connect(address)?)
    }

    /// A line over a connection.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: [0; 256],
            waiting: 0..0,
        })
    }

    /// Counts an answer as lost after `patience`.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }
}

impl Line for TcpLine {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        if self.waiting.is_empty() {
            let count = match self.stream.read(&mut self.received) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            self.waiting = 0..count;
        }
        let next = self.waiting.next();
        Ok(next.and_then(|index| self.received.get(index).copied()))
    }
}
